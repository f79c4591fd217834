/*
 * The life of a handle: open, refresh, close. Opening and closing happens in one thread; refreshing in any,
 * one at a time, beside those that decide: they see either the set before or the whole of the one after it.
 * Never frees what a thread may be reading.
 */
#include "lib/handle.h"

#include "core/alloc.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- open, close ---- */

/* `dir` and `name`, or a copy of `given` where there is one. */
static char *path_of(const char *given, const char *dir, const char *name)
{
        const char *head = given ? given : dir;
        size_t bytes = strlen(head) + strlen(name) + 1;
        char *path = tk_malloc(bytes);
        if (path)
                snprintf(path, bytes, "%s%s", head, given ? "" : name);
        return path;
}

static const char *data_dir_of(const struct tollkeeper_config *config)
{
        if (config && config->data_dir)
                return config->data_dir;
        const char *from_environment = secure_getenv("TOLLKEEPER_DATA");
        return from_environment && from_environment[0] ? from_environment : "./data";
}

static enum tk_err take_config(struct tollkeeper_gate *handle, const struct tollkeeper_config *config,
                               struct tk_fault *fault)
{
        const char *data_dir = data_dir_of(config);
        handle->data_dir = path_of(NULL, data_dir, "");
        handle->pepper_path = path_of(config ? config->pepper_path : NULL, data_dir, "/pepper");
        bool whole = handle->data_dir && handle->pepper_path;
        if (config && config->gate_dir) {
                handle->gate_dir = path_of(config->gate_dir, NULL, "");
                whole = whole && handle->gate_dir;
        }
        return whole ? TK_OK : tk_fault_from_err(fault, TK_NOMEM);
}

enum tollkeeper_result tollkeeper_open(const struct tollkeeper_config *config,
                                       struct tollkeeper_gate **ret_gate, struct tollkeeper_error *error)
{
        struct tk_fault fault = {0};
        struct tk_lib_set *set = NULL;
        if (!ret_gate || (config && !tk_lib_understood(config, config->size, sizeof *config)))
                return tk_lib_error(
                        TOLLKEEPER_INVALID, error,
                        "the config has not the size of one that this library understands, or there is no "
                        "place for the handle");
        struct tollkeeper_gate *handle = tk_calloc(1, sizeof *handle);
        if (!handle)
                return tk_lib_error(TOLLKEEPER_NOMEM, error, "out of memory");
        pthread_mutex_init(&handle->lock, NULL);
        handle->names = tk_calloc(TK_LIB_NAMES_MAX, sizeof *handle->names);
        enum tk_err err = handle->names ? TK_OK : tk_fault_from_err(&fault, TK_NOMEM);
        if (!err)
                err = take_config(handle, config, &fault);
        if (!err)
                err = tk_lib_set_open(handle, &set, &fault);
        if (!err) {
                atomic_init(&handle->current, set);
                handle->set_count = 1;
                *ret_gate = handle;
                handle = NULL; /* the caller's */
        }
        tollkeeper_close(handle);
        return tk_lib_result(err, &fault, error);
}

void tollkeeper_close(struct tollkeeper_gate *gate)
{
        if (!gate)
                return;
        struct tk_lib_set *set = tk_lib_current(gate);
        while (set) {
                struct tk_lib_set *older = set->older;
                tk_lib_set_free(set);
                set = older;
        }
        tk_lib_names_free(gate);
        pthread_mutex_destroy(&gate->lock);
        tk_free(gate->gate_dir);
        tk_free(gate->pepper_path);
        tk_free(gate->data_dir);
        tk_free(gate);
}

/* ---- refresh ---- */

static bool same_installation(const struct tk_gate_identity *a, const struct tk_gate_identity *b)
{
        return memcmp(a->installation, b->installation, sizeof a->installation) == 0;
}

/*
 * A file without a pepper that was there would make keys unknown which are not: a mistake, as the daemon
 * would say at its start.
 */
