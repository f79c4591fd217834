/*
 * Decide, settle, explain: the gate's own functions, in the current set of the handle. On any thread; but for
 * explaining nothing here allocates, locks or waits. On whatever is wrong with a question, the answer is one
 * that refuses.
 */
#include "lib/handle.h"

#include <stdio.h>

enum tollkeeper_code tollkeeper_decide(struct tollkeeper_gate *gate, const struct tollkeeper_ask *ask,
                                       struct tollkeeper_answer *ret_answer)
{
        if (ret_answer && !tk_lib_answer_sized(ret_answer))
                return TOLLKEEPER_UNAVAILABLE; /* there is no telling how much of it is there */

        struct tk_lib_set *set = tk_lib_current(gate);
        struct tk_lib_question question;
        struct tk_answer answer;
        const char *why = tk_lib_question_read(set, ask, &question);
        if (why) {
                if (ret_answer)
                        tk_lib_answer_refuse(why, ret_answer);
                return TOLLKEEPER_UNAVAILABLE;
        }
        tk_gate_decide(set->gate, &question.ask, &answer);
        if (ret_answer)
                tk_lib_answer_write(set, ask, &answer, ret_answer);
        return tk_lib_code(answer.code);
}

/* ---- reservations ---- */

static enum tollkeeper_result settled(enum tk_err err, struct tollkeeper_error *error)
{
        switch (err) {
        case TK_OK:
                return tk_lib_result(TK_OK, NULL, error);
        case TK_INVALID:
                return tk_lib_error(TOLLKEEPER_INVALID, error, "the cost is more than was reserved");
        default:
                return tk_lib_error(TOLLKEEPER_NOT_FOUND, error,
                                    "there is no such reservation: it was settled, released, or has ended");
        }
}

/* What was reserved in files that the daemon has replaced is charged in full there, where nobody counts any more. */
static bool in_current(const struct tk_lib_set *set, struct tollkeeper_reservation reservation)
{
        return reservation.number != 0 && reservation.set == set->identity.incarnation;
}

enum tollkeeper_result tollkeeper_settle(struct tollkeeper_gate *gate,
                                         struct tollkeeper_reservation reservation, uint64_t cost,
                                         struct tollkeeper_error *error)
{
        struct tk_lib_set *set = tk_lib_current(gate);
        if (!in_current(set, reservation))
                return settled(TK_NOT_FOUND, error);
        return settled(tk_gate_settle(set->gate, reservation.number, cost), error);
}

enum tollkeeper_result tollkeeper_release(struct tollkeeper_gate *gate,
                                          struct tollkeeper_reservation reservation,
                                          struct tollkeeper_error *error)
{
        struct tk_lib_set *set = tk_lib_current(gate);
        if (!in_current(set, reservation))
                return settled(TK_NOT_FOUND, error);
        return settled(tk_gate_release(set->gate, reservation.number), error);
}

/* ---- explain ---- */

#define CHECKS_MAX (sizeof(((struct tollkeeper_explanation *)0)->checks) / sizeof(struct tollkeeper_check))
_Static_assert(CHECKS_MAX >= TK_CODE_COUNT, "every check has its place");

static const enum tollkeeper_check_result check_results[] = {
        [TK_CHECK_PASSED] = TOLLKEEPER_PASSED,
        [TK_CHECK_FAILED] = TOLLKEEPER_FAILED,
        [TK_CHECK_SKIPPED] = TOLLKEEPER_SKIPPED,
};

static void write_checks(const struct tk_explanation *explanation, struct tollkeeper_explanation *it)
{
        size_t size = it->size;
        memset(it, 0, size);
        it->size = size;
        it->check_count = explanation->check_count;
        for (uint32_t i = 0; i < explanation->check_count; i++) {
                const struct tk_check *check = &explanation->checks[i];
                it->checks[i].code = tk_lib_code(check->code);
                it->checks[i].result = check_results[check->result];
                snprintf(it->checks[i].detail, sizeof it->checks[i].detail, "%s", check->detail);
        }
}

enum tollkeeper_result tollkeeper_explain(struct tollkeeper_gate *gate, const struct tollkeeper_ask *ask,
                                          struct tollkeeper_answer *ret_answer,
                                          struct tollkeeper_explanation *ret_explanation,
                                          struct tollkeeper_error *error)
{
        if (!ret_answer || !tk_lib_answer_sized(ret_answer) || !ret_explanation ||
            !TK_LIB_SIZED(ret_explanation) || ret_explanation->size > 65536)
                return tk_lib_error(TOLLKEEPER_INVALID, error, "the answer or the explanation has no size");

        struct tk_lib_set *set = tk_lib_current(gate);
        struct tk_lib_question question;
        struct tk_explanation explanation;
        const char *why = tk_lib_question_read(set, ask, &question);
        if (why)
                return tk_lib_error(TOLLKEEPER_INVALID, error, "%s", why);
        tk_gate_explain(set->gate, &question.ask, &explanation);
        tk_lib_answer_write(set, ask, &explanation.answer, ret_answer);
        write_checks(&explanation, ret_explanation);
        return tk_lib_result(TK_OK, NULL, error);
}
