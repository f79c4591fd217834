/*
 * One ring of events (src/gate/events.c, seat.c, drain.c): a writer, its death, the next writer of the same ring, and the daemon. No event
 * is read before it is whole, none twice, none is lost but those that were counted as lost and the one that a killed writer was at.
 * Two events a ring; numbers of events are their content. Mutations: -DBROKEN_HEAD (the head before the event), -DBROKEN_TAIL (the
 * tail before the copy), -DBROKEN_CLAIM (the next owner begins at 0), -DBROKEN_LOCK (a ring is claimed while it is owned).
 */
#define ROOM 2
#define EVENTS 5

byte line_a[ROOM], line_b[ROOM]; /* an event is two words, so that half of it can be seen */
byte head, tail;                 /* as in the ring */
bool owned;                      /* the lock on the ring's first byte */
byte written, dropped;           /* events that writers have finished, or given up */
byte next = 1;                   /* the next event's content */
byte taken;                      /* by the daemon */
byte last;                       /* content of the one taken last */
byte deaths;

proctype writer()
{
        byte my_head, my_tail, event;
#ifdef BROKEN_LOCK
        owned = true;
#else
        atomic { !owned -> owned = true };       /* take(): the kernel gives the lock to one */
#endif
#ifdef BROKEN_CLAIM
        my_head = 0;
#else
        my_head = head;                          /* sit_down() */
#endif
        my_tail = tail;
        do
        :: next <= EVENTS ->
                if                               /* has_room(): the tail is read only where it seems full */
                :: my_head - my_tail >= ROOM -> my_tail = tail
                :: else
                fi;
                atomic { event = next; next++ };
                if
                :: my_head - my_tail >= ROOM -> dropped++
                :: else ->
#ifdef BROKEN_HEAD
                        my_head++;
                        head = my_head;
                        line_a[(my_head - 1) % ROOM] = event;
                        line_b[(my_head - 1) % ROOM] = event;
#else
                        line_a[my_head % ROOM] = event;
                        line_b[my_head % ROOM] = event;
                        if                       /* killed at it, with the lock given back by the kernel */
                        :: deaths < 1 -> atomic { deaths++; owned = false; goto end }
                        :: skip
                        fi;
                        my_head++;
                        head = my_head;          /* finish() */
#endif
                        written++
                fi
        :: atomic { owned = false; break }       /* stand_up(), or killed between two */
        od;
end:    skip
}

/* drain_ring(): its own tail is the one that counts. */
proctype daemon()
{
        byte my_tail, seen, a, b;
        do
        :: seen = head;
           assert(seen - my_tail <= ROOM && seen >= my_tail);
           do
           :: my_tail == seen -> break
           :: else ->
#ifdef BROKEN_TAIL
                tail = my_tail + 1;
#endif
                a = line_a[my_tail % ROOM];
                b = line_b[my_tail % ROOM];
                my_tail++;
#ifndef BROKEN_TAIL
                tail = my_tail;
#endif
                atomic { assert(a == b && a > last); last = a; taken++ }
           od
        :: timeout -> break                      /* nobody writes any more */
        od;
        assert(head == my_tail);
        assert(taken == written && written + dropped + deaths == next - 1)
}

init {
        atomic {
                run writer();
                run writer();
                run daemon()
        }
}
