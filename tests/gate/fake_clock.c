/*
 * See fake_clock.h.
 */
#include "fake_clock.h"

#include <time.h>

uint64_t fake_boot_ms, fake_suspended_ms;

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
        if (fake_boot_ms == 0 || (clock != CLOCK_BOOTTIME && clock != CLOCK_MONOTONIC))
                return __real_clock_gettime(clock, ret_time);
        uint64_t ms = fake_boot_ms - (clock == CLOCK_MONOTONIC ? fake_suspended_ms : 0);
        *ret_time = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
        return 0;
}
