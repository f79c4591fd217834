/*
 * Request paths: one normaliser and one template matcher for every front end (DESIGN.md section 5). Pure.
 */
#ifndef TK_CORE_PATH_H
#define TK_CORE_PATH_H

#include "core/str.h"

#define TK_PATH_MAX          4096
#define TK_PATH_TEMPLATE_MAX 256

/*
 * Bring an absolute path (without query) into canonical form (RFC 3986 section 6.2.2): percent-encoded unreserved
 * characters decoded, other escapes in upper case, `.` and `..` resolved, nothing else touched.
 *   ret_path       at most `room` bytes; a path never grows
 *   ret_ambiguous  true when raw and canonical form could be routed differently by some server: empty segments
 *                  (`//`), `.` or `..` segments, `;` parameters, backslash, `?`, `#`, control bytes, and the
 *                  escapes of slash, backslash, dot, semicolon, percent (decoded twice) and control bytes.
 *                  Where path rules apply such a path is refused.
 * False when it does not begin with `/`, has a broken escape, or is longer than TK_PATH_MAX or `room`.
 */
bool tk_path_canonical(struct tk_str raw, char *ret_path, size_t room, size_t *ret_len, bool *ret_ambiguous);

/*
 * A template: `/v1/forecast/{city}`; `{name}` or `*` match one non-empty segment, a last `**` matches the rest,
 * even when there is none, not so much as a slash. Literal segments are written in canonical form, visible ASCII only.
 */
bool tk_path_template_valid(struct tk_str path_template);
/* What is wrong with a template, as the end of a sentence (static storage); NULL: it is valid. */
const char *tk_path_template_fault(struct tk_str path_template);
/*
 * A valid template without the names of its parameters, each of them `*`: two templates of one shape match the same paths. Returns
 * its length.
 */
#define TK_PATH_SHAPE_MAX TK_PATH_TEMPLATE_MAX
size_t tk_path_template_shape(struct tk_str path_template, char ret_shape[TK_PATH_SHAPE_MAX]);
bool tk_path_template_match(struct tk_str path_template, struct tk_str canonical_path);

#endif
