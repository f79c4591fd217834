/*
 * Public ids, as administrators, callers and logs see them: a kind's prefix and the number in decimal
 * (docs/decisions/0003-public-ids.md). Pure; any thread.
 */
#ifndef TK_CORE_ID_H
#define TK_CORE_ID_H

#include "core/str.h"

#include <stdint.h>

/* `key_17`, `con_3`, `sub_5`, `rte_5`, `imp_2`: at most TK_ID_BYTES with NUL. */
enum tk_id_kind { TK_ID_KEY, TK_ID_CONSUMER, TK_ID_SUBSCRIPTION, TK_ID_ROUTE, TK_ID_IMPORT };
#define TK_ID_BYTES 32
void tk_id_format(enum tk_id_kind kind, uint64_t number, char ret_text[TK_ID_BYTES]);
/* No leading zeros, 1 to 2^43 - 1. */
bool tk_id_parse(enum tk_id_kind kind, struct tk_str text, uint64_t *ret_number);

#endif
