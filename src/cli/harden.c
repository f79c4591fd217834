/*
 * Keeps memory out of core files and debuggers. Main thread, before any other thread.
 */
#include "cli/harden.h"

#include <sys/prctl.h>
#include <sys/resource.h>

bool tk_cli_harden(void)
{
        struct rlimit none = {0, 0};
        bool no_core = setrlimit(RLIMIT_CORE, &none) == 0;
        return prctl(PR_SET_DUMPABLE, 0) == 0 && no_core;
}
