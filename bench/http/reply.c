/*
 * Finds the end of HTTP/1.1 and RESP2 replies. Called by load.c, from its only thread. Never allocates.
 */
#include "reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char head_end[] = "\r\n\r\n";
static const char length_name[] = "\r\nContent-Length: ";

/* The line's number, or -1 for none; a line is ended by CR LF, which the caller has seen. */
static long line_number(const char *digits)
{
        char *end;
        long number = strtol(digits, &end, 10);

        return end == digits || *end != '\r' ? -1 : number;
}

static size_t http_length(const char *bytes, size_t len)
{
        const char *head = memmem(bytes, len, head_end, 4);
        if (head == NULL)
                return REPLY_INCOMPLETE;
        const char *name = memmem(bytes, (size_t)(head - bytes) + 2, length_name, sizeof length_name - 1);
        if (name == NULL)
                return REPLY_BROKEN;
        long body = line_number(name + sizeof length_name - 1);
        if (body < 0)
                return REPLY_BROKEN;
        size_t total = (size_t)(head - bytes) + 4 + (size_t)body;
        return total <= len ? total : REPLY_INCOMPLETE;
}

static size_t resp_length(const char *bytes, size_t len)
{
        size_t at = 0;

        for (long items = 1; items > 0; items--) {
                const char *line_end = memmem(bytes + at, len - at, "\r\n", 2);
                if (line_end == NULL)
                        return REPLY_INCOMPLETE;
                char type = bytes[at];
                long number = type == '$' || type == '*' ? line_number(bytes + at + 1) : 0;
                at = (size_t)(line_end - bytes) + 2;
                if (type == '*' && number > 0)
                        items += number;
                if (type == '$' && number >= 0)
                        at += (size_t)number + 2;
                if (at > len)
                        return REPLY_INCOMPLETE;
        }
        return at;
}

size_t reply_length(enum protocol protocol, const char *bytes, size_t len)
{
        return protocol == PROTOCOL_HTTP ? http_length(bytes, len) : resp_length(bytes, len);
}

size_t reply_body_start(enum protocol protocol, const char *bytes, size_t len)
{
        const char *head = protocol == PROTOCOL_HTTP ? memmem(bytes, len, head_end, 4) : NULL;

        return head == NULL ? 0 : (size_t)(head - bytes) + 4;
}
