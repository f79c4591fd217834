/*
 * What was found of a request's route, in words: for replies of the routes' own endpoints, of verify and of explain. Static; any thread.
 */
#ifndef TK_HTTP_ROUTE_WORDS_H
#define TK_HTTP_ROUTE_WORDS_H

#include "gate/gate.h"

struct tk_route_words {
        const char *name;   /* `matched` */
        const char *detail; /* a phrase that fits into a sentence of its own */
};

const struct tk_route_words *tk_route_words(enum tk_route_result result);

#endif
