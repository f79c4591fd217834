/*
 * The public header by itself, first and twice, as C and as C++ programs of the strictest kind include it. Compiled, never run.
 */
#include <tollkeeper/tollkeeper.h>

int use(struct tollkeeper_gate *gate, uint32_t environment);

int use(struct tollkeeper_gate *gate, uint32_t environment)
{
        struct tollkeeper_ask ask;
        struct tollkeeper_answer answer;
        memset(&ask, 0, sizeof ask);
        ask.size = sizeof ask;
        ask.key = tollkeeper_key_of_headers(tollkeeper_text_of("Bearer x"), tollkeeper_text_of(NULL));
        ask.environment = environment;
        answer.size = sizeof answer;
        return tollkeeper_decide(gate, &ask, &answer) == TOLLKEEPER_VALID &&
               tollkeeper_seconds(answer.retry_after_ns) == 0;
}
