/*
 * Environments and routes by name. The gate numbers them anew in each set of files, so a handle gives numbers
 * of its own, which hold, and each set knows what it calls them. Names are added under the handle's lock, and
 * read by deciding threads without.
 */
#include "core/alloc.h"
#include "lib/handle.h"

static char *copy(const char *text)
{
        size_t bytes = strlen(text) + 1;
        char *copied = tk_malloc(bytes);
        if (copied)
                memcpy(copied, text, bytes);
        return copied;
}

static void name_fini(struct tk_lib_name *name)
{
        tk_free(name->first);
        tk_free(name->second);
}

void tk_lib_names_free(struct tollkeeper_gate *handle)
{
        for (uint32_t i = 0; i < handle->name_count; i++)
                name_fini(&handle->names[i]);
        tk_free(handle->names);
}

/* 0: the set does not know it. */
static uint32_t resolve(const struct tk_lib_set *set, const struct tk_lib_name *name)
{
        struct tk_str first = tk_str_from(name->first), second = tk_str_from(name->second);
        uint32_t ref = 0;
        bool found = name->environment == 0 ? tk_gate_environment(set->gate, first, second, &ref)
                                            : tk_gate_route(set->gate, tk_lib_ref(set, name->environment),
                                                            first, second, &ref);
        return found ? ref : 0;
}

/* Environments stand before their routes. */
void tk_lib_names_resolve(const struct tollkeeper_gate *handle, struct tk_lib_set *set)
{
        for (uint32_t i = 0; i < handle->name_count; i++)
                if (tk_lib_ref(set, i + 1) == 0)
                        atomic_store_explicit(&set->refs[i], resolve(set, &handle->names[i]),
                                              memory_order_release);
}

/* The number of a name that was asked for before, or 0. */
static uint32_t find(const struct tollkeeper_gate *handle, uint32_t environment, const char *first,
                     const char *second)
{
        for (uint32_t i = 0; i < handle->name_count; i++) {
                const struct tk_lib_name *name = &handle->names[i];
                if (name->environment == environment && strcmp(name->first, first) == 0 &&
                    strcmp(name->second, second) == 0)
                        return i + 1;
        }
        return 0;
}

static enum tollkeeper_result not_found(const struct tk_lib_set *set, const struct tk_lib_name *name,
                                        struct tollkeeper_error *error)
{
        const char *why;
        if (!tk_gate_available(set->gate, &why))
                return tk_lib_error(TOLLKEEPER_BUSY, error, "%s: try again", why);
        if (name->environment)
                return tk_lib_error(TOLLKEEPER_NOT_FOUND, error,
                                    "the API has no route %.20s %.200s there: define it, or ask without one",
                                    name->first, name->second);
        return tk_lib_error(TOLLKEEPER_NOT_FOUND, error,
                            "there is no API %.100s with an environment %.100s: make it, or see `tollkeeper "
                            "api list`",
                            name->first, name->second);
}

/* Takes the name's texts on success. */
static enum tollkeeper_result add(struct tollkeeper_gate *handle, const struct tk_lib_name *name,
                                  uint32_t *ret_number, struct tollkeeper_error *error)
{
        struct tk_lib_set *set = tk_lib_current(handle);
        if (handle->name_count == TK_LIB_NAMES_MAX)
                return tk_lib_error(TOLLKEEPER_FULL, error,
                                    "a handle names at most %d environments and routes", TK_LIB_NAMES_MAX);
        uint32_t ref = resolve(set, name);
        if (ref == 0)
                return not_found(set, name, error);
        handle->names[handle->name_count] = *name;
        atomic_store_explicit(&set->refs[handle->name_count], ref, memory_order_release);
        *ret_number = ++handle->name_count;
        return TOLLKEEPER_OK;
}

static enum tollkeeper_result name(struct tollkeeper_gate *handle, uint32_t environment, const char *first,
                                   const char *second, uint32_t *ret_number, struct tollkeeper_error *error)
{
        if (!handle || !first || !second || !ret_number)
                return tk_lib_error(TOLLKEEPER_INVALID, error, "an argument is NULL");
        tk_lib_result(TK_OK, NULL, error);
        pthread_mutex_lock(&handle->lock);
        enum tollkeeper_result result = TOLLKEEPER_OK;
        uint32_t number = find(handle, environment, first, second);
        if (number == 0) {
                struct tk_lib_name added = {environment, copy(first), copy(second)};
                result = added.first && added.second ? add(handle, &added, &number, error)
                                                     : tk_lib_error(TOLLKEEPER_NOMEM, error, "out of memory");
                if (result != TOLLKEEPER_OK)
                        name_fini(&added);
        }
        pthread_mutex_unlock(&handle->lock);
        if (result == TOLLKEEPER_OK)
                *ret_number = number;
        return result;
}

enum tollkeeper_result tollkeeper_environment(struct tollkeeper_gate *gate, const char *api,
                                              const char *environment, uint32_t *ret_environment,
                                              struct tollkeeper_error *error)
{
        return name(gate, 0, api, environment, ret_environment, error);
}

enum tollkeeper_result tollkeeper_route(struct tollkeeper_gate *gate, uint32_t environment,
                                        const char *method, const char *path_template, uint32_t *ret_route,
                                        struct tollkeeper_error *error)
{
        if (environment == 0)
                return tk_lib_error(TOLLKEEPER_INVALID, error,
                                    "a route belongs to an environment, and none was given");
        return name(gate, environment, method, path_template, ret_route, error);
}
