/*
 * One key's line: what the publisher stores, word by word, and what a decider reads (src/gate/publish_lines.c, src/gate/lookup.c).
 * Key A (generation 1) is published, gets another plan, is revoked; then the number is given to key B (generation 2). The publisher may be
 * killed between any two stores; the next one does the call that was under way again, from its beginning.
 * Mutations: -DBROKEN_EMPTY (a new digest under the old control), -DBROKEN_RECHECK (the control is read once),
 * -DBROKEN_ORDER (the control before the words that it stands for).
 */
#define NONE 0
#define A 1
#define B 2
/* control: 0 empty, or generation * 4 + state */
#define ACTIVE 1
#define REVOKED 2
#define CONTROL(g, s) ((g) * 4 + (s))
#define GENERATION(c) ((c) / 4)
#define STATE(c) ((c) % 4)
/* binding: policy and meter in one word; those of A are 1 and 2, that of B is 3 */

byte digest0 = NONE, digest1 = NONE, control = 0, binding = 0;
byte done;  /* calls that have returned: 1 A is published, 2 re-planned, 3 revoked, 4 B is published */
byte begun; /* calls that were begun */
byte kills;

/* After each store: killed, or not. */
#define MAY_DIE \
        if \
        :: atomic { kills < 1 -> kills++; goto again } \
        :: skip \
        fi

/* put_words(): what restricts first, what admits last (tk_publish_key). */
inline put_binding(b) { binding = b; MAY_DIE }
inline put_control(c) { control = c; MAY_DIE }

/* give_line(): nobody matches half a digest, for the line is empty meanwhile. */
inline give_line(key)
{
#ifndef BROKEN_EMPTY
        control = 0; MAY_DIE;
#endif
        digest0 = key; MAY_DIE;
        digest1 = key; MAY_DIE
}

inline publish(call)
{
        if
        :: call == 1 -> give_line(A); put_binding(1); put_control(CONTROL(1, ACTIVE))
        :: call == 2 -> put_binding(2); put_control(CONTROL(1, ACTIVE))
        :: call == 3 -> put_control(CONTROL(1, REVOKED)); put_binding(2)
        :: call == 4 ->
#ifdef BROKEN_ORDER
                give_line(B); put_control(CONTROL(2, ACTIVE)); put_binding(3)
#else
                give_line(B); put_binding(3); put_control(CONTROL(2, ACTIVE))
#endif
        fi
}

proctype publisher()
{
        byte call = 1;
again:  do
        :: call <= 4 ->
                begun = call;
                publish(call);
                atomic { done = call; call++ }
        :: else -> break
        od
}

/* find_issued(), read_line() and the checks of state; with one of the two keys, as often as it likes. */
proctype decider(byte key)
{
        byte before, after, b, started, turns;
        bool same;
        do
        :: turns < 1 ->
                turns++;
                started = done;
                before = control;
                b = binding;                          /* validity, owner: the same */
                if
                :: before == 0 -> goto unknown
                :: else
                fi;
                same = digest0 == key;
                same = same && digest1 == key;
                if
                :: !same -> goto unknown
                :: else
                fi;
#ifdef BROKEN_RECHECK
                after = before;
#else
                after = control;
#endif
                if
                :: after == 0 || GENERATION(after) != GENERATION(before) -> goto unknown
                :: else
                fi;
                if
                :: STATE(after) == ACTIVE ->          /* admitted */
                        assert(GENERATION(after) == key);
                        assert(key == A -> b == 1 || b == 2 : b == 3);
                        assert(!(key == A && started >= 3));
                        assert(!(started == 2 && key == A && b == 1))
                :: else -> assert(key == A && begun >= 3)
                fi;
                goto next;
unknown:
                /* of a key that was published and stays so, nobody says that it does not exist */
                assert(!(key == A && started >= 1 && begun <= 3));
                assert(!(key == B && started >= 4));
next:           skip
        :: break
        od
}

init {
        atomic {
                run publisher();
                run decider(A);
                run decider(B)
        }
}
