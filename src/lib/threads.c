/*
 * Threads and forks of a process that decides: where each thread writes its records is the gate's affair, a set at a time. Called by
 * the threads that are meant.
 */
#include "lib/handle.h"

bool tollkeeper_thread_begin(struct tollkeeper_gate *gate)
{
        return tk_gate_thread_begin(tk_lib_current(gate)->gate);
}

/* Also in sets that were current before: the thread may have decided in them. */
void tollkeeper_thread_end(struct tollkeeper_gate *gate)
{
        for (struct tk_lib_set *set = tk_lib_current(gate); set; set = set->older)
                tk_gate_thread_end(set->gate);
}

enum tollkeeper_result tollkeeper_after_fork(struct tollkeeper_gate *gate, struct tollkeeper_error *error)
{
        struct tk_fault fault = {0};
        enum tk_err err = TK_OK;

        pthread_mutex_init(&gate->lock, NULL); /* whoever held it did not come along */
        for (struct tk_lib_set *set = tk_lib_current(gate); set && !err; set = set->older)
                err = tk_gate_after_fork(set->gate);
        if (err)
                tk_fault_from_err(&fault, err);
        return tk_lib_result(err, &fault, error);
}
