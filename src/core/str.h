/*
 * Text slices. A tk_str is passed by value, never owns its bytes and is never assumed to end in NUL.
 * Pure functions, any thread.
 */
#ifndef TK_CORE_STR_H
#define TK_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tk_str {
        const char *ptr;
        size_t len;
};

/* A slice of a string literal, its length known at compile time. */
#define TK_STR(literal) ((struct tk_str){(literal), sizeof(literal) - 1})
#define TK_STR_NONE     ((struct tk_str){NULL, 0})

/* For printf: printf("%.*s", TK_STR_ARG(s)). Never with a secret. */
#define TK_STR_ARG(s) (int)(s).len, (s).ptr

/* The slice of a NUL-terminated string; NULL gives the empty slice. */
struct tk_str tk_str_from(const char *text);

/* Byte-wise equality. Not for secrets: see core/secret.h. */
bool tk_str_equal(struct tk_str a, struct tk_str b);

/* Byte-wise order as memcmp, a shorter prefix first. */
int tk_str_compare(struct tk_str a, struct tk_str b);

bool tk_str_starts_with(struct tk_str s, struct tk_str prefix);

/* ASCII case folding only, for header and scheme names. */
bool tk_str_equal_nocase(struct tk_str a, struct tk_str b);

/* Bytes from `from` (clamped) to the end. */
struct tk_str tk_str_skip(struct tk_str s, size_t from);

/* Without leading and trailing space and tab. */
struct tk_str tk_str_trim(struct tk_str s);

/*
 * Split at the first `separator`: ret_head is what precedes it, ret_tail what follows.
 * Returns false, with ret_head the whole and ret_tail empty, when there is none.
 */
bool tk_str_cut(struct tk_str s, char separator, struct tk_str *ret_head, struct tk_str *ret_tail);

/*
 * Read an unsigned decimal that fills the whole slice: digits only, no sign, no space.
 * False, and ret_value untouched, when empty, not digits, or above UINT64_MAX.
 */
bool tk_str_to_u64(struct tk_str s, uint64_t *ret_value);

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF). */
bool tk_str_is_utf8(struct tk_str s);

/*
 * A name that users give to APIs, environments, plans, consumers: [a-z0-9][a-z0-9._-]*, at most max_len bytes.
 */
bool tk_str_is_name(struct tk_str s, size_t max_len);

#endif
