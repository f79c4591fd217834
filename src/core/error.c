/*
 * The names of errors (error.h), for logs. Pure; any thread.
 */
#include "core/error.h"

const char *tk_err_name(enum tk_err err)
{
        switch (err) {
        case TK_OK:
                return "ok";
        case TK_INVALID:
                return "invalid";
        case TK_NOT_FOUND:
                return "not_found";
        case TK_CONFLICT:
                return "conflict";
        case TK_STALE:
                return "stale";
        case TK_DENIED:
                return "denied";
        case TK_BUSY:
                return "busy";
        case TK_FULL:
                return "full";
        case TK_NOMEM:
                return "nomem";
        case TK_IO:
                return "io";
        case TK_CORRUPT:
                return "corrupt";
        case TK_UNCERTAIN:
                return "uncertain";
        }
        return "invalid_error";
}
