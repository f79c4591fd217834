/*
 * Reads the headers of a request. See headers.h.
 */
#include "http/headers.h"

#include <stddef.h>

#define HEADER(text, member)                                                                                 \
        {                                                                                                    \
                TK_STR(text), offsetof(struct tk_headers, member)                                            \
        }

static const struct {
        struct tk_str name;
        size_t offset; /* of a tk_str in struct tk_headers */
} wanted[] = {
        HEADER("Authorization", authorization),
        HEADER("Content-Length", content_length),
        HEADER("Content-Type", content_type),
        HEADER("Idempotency-Key", idempotency_key),
        HEADER("If-Match", if_match),
        HEADER("Origin", origin),
        HEADER("X-API-Key", api_key),
        HEADER("Expect", expect),
        HEADER("Transfer-Encoding", transfer_encoding),
        HEADER("X-Forwarded-For", forwarded_for),
};

/* Of a header that comes twice the first counts, but where that could hide a key or another request. */
static void note_repeated(struct tk_headers *headers, const struct tk_str *kept, struct tk_str again)
{
        if (kept == &headers->authorization)
                headers->authorization_repeated = true;
        if (kept == &headers->api_key && !tk_str_equal(*kept, again))
                headers->api_keys_differ = true;
        if (kept == &headers->content_length || kept == &headers->transfer_encoding)
                headers->length_ambiguous = true;
}

/* "Content-Length : 5": libmicrohttpd sees another header, a proxy may see this one (RFC 9112, section 5.1). */
static bool ends_in_space(struct tk_str name)
{
        return name.len > 0 && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t');
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                 const char *value, size_t value_len)
{
        (void)kind;
        struct tk_headers *headers = context;
        if (ends_in_space((struct tk_str){name, name_len}))
                headers->length_ambiguous = true;
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
                if (name_len != wanted[i].name.len ||
                    !tk_str_equal_nocase((struct tk_str){name, name_len}, wanted[i].name))
                        continue;
                struct tk_str *kept = (struct tk_str *)(void *)((char *)headers + wanted[i].offset);
                struct tk_str text = {value ? value : "", value_len};
                if (kept->ptr && kept != &headers->forwarded_for) /* the last one is the nearest proxy's */
                        note_repeated(headers, kept, text);
                else
                        *kept = text;
        }
        return MHD_YES;
}

void tk_headers_read(struct MHD_Connection *connection, struct tk_headers *ret_headers)
{
        MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, ret_headers);
        struct tk_str coding = ret_headers->transfer_encoding;
        if (coding.ptr &&
            (ret_headers->content_length.ptr || !tk_str_equal_nocase(tk_str_trim(coding), TK_STR("chunked"))))
                ret_headers->length_ambiguous = true;
}
