/*
 * The words of route_words.h.
 */
#include "http/route_words.h"

static const struct tk_route_words words[] = {
        [TK_ROUTE_MATCHED] = {"matched", "the most specific route that has the method and matches the path"},
        [TK_ROUTE_UNKNOWN] = {"unknown", "no route of this environment matches the request"},
        [TK_ROUTE_AMBIGUOUS] = {"ambiguous", "the path is ambiguous: a server may read it as another"},
        [TK_ROUTE_MALFORMED] = {"malformed", "the path is not a well-formed one"},
        [TK_ROUTE_UNAVAILABLE] = {"unavailable", "the routes cannot be read"},
};

const struct tk_route_words *tk_route_words(enum tk_route_result result)
{
        return &words[result];
}
