/*
 * A decider's handle: open the files that the daemon made, tell the time and whether the gate may decide at
 * all. Opening and closing happens in one thread; everything else in any. Never waits for the daemon.
 */
#include "core/alloc.h"
#include "gate/dir.h"
#include "gate/request.h"

#include <string.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)

static enum tk_err open_seats(struct tk_gate *gate, int dir_fd, struct tk_fault *fault)
{
        enum tk_err err = tk_seats_open(&gate->files, dir_fd, &gate->seats);
        if (err == TK_CORRUPT)
                tk_fault_set(fault, TK_FAULT_unavailable, "",
                             "start the daemon; it makes the gate's files anew",
                             "gate file events: its size is not that of rings");
        else if (err == TK_FULL)
                tk_fault_set(
                        fault, TK_FAULT_unavailable, "", "close gates that are not used",
                        "the process has used up its thread-specific keys, of which an open gate needs one");
        else if (err)
                tk_fault_from_err(fault, err);
        return err;
}

enum tk_err tk_gate_open(const char *dir, const struct tk_pepper_set *peppers, const struct tk_key_mask *mask,
                         struct tk_gate **ret_gate, struct tk_fault *fault)
{
        struct tk_gate *gate = tk_calloc(1, sizeof *gate);
        if (!gate)
                return tk_fault_from_err(fault, TK_NOMEM);
        tk_files_init(&gate->files);
        atomic_init(&gate->peppers, peppers);
        gate->mask = mask;

        int dir_fd = -1;
        enum tk_err err = tk_dir_open(dir, false, &dir_fd, fault);
        if (!err)
                err = tk_files_open(dir_fd, TK_ACCESS_DECIDER, &gate->files, fault);
        if (!err) {
                err = open_seats(gate, dir_fd, fault);
                dir_fd = -1; /* the seats own it now */
        }
        if (dir_fd >= 0)
                close(dir_fd);
        if (err) {
                tk_gate_close(gate);
                return err;
        }
        *ret_gate = gate;
        return TK_OK;
}

void tk_gate_close(struct tk_gate *gate)
{
        if (!gate)
                return;
        tk_seats_close(gate->seats);
        tk_files_close(&gate->files);
        tk_free(gate);
}

bool tk_gate_thread_begin(struct tk_gate *gate)
{
        return gate->seats && tk_seats_begin(gate->seats);
}

void tk_gate_thread_end(struct tk_gate *gate)
{
        if (gate->seats)
                tk_seats_end(gate->seats);
}

enum tk_err tk_gate_after_fork(struct tk_gate *gate)
{
        return gate->seats ? tk_seats_after_fork(gate->seats) : TK_OK;
}

void tk_gate_use_peppers(struct tk_gate *gate, const struct tk_pepper_set *peppers)
{
        atomic_store_explicit(&gate->peppers, peppers, memory_order_release);
}

static struct tk_gate_identity identity_of(const struct tk_format_header *header)
{
        struct tk_gate_identity identity = {.incarnation = header->incarnation};
        memcpy(identity.installation, header->installation, sizeof identity.installation);
        return identity;
}

struct tk_gate_identity tk_gate_identity(const struct tk_gate *gate)
{
        return identity_of(tk_files_keys_header(&gate->files));
}

enum tk_err tk_gate_identify(const char *dir, struct tk_gate_identity *ret_identity, struct tk_fault *fault)
{
        struct tk_format_header header;
        int dir_fd;
        enum tk_err err = tk_dir_open(dir, false, &dir_fd, fault);
        if (err)
                return err;
        err = tk_files_read_header(dir_fd, TK_FILE_KEYS, &header, fault);
        close(dir_fd);
        if (!err)
                *ret_identity = identity_of(&header);
        return err;
}

uint64_t tk_gate_now_ns(const struct tk_gate *gate)
{
        return tk_files_now(&gate->files).gate_ns;
}

const char *tk_gate_why_unavailable(const struct tk_gate *gate, uint64_t boot_ns)
{
        const struct tk_format_header *keys = tk_files_keys_header(&gate->files);
        if (tk_files_retired(&gate->files))
                return "the gate's files were replaced by newer ones";
        if (tk_unseal(atomic_load_explicit(&keys->applied_seq, memory_order_acquire)) == 0)
                return "the daemon has not filled the gate yet";

        uint64_t lease = atomic_load_explicit(&keys->lease_until_ms, memory_order_acquire);
        if (!tk_sealed(lease))
                return "the gate's files are damaged";
        if (tk_unseal(lease) && boot_ns / NS_PER_MS > tk_unseal(lease))
                return "the daemon has not renewed the gate's lease";
        return NULL;
}

bool tk_gate_available(const struct tk_gate *gate, const char **ret_why)
{
        const char *why = tk_gate_why_unavailable(gate, tk_files_now(&gate->files).boot_ns);
        if (why)
                *ret_why = why;
        return !why;
}

bool tk_gate_environment(const struct tk_gate *gate, struct tk_str api, struct tk_str environment,
                         uint32_t *ret_environment)
{
        uint32_t ref = tk_policy_find_environment(tk_gate_area(gate, TK_FILE_POLICY), api, environment);
        if (ref)
                *ret_environment = ref;
        return ref != 0;
}

bool tk_gate_has_api(const struct tk_gate *gate, struct tk_str api)
{
        return tk_policy_has_api(tk_gate_area(gate, TK_FILE_POLICY), api);
}

bool tk_gate_route(const struct tk_gate *gate, uint32_t environment, struct tk_str method,
                   struct tk_str template, uint32_t *ret_route)
{
        struct tk_area *policy = tk_gate_area(gate, TK_FILE_POLICY);
        const struct tk_format_environment *of = tk_policy_environment(policy, environment);
        uint32_t ref = of ? tk_policy_find_route(policy, of->environment_id, method, template) : 0;
        if (ref)
                *ret_route = ref;
        return ref != 0;
}
