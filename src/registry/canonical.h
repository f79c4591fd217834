/*
 * Canonical JSON (RFC 8785), and the canonical bytes of an audit entry, as docs/formats/audit.md specifies them. Used by
 * audit.c on the writer thread, and by the service, which makes the views that entries carry. Pure.
 */
#ifndef TK_REGISTRY_CANONICAL_H
#define TK_REGISTRY_CANONICAL_H

#include "core/arena.h"
#include "registry/model.h"

#include <jansson.h>

/* The canonical text of a value, in `arena`. TK_NOMEM. */
enum tk_err tk_canonical_json(const json_t *value, struct tk_arena *arena, struct tk_str *ret_text);

/*
 * The canonical bytes of an entry.
 *   seq, object, object_id  of the entry
 *   change                  its before and after are canonical already and stand in the result byte for byte; empty: null
 * TK_INVALID when a text is not UTF-8 or holds a NUL, when a number is above 2^53 - 1 (JSON could not carry it), or the
 * time is out of range. TK_NOMEM.
 */
enum tk_err tk_canonical_entry(uint64_t seq, enum tk_object object, uint64_t object_id,
                               const struct tk_change *change, struct tk_arena *arena,
                               struct tk_str *ret_bytes);

#define TK_CANONICAL_NUMBER_MAX 48

/* A finite number as ECMAScript writes it (RFC 8785 section 3.2.2.3): the shortest digits that read back as the same. */
void tk_canonical_number(double value, char ret_text[TK_CANONICAL_NUMBER_MAX]);

#endif
