/*
 * One row of the audit log as it is read. Shared by audit.c and audit_search.c.
 */
#ifndef TK_REGISTRY_AUDIT_ROW_H
#define TK_REGISTRY_AUDIT_ROW_H

#include "registry/query.h"

#define TK_AUDIT_SELECT                                                                                      \
        "SELECT seq, at_s, actor, source, action, object, object_id, canonical FROM audit_entries "

/* A tk_read_row_fn for a struct tk_audit_entry. */
void tk_audit_read_row(struct tk_query *query, struct tk_arena *arena, void *record);

#endif
