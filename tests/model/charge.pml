/*
 * All or none: requests that charge a window and two rates, lose races, give back, and are killed anywhere (src/gate/limits.c).
 * One atomic or d_step is one shared access of the C code; a slot is read and exchanged as a whole (core/slot.h). Time stands still, so
 * that all three are plain sums. Mutations: -DBROKEN_TAKE, -DBROKEN_REFUND, -DBROKEN_KEEP.
 */
#define REQUESTS 3
#define WINDOW 5
#define RATE_A 5
#define RATE_B 3

byte window, rate_a, rate_b;             /* what the slots hold */
byte answered;                           /* units of requests that were answered `valid` */
byte lost_a;                             /* units that a refused request has left at the first rate */
byte killed_units;                       /* of requests that were killed on their way */
byte answered_requests, counted, killed; /* the counter `admitted` (decide.c, count_all) */
byte ended;

/* charge(): exchange what was seen for what was offered; look again where another was faster; refuse where it no longer fits. */
inline charge(slot, most, seen, cost, took)
{
        do
        :: seen + cost > most -> took = false; break
        :: else ->
                atomic {                         /* tk_offer_take() */
#ifdef BROKEN_TAKE
                        slot = seen + cost; took = true; assert(slot <= most); break
#else
                        if
                        :: slot == seen -> slot = seen + cost; took = true; assert(slot <= most); break
                        :: else -> seen = slot   /* look_at() */
                        fi
#endif
                }
        od
}

/* tk_window_refund(): never below what is there. */
inline refund(cost, seen)
{
        seen = window;
#ifdef BROKEN_REFUND
        window = seen - cost;                    /* a store, and no exchange */
#else
        do
        :: atomic { window == seen -> window = seen - cost; break }
        :: atomic { window != seen -> seen = window }
        od
#endif
}

/* Killed between two steps, or not. */
#define MAY_DIE \
        if \
        :: atomic { killed < 1 -> killed++; killed_units = killed_units + cost; goto dead } \
        :: skip \
        fi

proctype request(byte cost)
{
        byte seen_w, seen_a, seen_b;
        bool took, got_a;

        seen_w = window;                 /* look(): each limit once, before any is charged */
        seen_a = rate_a;
        seen_b = rate_b;
        if
        :: seen_w + cost > WINDOW || seen_a + cost > RATE_A || seen_b + cost > RATE_B -> goto refused
        :: else
        fi;
        charge(window, WINDOW, seen_w, cost, took);
        if
        :: !took -> goto refused
        :: else
        fi;
        MAY_DIE;
        charge(rate_a, RATE_A, seen_a, cost, took);
        if
        :: !took -> goto give_back
        :: else -> got_a = true
        fi;
        MAY_DIE;
        charge(rate_b, RATE_B, seen_b, cost, took);
        if
        :: !took -> goto give_back
        :: else
        fi;
        MAY_DIE;
        counted++;                       /* count_all() */
        MAY_DIE;
        atomic { answered = answered + cost; answered_requests++; goto end };
give_back:
        MAY_DIE;
#ifndef BROKEN_KEEP
        refund(cost, seen_w);            /* tk_request_refund(): all but rates */
#endif
        MAY_DIE;
refused:
        atomic {
                if
                :: got_a -> lost_a = lost_a + cost
                :: else
                fi
        };
end:
dead:
        ended++
}

init {
        atomic {
                run request(2);
                run request(2);
                run request(1)
        };
        ended == REQUESTS;
        assert(answered <= window && window <= answered + killed_units);
        assert(answered + lost_a <= rate_a && rate_a <= answered + lost_a + killed_units);
        assert(answered <= rate_b && rate_b <= answered + killed_units);
        assert(answered_requests <= counted && counted <= answered_requests + killed)
}
