/*
 * What verify and explain share: from a request's body and headers to a question for the gate. On network threads.
 */
#ifndef TK_HTTP_VERIFY_H
#define TK_HTTP_VERIFY_H

#include "gate/gate.h"
#include "http/question.h"
#include "http/request.h"

/* What was found of the request's route, where the question asked for it. */
struct tk_verify_route {
        bool asked;
        enum tk_route_result result;
        struct tk_matched_route found; /* when it is matched */
};

/*
 * Read the question. The ask points into the request and into *ret_question, which must outlive it.
 *   ret_route        the ask points there, too
 *   ret_keys_differ  two different keys were presented: the decision is `malformed`, and the gate need not be asked
 */
enum tk_err tk_verify_prepare(struct tk_request *request, struct tk_question *ret_question,
                              struct tk_ask *ret_ask, struct tk_verify_route *ret_route,
                              bool *ret_keys_differ);

/* The decision on two different keys. */
void tk_verify_keys_differ(struct tk_answer *ret_answer);

#endif
