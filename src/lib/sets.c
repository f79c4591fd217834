/*
 * One set of the gate's files, with the secrets to verify keys by: found, opened, freed. Called by who opens
 * or refreshes a handle, one thread at a time. Never called while deciding.
 */
#include "core/alloc.h"
#include "core/secret.h"
#include "lib/handle.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static char *join(const char *dir, const char *name)
{
        size_t bytes = strlen(dir) + strlen(name) + 1;
        char *path = tk_malloc(bytes);
        if (path)
                snprintf(path, bytes, "%s%s", dir, name);
        return path;
}

/*
 * Where DATA/gate points; the link may lead from DATA or from the root. When it is no link it is the
 * directory itself.
 */
static char *follow(const struct tollkeeper_gate *handle, char *link)
{
        char target[PATH_MAX];
        ssize_t len = readlink(link, target, sizeof target - 2);
        if (len <= 0)
                return link;
        target[len] = '\0';
        tk_free(link);
        if (target[0] == '/')
                return join(target, "");
        memmove(target + 1, target, (size_t)len + 1);
        target[0] = '/';
        return join(handle->data_dir, target);
}

enum tk_err tk_lib_gate_dir(const struct tollkeeper_gate *handle, char **ret_path, struct tk_fault *fault)
{
        char *path = handle->gate_dir ? join(handle->gate_dir, "") : join(handle->data_dir, "/gate");
        if (path && !handle->gate_dir)
                path = follow(handle, path);
        if (!path)
                return tk_fault_from_err(fault, TK_NOMEM);
        *ret_path = path;
        return TK_OK;
}

enum tk_err tk_lib_secrets_read(const struct tollkeeper_gate *handle, struct tk_lib_secrets **ret_secrets,
                                struct tk_fault *fault)
{
        struct tk_lib_secrets *secrets = tk_calloc(1, sizeof *secrets);
        if (!secrets)
                return tk_fault_from_err(fault, TK_NOMEM);
        enum tk_err err = tk_secrets_file_read(handle->pepper_path, &secrets->file, &secrets->version, fault);
        if (err == TK_OK) {
                *ret_secrets = secrets;
                secrets = NULL; /* the caller's */
        }
        tk_lib_secrets_free(secrets);
        return err;
}

void tk_lib_secrets_free(struct tk_lib_secrets *secrets)
{
        if (!secrets)
                return;
        tk_pepper_file_fini(&secrets->file);
        tk_free(secrets);
}

enum tk_err tk_lib_set_open(const struct tollkeeper_gate *handle, struct tk_lib_set **ret_set,
                            struct tk_fault *fault)
{
        char *dir = NULL;
        struct tk_lib_set *set = tk_calloc(1, sizeof *set);
        enum tk_err err = set ? TK_OK : tk_fault_from_err(fault, TK_NOMEM);
        if (!err)
                err = tk_lib_secrets_read(handle, &set->secrets, fault);
        if (!err)
                err = tk_lib_gate_dir(handle, &dir, fault);
        if (!err)
                err = tk_gate_open(dir, &set->secrets->file.peppers, &set->secrets->file.mask, &set->gate,
                                   fault);
        if (!err) {
                set->identity = tk_gate_identity(set->gate);
                *ret_set = set;
                set = NULL; /* the caller's */
        }
        tk_free(dir);
        tk_lib_set_free(set);
        return err;
}

void tk_lib_set_free(struct tk_lib_set *set)
{
        if (!set)
                return;
        tk_gate_close(set->gate);
        while (set->secrets) {
                struct tk_lib_secrets *secrets = set->secrets;
                set->secrets = secrets->older;
                tk_lib_secrets_free(secrets);
        }
        tk_free(set);
}
