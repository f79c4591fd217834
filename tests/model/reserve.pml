/*
 * One line of reservations (src/gate/reserve.c): made, settled, swept, its threads killed or asleep for longer than they may be, and what
 * is given back to the window that was charged. Units of a reservation are given back once at most, and only by who owns the line.
 * An exchange or a store is one step, as in C. The control word is state + 4 * generation, without the second of `since`: the sweep may
 * at any time find a line that is being made or settled too old, which is a thread that was killed or slept.
 * Mutations: -DBROKEN_CHECK (no check word), -DBROKEN_OWN (settled without the exchange), -DBROKEN_GENERATION.
 */
#define FREE     0
#define MAKING   1
#define OPEN     2
#define SETTLING 3
#define STATE(c)      ((c) % 4)
#define GENERATION(c) ((c) / 4)

#ifdef BROKEN_GENERATION
#define NEXT(c) (MAKING + 4 * GENERATION(c))
#else
#define NEXT(c) (MAKING + 4 * (GENERATION(c) + 1))
#endif
/* check_of(): over what the line says and the generation that it was written under; 0 is none */
#define CHECK(c, u, p) (1 + (u) + 4 * (p) + 16 * GENERATION(c))

#define MAKERS 2

byte control, units, place, check_word;
/* The windows that two makers charge; each reservation is of `maker` units on a window of the maker's own. */
short window[MAKERS];
short charged[MAKERS], given_back[MAKERS];
byte id[MAKERS];       /* as answered; 0: none */
byte settled[MAKERS];  /* by the answers of settle */

proctype maker(byte me)
{
        byte seen, mine;
        seen = control;                                      /* tk_reservation_claim() */
        if
        :: STATE(seen) != FREE -> goto end
        :: else
        fi;
        atomic {
                if
                :: control == seen -> control = NEXT(seen); mine = control
                :: else -> goto end                  /* it would look at the next line */
                fi
        };
        atomic { window[me] = window[me] + me + 1; charged[me] = charged[me] + me + 1 }; /* tk_request_charge() */
        units = me + 1;                              /* write_line() */
        place = me;
        check_word = CHECK(mine, me + 1, me);
        atomic {                                     /* tk_reservation_open() */
                if
                :: control == mine -> control = mine - MAKING + OPEN; id[me] = control
                :: else ->                           /* give_up_reservation() */
                        window[me] = window[me] - me - 1;
                        given_back[me] = given_back[me] + me + 1
                fi
        }
end:    skip
}

/* Asked to give all of it back; the maker whose id it was told is that of `whose`. */
proctype settler(byte whose)
{
        byte seen, u, p, c;
end0:   id[whose] != 0;                                      /* it may never be told */
        seen = control;                                      /* find_open() */
        if
        :: seen != id[whose] || STATE(seen) != OPEN -> goto end
        :: else
        fi;
        u = units;                                           /* read_line() */
        p = place;
        c = check_word;
#ifndef BROKEN_CHECK
        if
        :: c != CHECK(seen, u, p) -> goto end
        :: else
        fi;
#endif
        atomic {                                             /* the line is its own from here on */
                if
#ifdef BROKEN_OWN
                :: true -> control = seen - OPEN + SETTLING
#else
                :: control == seen -> control = seen - OPEN + SETTLING
                :: else -> goto end
#endif
                fi
        };
        if                                                   /* killed before it gives back, or not */
        :: goto end
        :: skip
        fi;
        atomic {
                window[p] = window[p] - u;                   /* give_back() */
                given_back[p] = given_back[p] + u;
                settled[whose]++;
                assert(p == whose && u == whose + 1);              /* what was reserved, and nobody else's */
                assert(given_back[p] <= charged[p])
        };
        atomic {                                             /* set_free() */
                if
                :: control == seen - OPEN + SETTLING -> control = seen - OPEN + FREE
                :: else
                fi
        };
end:    skip
}

/* The daemon, which may find any line over, and never gives anything back. */
proctype sweeper()
{
        byte seen, turns;
        do
        :: turns < 2 ->
                turns++;
                seen = control;
                if
                :: STATE(seen) != FREE ->
                        atomic {                             /* set_free() */
                                if
                                :: control == seen -> control = FREE + 4 * GENERATION(seen)
                                :: else
                                fi
                        }
                :: skip
                fi
        :: break
        od
}

init {
        byte i;
        atomic {
                for (i : 0 .. MAKERS - 1) {
                        run maker(i);
                        run settler(i)
                };
                run settler(0);
                run sweeper()
        };
        (_nr_pr == 1 || timeout);
        for (i : 0 .. MAKERS - 1) {
                assert(settled[i] <= 1);
                assert(window[i] == charged[i] - given_back[i] && window[i] >= 0);
                assert(given_back[i] <= charged[i])
        }
}
