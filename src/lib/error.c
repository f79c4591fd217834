/*
 * Errors of the library, as its callers see them (handle.h). Pure but for the caller's struct; any thread.
 */
#include "lib/handle.h"

#include <stdarg.h>
#include <stdio.h>

static const enum tollkeeper_result results[] = {
        [TK_OK] = TOLLKEEPER_OK,
        [TK_INVALID] = TOLLKEEPER_INVALID,
        [TK_NOT_FOUND] = TOLLKEEPER_NOT_FOUND,
        [TK_CONFLICT] = TOLLKEEPER_INVALID,
        [TK_STALE] = TOLLKEEPER_INVALID,
        [TK_DENIED] = TOLLKEEPER_DENIED,
        [TK_BUSY] = TOLLKEEPER_BUSY,
        [TK_FULL] = TOLLKEEPER_FULL,
        [TK_NOMEM] = TOLLKEEPER_NOMEM,
        [TK_IO] = TOLLKEEPER_IO,
        [TK_CORRUPT] = TOLLKEEPER_CORRUPT,
        [TK_UNCERTAIN] = TOLLKEEPER_IO,
};

static bool sized(const struct tollkeeper_error *error)
{
        return error && TK_LIB_SIZED(error);
}

enum tollkeeper_result tk_lib_error(enum tollkeeper_result result, struct tollkeeper_error *ret_error,
                                    const char *format, ...)
{
        if (sized(ret_error)) {
                va_list arguments;
                va_start(arguments, format);
                vsnprintf(ret_error->message, sizeof ret_error->message, format, arguments);
                va_end(arguments);
        }
        return result;
}

enum tollkeeper_result tk_lib_result(enum tk_err err, const struct tk_fault *fault,
                                     struct tollkeeper_error *ret_error)
{
        if (sized(ret_error))
                ret_error->message[0] = '\0';
        if (err == TK_OK)
                return TOLLKEEPER_OK;
        return tk_lib_error(results[err], ret_error, "%s%s%s", fault->detail, fault->mend[0] ? ": " : "",
                            fault->mend);
}
