/*
 * Lists of what belongs to an API by way of its environments: keys and subscriptions, of which there may be millions. One
 * statement cannot walk several environments' indexes in id order without reading all of them; this merges their pages.
 */
#ifndef TK_REGISTRY_BY_API_H
#define TK_REGISTRY_BY_API_H

#include "registry/registry.h"

/*
 * The ids on one page.
 *   ids_sql  one environment's: ?1 environment, ?2 after_id, ?3 limit, ?4 state (0 = any); in id order
 * TK_INVALID when the page's limit is not 1 to 1000.
 */
enum tk_err tk_ids_by_api(struct tk_txn *txn, const char *ids_sql, uint64_t api_id, enum tk_state state,
                          struct tk_page page, struct tk_arena *arena, uint64_t **ret_ids, size_t *ret_count);

#endif
