/*
 * The errors that functions return: one small closed set, grouped by what the caller can do about it.
 * What was wrong with an input, in words, travels beside it in a struct tk_fault (core/fault.h).
 * The outcome of verifying a key is not an error: see core/decision.h.
 */
#ifndef TK_CORE_ERROR_H
#define TK_CORE_ERROR_H

enum tk_err {
        TK_OK = 0,

        /* mend the input */
        TK_INVALID,   /* it can never be right as given */
        TK_NOT_FOUND, /* it names something that does not exist */
        TK_CONFLICT,  /* it collides with what exists */
        TK_STALE,     /* it was made against an older version */

        /* refused */
        TK_DENIED, /* the caller may not */

        /* try again later */
        TK_BUSY, /* another holds what is needed */
        TK_FULL, /* out of space: disk, shared memory or a fixed table */

        /* page someone */
        TK_NOMEM,   /* out of memory */
        TK_IO,      /* the system refused an operation */
        TK_CORRUPT, /* stored bytes are not what they must be */

        TK_UNCERTAIN, /* a write whose fate is unknown; it may have happened */
};

/* A stable lower-case word, for logs: "not_found". Static storage. */
const char *tk_err_name(enum tk_err err);

#endif
