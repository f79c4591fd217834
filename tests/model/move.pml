/*
 * A window and a rate that move to other slots (src/gate/extents.c, forward.c, limits.c) while two requests charge both, one of which gives
 * its units back later as a reservation does; the publisher is killed anywhere, and the next daemon adopts what it left. One atomic or d_step
 * is one shared access of the C code. Never more than the window's limit is out at a time, all that is out is in the slot that is in force,
 * and nobody is left waiting. Mutations: -DBROKEN_COPY (copied without closing), -DBROKEN_OPEN (opened again whatever is in
 * force), -DBROKEN_CARRY (bound before it is carried over).
 */
#define WINDOW 4
#define RATE 4
#define TRIES 2

#define CLOSED 16                        /* the slot's two top bits; below, units */
#define NOTED 32
#define UNITS(s) ((s) % CLOSED)

byte window[2], rate[2];                 /* [0]: the old slots, [1]: the new ones */
byte binding;                            /* which are in force */
bool moving;
byte out;                                /* units of requests that were answered `valid`, and not given back */
byte stuck;                              /* that could not be given back: no note came in time */
byte ended;

/* charge(): took 0 refused, 1 charged, 2 closed */
inline charge(slot, most, seen, took)
{
        do
        :: seen >= CLOSED -> took = 2; break
        :: seen < CLOSED && seen + cost > most -> took = 0; break
        :: else ->
                atomic {
                        if
                        :: slot == seen -> slot = seen + cost; took = 1; break
                        :: else -> seen = slot
                        fi
                }
        od
}

/* tk_forward_refund() */
inline refund()
{
        at = b;
        do
        :: true ->
                seen = window[at];
                if
                :: seen < CLOSED ->
                        atomic {
                                if
                                :: window[at] == seen -> window[at] = seen - cost; break
                                :: else
                                fi
                        }
                :: seen >= NOTED -> at = 1
                :: seen >= CLOSED && seen < NOTED ->
                        if
                        :: window[at] != seen    /* tk_forward_wait() */
                        :: atomic { stuck = stuck + cost; break }
                        fi
                fi
        od
}

proctype request(byte cost; bool releases)
{
        byte b, at, seen, seen_rate, took, tries;
again:
        if
        :: tries == TRIES -> goto end    /* unavailable */
        :: else -> tries++
        fi;
        b = binding;
        seen = window[b];                /* look() */
        if
        :: seen >= CLOSED -> goto again
        :: seen < CLOSED && seen + cost > WINDOW -> goto end
        :: else
        fi;
        seen_rate = rate[b];
        if
        :: seen_rate >= CLOSED -> goto again
        :: seen_rate < CLOSED && seen_rate + cost > RATE -> goto end
        :: else
        fi;
        charge(window[b], WINDOW, seen, took);
        if
        :: took == 0 -> goto end
        :: took == 2 -> goto again
        :: else
        fi;
        charge(rate[b], RATE, seen_rate, took);
        if
        :: took != 1 ->
                refund();
                if
                :: took == 2 -> goto again
                :: else -> goto end
                fi
        :: else
        fi;
        atomic { out = out + cost; assert(out <= WINDOW) };
        if
        :: releases ->
                atomic { out = out - cost };
                refund()
        :: else
        fi;
end:    ended++
}

/* Killed between two steps, or not. */
#define MAY_DIE \
        if \
        :: goto dead \
        :: skip \
        fi

inline close(slot)
{
#ifdef BROKEN_COPY
        seen = slot;
#else
        seen = slot;
        do
        :: atomic { slot == seen -> slot = seen + CLOSED; break }
        :: atomic { slot != seen -> seen = slot }
        od
#endif
}

active proctype publisher()
{
        byte seen, seen_window, seen_rate;
        moving = true;
        MAY_DIE;
        close(window[0]);
        seen_window = seen;
        MAY_DIE;
        close(rate[0]);
        seen_rate = seen;
        MAY_DIE;
#ifdef BROKEN_CARRY
        binding = 1;
        window[1] = seen_window;
        rate[1] = seen_rate;
#else
        window[1] = seen_window;         /* nobody refers to them yet */
        rate[1] = seen_rate;
        binding = 1;
#endif
        MAY_DIE;
        window[0] = CLOSED + NOTED;      /* tk_forward_note(), where nobody but the publisher writes */
        MAY_DIE;
        moving = false;
        goto end;
dead:                                        /* tk_extent_recover() of the next daemon */
#ifdef BROKEN_OPEN
        if
        :: moving ->
#else
        if
        :: moving && binding == 0 ->
#endif
                seen = window[0];
                if
                :: seen >= CLOSED && seen < NOTED -> window[0] = seen - CLOSED
                :: else
                fi;
                seen = rate[0];
                if
                :: seen >= CLOSED -> rate[0] = seen - CLOSED
                :: else
                fi
        :: else
        fi;
        moving = false;
end:    ended++
}

init {
        atomic {
                run request(2, true);
                run request(3, false)
        };
        ended == 3;
        assert(window[binding] == out + stuck);
        assert(rate[binding] < CLOSED)
}
