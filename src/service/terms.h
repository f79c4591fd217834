/*
 * What keys and plans grant, limit and restrict, from the registry's texts to the gate's records. Most keys
 * are like many others: each text is decoded and compiled when it is first met, and found again by comparing
 * it. A cache of fixed size; a text that was forgotten is compiled again, to the same record. Used by the
 * feeder, one thread at a time.
 */
#ifndef TK_SERVICE_TERMS_H
#define TK_SERVICE_TERMS_H

#include "registry/walk.h"

struct tk_publisher;
struct tk_terms;

/* For this publisher, until it is closed or renewed. TK_NOMEM. */
enum tk_err tk_terms_new(struct tk_publisher *files, struct tk_terms **ret_terms);
void tk_terms_free(struct tk_terms *terms);

/*
 * The policy of a key of this API (not 0), and of a subscription to a plan with these limits. TK_CORRUPT when
 * a text is not what codec.h writes; else as tk_publish_key_policy().
 */
enum tk_err tk_terms_of_key(struct tk_terms *terms, uint32_t api_id, const struct tk_key_row *row,
                            uint32_t *ret_policy);
enum tk_err tk_terms_of_plan(struct tk_terms *terms, struct tk_str limits, uint32_t *ret_policy);

#endif
