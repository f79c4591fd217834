/*
 * A place in a JSON document, as a pointer (RFC 6901): kept up by the reader as it goes, or found in a body that could not be
 * parsed. A pointer that is too long is cut. Pure; any thread.
 */
#ifndef TK_HTTP_JSON_PLACE_H
#define TK_HTTP_JSON_PLACE_H

#include "core/str.h"

#define TK_JSON_DEPTH_MAX 16

struct tk_json_place {
        char at[96]; /* ends with a NUL */
        size_t len;
};

/* One step down. Returns where to come back to, for tk_json_leave(). */
size_t tk_json_enter(struct tk_json_place *place, const char *member);
size_t tk_json_enter_index(struct tk_json_place *place, size_t index);
void tk_json_leave(struct tk_json_place *place, size_t before);

/*
 * The member or element in which the first `end` bytes of a body stop; after a member's name, that member. The body need not be
 * well-formed: what is not is passed over. Deeper than TK_JSON_DEPTH_MAX nothing is looked at.
 */
struct tk_json_place tk_json_locate(struct tk_str body, size_t end);

#endif
