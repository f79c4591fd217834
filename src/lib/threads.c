/*
 * Threads and forks of a process that decides: where each thread writes its records is the gate's affair, a
 * set at a time. Called by the threads that are meant.
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

/* Sets that were current before are nothing that the child will ever decide in; their rings stay with the parent. */
enum tollkeeper_result tollkeeper_after_fork(struct tollkeeper_gate *gate, struct tollkeeper_error *error)
{
        struct tk_fault fault = {0};
        pthread_mutex_init(&gate->lock, NULL); /* whoever held it did not come along */
        enum tk_err err = tk_gate_after_fork(tk_lib_current(gate)->gate);
        if (err)
                tk_fault_set(&fault, TK_FAULT_internal, "", "close the handle and open another",
                             "the gate's files could not be opened again after the fork");
        return tk_lib_result(err, &fault, error);
}