static enum tk_err check_extends(const struct tk_lib_secrets *newer, const struct tk_lib_secrets *older,
                                 const char *path, struct tk_fault *fault)
{
        if (tk_pepper_file_extends(&newer->file, &older->file))
                return TK_OK;
        tk_fault_set(fault, TK_FAULT_internal, "", "put the right file back from its copy",
                     "the pepper file %s lacks a pepper that it had, or is of another installation", path);
        return TK_CORRUPT;
}

static enum tk_err refresh_secrets(const struct tollkeeper_gate *handle, struct tk_lib_set *set,
                                   struct tk_fault *fault)
{
        struct tk_secrets_version now;
        struct tk_lib_secrets *newer = NULL, *older = set->secrets;
        if (tk_secrets_file_version(handle->pepper_path, &now) &&
            memcmp(&now, &older->version, sizeof now) == 0)
                return TK_OK;
        enum tk_err err = tk_lib_secrets_read(handle, &newer, fault);
        if (!err)
                err = check_extends(newer, older, handle->pepper_path, fault);
        if (!err && tk_pepper_file_extends(&older->file, &newer->file)) {
                older->version = newer->version; /* written anew, and nothing added */
        } else if (!err) {
                tk_gate_use_peppers(set->gate, &newer->file.peppers);
                newer->older = older;
                set->secrets = newer;
                newer = NULL; /* the set's */
        }
        tk_lib_secrets_free(newer);
        return err;
}

static enum tk_err check_set(const struct tollkeeper_gate *handle, const struct tk_lib_set *set,
                             const struct tk_lib_set *before, struct tk_fault *fault)
{
        const char *why;
        if (same_installation(&set->identity, &before->identity)) {
                enum tk_err err = check_extends(set->secrets, before->secrets, handle->pepper_path, fault);
                if (err)
                        return err;
        }
        if (tk_gate_available(set->gate, &why))
                return TK_OK;
        tk_fault_set(fault, TK_FAULT_unavailable, "", "try again", "%s", why);
        return TK_BUSY;
}

static enum tk_err replace(struct tollkeeper_gate *handle, struct tk_lib_set *before, struct tk_fault *fault)
{
        struct tk_lib_set *set = NULL;
        if (handle->set_count == TOLLKEEPER_SETS_MAX) {
                tk_fault_set(fault, TK_FAULT_insufficient_storage, "", "close the handle and open another",
                             "the handle holds %d sets of files already", TOLLKEEPER_SETS_MAX);
                return TK_FULL;
        }
        enum tk_err err = tk_lib_set_open(handle, &set, fault);
        if (!err)
                err = check_set(handle, set, before, fault);
        if (!err) {
                tk_lib_names_resolve(handle, set);
                set->older = before;
                atomic_store_explicit(&handle->current, set, memory_order_release);
                handle->set_count++;
                set = NULL; /* the handle's */
        }
        tk_lib_set_free(set);
        return err;
}

static enum tk_err refresh(struct tollkeeper_gate *handle, struct tk_fault *fault)
{
        struct tk_lib_set *set = tk_lib_current(handle);
        struct tk_gate_identity now;
        char *dir;
        enum tk_err err = tk_lib_gate_dir(handle, &dir, fault);
        if (err)
                return err;
        err = tk_gate_identify(dir, &now, fault);
        tk_free(dir);
        if (err)
                return err;
        if (now.incarnation != set->identity.incarnation || !same_installation(&now, &set->identity))
                return replace(handle, set, fault);
        tk_lib_names_resolve(handle, set); /* what was not published yet may be now */
        return refresh_secrets(handle, set, fault);
}

enum tollkeeper_result tollkeeper_refresh(struct tollkeeper_gate *gate, struct tollkeeper_error *error)
{
        struct tk_fault fault = {0};
        pthread_mutex_lock(&gate->lock);
        enum tk_err err = refresh(gate, &fault);
        pthread_mutex_unlock(&gate->lock);
        return tk_lib_result(err, &fault, error);
}

bool tollkeeper_available(const struct tollkeeper_gate *gate, const char **ret_why)
{
        const char *why;
        bool available = tk_gate_available(tk_lib_current(gate)->gate, &why);
        if (!available && ret_why)
                *ret_why = why;
        return available;
}
