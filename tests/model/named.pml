/*
 * One bucket of the table of named limits (src/gate/named.c): threads that find or insert, helpers that are late, inserters that are
 * killed, and the daemon's sweep. A name never has two places, which a helper that is late and brings back what was forgotten would give
 * it. A step is one shared access of the C code; scan() reads word by word.
 * A word of the tags: free with a version in it, or a name, or a name that is closing, or dead. The clocks of the sweep are left out:
 * it may at any time find an entry whole, and old. Mutations: -DBROKEN_STAMP (a place becomes free as it was at first),
 * -DBROKEN_REVIVE (who fails to keep a closing name takes it for absent).
 */
#define PLACES 2
/* How often the sweep changes a word. -DTURNS=3 is for -DONE_NAME, which leaves out the other name: there are too many states for both. */
#ifndef TURNS
#define TURNS 2
#endif
#define FREE(v)    (v)          /* 0 to 15 */
#define TAKEN(n)   (16 + (n))   /* names are 1 and 2 */
#define CLOSING(n) (32 + (n))
#define DEAD       48
#define IS_FREE(w) ((w) < 16)

/* The insert word, exchanged as a whole: the name, its place, and how many inserts there were. */
byte insert_tag, insert_at, insert_version;
byte tags[PLACES];
byte forgotten[PLACES]; /* the version under which the place became free last */

#define HOLDS(w, n) ((w) == TAKEN(n) || (w) == CLOSING(n))
/* No name in two places. */
#define TWICE(n) (HOLDS(tags[0], n) && HOLDS(tags[1], n))

inline exchange(where, expected, desired, did)
{
        atomic {
                if
                :: tags[where] == expected -> tags[where] = desired; did = true; assert(!TWICE(1) && !TWICE(2))
                :: else -> expected = tags[where]; did = false
                fi
        }
}

/* complete(): finish the insert that was read, whoever began it. */
inline complete(tag, where, version)
{
        if
        :: version == 0
        :: else ->
                word = tags[where];
                if
                :: IS_FREE(word) && word < version ->
                        atomic {
                                exchange(where, word, TAKEN(tag), did);
                                assert(!did || version > forgotten[where])
                        }
                :: else
                fi
        fi
}

/* scan(): the place of `name`, or NONE; and a free one. */
#define NONE 7
inline scan(name)
{
        at = NONE; free = NONE; i = 0;
        do
        :: i == PLACES -> break
        :: else ->
                word = tags[i];
                if
                :: word == CLOSING(name) ->
                        exchange(i, word, TAKEN(name), did);
                        if
                        :: did -> at = i; break
#ifdef BROKEN_REVIVE
                        :: else -> skip
#else
                        :: !did && word == TAKEN(name) -> at = i; break
                        :: else
#endif
                        fi
                :: word == TAKEN(name) -> at = i; break
                :: else
                fi;
                if
                :: IS_FREE(word) && free == NONE -> free = i
                :: else
                fi;
                i++
        od
}

/* find_or_make() */
proctype finder(byte name)
{
        byte tag, where, version, word, at, free, i;
        bool did;
        scan(name);
        do
        :: at != NONE || (free == NONE && version != 0) -> break
        :: else ->
                atomic { tag = insert_tag; where = insert_at; version = insert_version };
                complete(tag, where, version);
                scan(name);
                if
                :: at != NONE || free == NONE -> break
                :: else
                fi;
                atomic {
                        if
                        :: insert_version == version && insert_tag == tag && insert_at == where ->
                                insert_tag = name;
                                insert_at = free;
                                insert_version++;
                                tag = name; where = free; version = insert_version;
                                did = true
                        :: else -> did = false
                        fi
                };
                if
                :: did ->
                        if
                        :: skip                          /* killed before it has finished, or late */
                        :: goto end
                        fi;
                        complete(tag, where, version)
                :: else
                fi
        od;
end:    skip
}

/* sweep_entry() and forget() */
proctype sweeper()
{
        byte word, i, turns, version;
        bool did;
        do
        :: turns < TURNS ->
                turns++;
                if
                :: i = 0
                :: i = 1
                fi;
                word = tags[i];
                if
                :: word > 16 && word < 32 -> exchange(i, word, word + 16, did)
                :: word > 32 && word < 48 ->
                        if
                        :: skip; exchange(i, word, word - 16, did)       /* not whole any more */
                        :: skip; exchange(i, word, DEAD, did);
                           if
                           :: did ->
                                version = insert_version;        /* read after the word was dead */
                                forgotten[i] = version;
#ifdef BROKEN_STAMP
                                tags[i] = FREE(0)
#else
                                tags[i] = FREE(version)
#endif
                           :: else
                           fi
                        fi
                :: else
                fi
        :: break
        od
}

/* Name 1 has a place; its insert is the last. */
init {
        atomic {
                insert_tag = 1;
                insert_version = 1;
                tags[0] = TAKEN(1);
                run finder(1);
                run finder(1);
#ifndef ONE_NAME
                run finder(2);
#endif
                run sweeper()
        }
}
