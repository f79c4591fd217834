/*
 * Run one party instruction by instruction: the processor's trap flag stops this thread after each, and `between` plays the other party.
 * For test programs of one thread on x86-64.
 */
#ifndef TK_TESTS_GATE_STEPPING_H
#define TK_TESTS_GATE_STEPPING_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100

/* What happens after an instruction; false: run on without stopping. */
static bool (*between)(void);

static void on_trap(int signal, siginfo_t *info, void *context)
{
        ucontext_t *interrupted = context;
        (void)signal;
        (void)info;
        if (!between())
                interrupted->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

/* Below the red zone, where the compiler may keep values. */
static void trap_on(void)
{
        __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                         "pushfq\n\t"
                         "orq %0, (%%rsp)\n\t"
                         "popfq\n\t"
                         "lea 128(%%rsp), %%rsp" ::"i"(TRAP_FLAG)
                         : "memory", "cc");
}

static void trap_off(void)
{
        __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                         "pushfq\n\t"
                         "andq %0, (%%rsp)\n\t"
                         "popfq\n\t"
                         "lea 128(%%rsp), %%rsp" ::"i"(~TRAP_FLAG)
                         : "memory", "cc");
}

/* A cmocka setup of the group. */
static int install_handler(void **state)
{
        struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
        (void)state;
        return sigaction(SIGTRAP, &action, NULL);
}

#endif
