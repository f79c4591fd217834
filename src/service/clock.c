/*
 * The system's wall clock behind the interface that tests replace. Any thread.
 */
#include "service/service.h"

#include <time.h>

static uint64_t system_wall_ns(void *context)
{
        (void)context;
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
}

struct tk_clock tk_clock_system(void)
{
        return (struct tk_clock){.wall_ns = system_wall_ns, .context = NULL};
}
