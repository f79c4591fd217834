/*
 * From a question in the words of the public header to one in the gate's. In the decision path: allocates
 * nothing. Trusts the caller's pointers, as any C function, and nothing else.
 */
#include "lib/handle.h"

static const enum tk_limit_kind kinds[] = {
        [TOLLKEEPER_RATE] = TK_LIMIT_RATE,
        [TOLLKEEPER_WINDOW] = TK_LIMIT_WINDOW,
};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

_Static_assert((int)TOLLKEEPER_PERIOD_FIXED == (int)TK_PERIOD_FIXED &&
                       (int)TOLLKEEPER_PERIOD_HOUR == (int)TK_PERIOD_HOUR &&
                       (int)TOLLKEEPER_PERIOD_DAY == (int)TK_PERIOD_DAY &&
                       (int)TOLLKEEPER_PERIOD_WEEK == (int)TK_PERIOD_WEEK &&
                       (int)TOLLKEEPER_PERIOD_MONTH == (int)TK_PERIOD_MONTH,
               "periods are copied");

/* A limit that is none is for the gate to refuse, but for what would not come through. */
static bool read_named(const struct tollkeeper_named_limit *named, struct tk_limit_def *ret_def,
                       struct tk_named_limit *ret_named)
{
        if ((unsigned)named->kind >= KIND_COUNT || !kinds[named->kind] ||
            (unsigned)named->period > TOLLKEEPER_PERIOD_MONTH || named->window_s > INT64_MAX ||
            named->zero[0] || named->zero[1])
                return false;
        *ret_def = (struct tk_limit_def){.kind = kinds[named->kind],
                                         .period = (enum tk_period_kind)named->period,
                                         .limit = named->limit,
                                         .burst = named->burst,
                                         .length_s = (int64_t)named->window_s,
                                         .shadow = named->shadow};
        *ret_named = (struct tk_named_limit){.name = tk_lib_str(named->name), .def = ret_def};
        return true;
}

const char *tk_lib_question_read(const struct tk_lib_set *set, const struct tollkeeper_ask *ask,
                                 struct tk_lib_question *ret_question)
{
        struct tk_ask *it = &ret_question->ask;
        if (!ask || !tk_lib_understood(ask, ask->size, sizeof *ask))
                return "the question has not the size of one that this library understands";
        if (ask->named_count > TK_GATE_LIMITS_MAX || (ask->named_count && !ask->named))
                return "more limits apply than a request may have";
        *it = (struct tk_ask){.key = tk_lib_str(ask->key),
                              .environment = tk_lib_ref(set, ask->environment),
                              .route = tk_lib_ref(set, ask->route),
                              .scope = tk_lib_scope_expr(ask->scope),
                              .method = tk_lib_str(ask->method),
                              .path = tk_lib_str(ask->path),
                              .origin = tk_lib_str(ask->origin),
                              .ip.family = ask->ip.family,
                              .cost = ask->cost,
                              .named = ask->named_count ? ret_question->named : NULL,
                              .named_count = ask->named_count,
                              .reserve_s = ask->reserve_s};
        memcpy(it->ip.bytes, ask->ip.bytes, sizeof it->ip.bytes);
        if (it->environment == 0)
                return "the gate has no such environment";
        if (ask->route && it->route == 0)
                return "the gate has no such route";
        for (uint32_t i = 0; i < ask->named_count; i++)
                if (!read_named(&ask->named[i], &ret_question->defs[i], &ret_question->named[i]))
                        return "a named limit is not one";
        return NULL;
}

enum tollkeeper_result tollkeeper_limit_parse(enum tollkeeper_limit_kind kind, const char *text,
                                              struct tollkeeper_named_limit *ret_limit,
                                              struct tollkeeper_error *error)
{
        struct tk_limit_def def;
        const char *why = "use a form such as 100/min or 100/min,burst=20 for a rate, 1000/day for a window";
        tk_lib_result(TK_OK, NULL, error);
        if (!text || !ret_limit || (unsigned)kind >= KIND_COUNT || !kinds[kind])
                return tk_lib_error(TOLLKEEPER_INVALID, error, "no limit of kind rate or window was given");
        bool read = tk_limit_text_parse(kinds[kind], tk_str_from(text), &def);
        if (read)
                memcpy(def.name, "named", sizeof "named"); /* a definition needs one to be checked */
        if (!read || tk_limit_def_check(&def, &why) != TK_OK)
                return tk_lib_error(TOLLKEEPER_INVALID, error, "it is no limit: %s", why);
        *ret_limit = (struct tollkeeper_named_limit){.name = ret_limit->name,
                                                     .kind = kind,
                                                     .period = (enum tollkeeper_period)def.period,
                                                     .limit = def.limit,
                                                     .burst = def.burst,
                                                     .window_s = (uint64_t)def.length_s};
        return TOLLKEEPER_OK;
}
