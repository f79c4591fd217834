/*
 * What was wrong with an input (fault.h): the table of faults and the record that is filled in. Called
 * wherever input is checked, on any thread. Never allocates; never holds a key.
 */
#include "core/fault.h"

#include "core/key.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct tk_fault_info fault_table[] = {[TK_FAULT_none] = {"none", 200, TK_OK, "Nothing is wrong"},
#define X(code, status, err, title) [TK_FAULT_##code] = {#code, status, err, title},
                                                   TK_FAULTS(X)
#undef X
};

#define FAULT_COUNT (sizeof fault_table / sizeof fault_table[0])

const struct tk_fault_info *tk_fault_info(enum tk_fault_code code)
{
        return &fault_table[(size_t)code < FAULT_COUNT ? code : TK_FAULT_internal];
}

/* A text that was cut within a UTF-8 sequence loses what is left of it: JSON takes whole ones only. */
static void end_at_whole_character(char *text)
{
        size_t len = strlen(text);
        size_t start = len;

        while (start > 0 && len - start < 4) {
                start--;
                if (((unsigned char)text[start] & 0xC0) != 0x80)
                        break;
        }
        if (!tk_str_is_utf8((struct tk_str){text + start, len - start}))
                text[start] = '\0';
}

static void copy_cut(char *text, size_t room, const char *from)
{
        snprintf(text, room, "%s", from == NULL ? "" : from);
        tk_key_hide(text); /* faults quote what the client sent, and are logged */
        end_at_whole_character(text);
}

enum tk_err tk_fault_set(struct tk_fault *fault, enum tk_fault_code code, const char *field, const char *mend,
                         const char *detail_format, ...)
{
        if (fault != NULL) {
                va_list args;

                fault->code = code;
                copy_cut(fault->field, sizeof fault->field, field);
                copy_cut(fault->mend, sizeof fault->mend, mend);
                va_start(args, detail_format);
                vsnprintf(fault->detail, sizeof fault->detail, detail_format, args);
                va_end(args);
                tk_key_hide(fault->detail);
                end_at_whole_character(fault->detail);
        }
        return tk_fault_info(code)->err;
}

static enum tk_fault_code code_of_err(enum tk_err err)
{
        switch (err) {
        case TK_OK:
                return TK_FAULT_none;
        case TK_INVALID:
                return TK_FAULT_invalid_value;
        case TK_NOT_FOUND:
                return TK_FAULT_not_found;
        case TK_CONFLICT:
                return TK_FAULT_conflict;
        case TK_STALE:
                return TK_FAULT_stale;
        case TK_DENIED:
                return TK_FAULT_forbidden;
        case TK_BUSY:
                return TK_FAULT_unavailable;
        case TK_FULL:
                return TK_FAULT_insufficient_storage;
        case TK_UNCERTAIN:
                return TK_FAULT_uncertain;
        case TK_NOMEM:
        case TK_IO:
        case TK_CORRUPT:
                break;
        }
        return TK_FAULT_internal;
}

static const char *mend_of(enum tk_fault_code code)
{
        switch (code) {
        case TK_FAULT_unavailable:
                return "try again later";
        case TK_FAULT_uncertain:
                return "read the object to see whether the change is there before trying again";
        case TK_FAULT_insufficient_storage:
                return "free space, then try again";
        default:
                return "";
        }
}

enum tk_err tk_fault_from_err(struct tk_fault *fault, enum tk_err err)
{
        enum tk_fault_code code = code_of_err(err);

        if (fault != NULL)
                *fault = (struct tk_fault){.code = TK_FAULT_none};
        if (code != TK_FAULT_none)
                tk_fault_set(fault, code, "", mend_of(code), "%s", tk_fault_info(code)->title);
        return err;
}
