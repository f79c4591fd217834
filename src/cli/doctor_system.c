/*
 * What the system gives to the daemon: a clock that is right, files, locked memory (doctor.h).
 */
#include "cli/doctor.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>

#define OWN_FILES      384 /* what is not a TCP connection: http/server.c */
#define LOCKED_WANTED  (UINT64_C(64) << 10)
#define MEMORY_LOW_MIB 128

static void look_at_clock(struct tk_cli_doctor *doctor)
{
        struct timex state = {0};
        int code = adjtimex(&state);
        if (code < 0)
                return;
        if (code == TIME_ERROR || (state.status & STA_UNSYNC))
                tk_cli_doctor_tell(
                        doctor, "clock", TK_HEALTH_WARN,
                        "run systemd-timesyncd, chrony or the like: expiry and quotas follow this clock",
                        "nothing keeps the system's clock right");
        else
                tk_cli_doctor_tell(doctor, "clock", TK_HEALTH_GOOD, NULL, "it is kept right, within %ld ms",
                                   state.maxerror / 1000);
}

/* The first number of a line of /proc/PID/limits or /proc/meminfo; UINT64_MAX: unlimited, or it does not say. */
static uint64_t number_after(const char *path, const char *name)
{
        char line[256];
        FILE *file = fopen(path, "re");
        uint64_t number = UINT64_MAX;
        while (file && fgets(line, sizeof(line), file)) {
                unsigned long long found;
                if (strncmp(line, name, strlen(name)) == 0 &&
                    sscanf(line + strlen(name), " %llu", &found) == 1)
                        number = found;
        }
        if (file)
                fclose(file);
        return number;
}

static uint64_t limit_of(const struct tk_cli_doctor *doctor, const char *name, __rlimit_resource_t resource)
{
        char path[64];
        struct rlimit own;
        if (doctor->daemon_pid != 0) {
                snprintf(path, sizeof(path), "/proc/%d/limits", (int)doctor->daemon_pid);
                return number_after(path, name);
        }
        if (getrlimit(resource, &own) != 0 || own.rlim_max == RLIM_INFINITY)
                return UINT64_MAX;
        return own.rlim_max; /* the daemon raises its own as far */
}

static void look_at_limits(struct tk_cli_doctor *doctor)
{
        const char *whose = doctor->daemon_pid != 0 ? "the daemon" : "a process started here";
        uint64_t wanted = tk_settings_number(&doctor->settings, TK_SETTING_connections) + OWN_FILES;
        uint64_t files = limit_of(doctor, "Max open files", RLIMIT_NOFILE);
        uint64_t locked = limit_of(doctor, "Max locked memory", RLIMIT_MEMLOCK);
        if (files < wanted)
                tk_cli_doctor_tell(doctor, "limits", TK_HEALTH_WARN,
                                   "raise LimitNOFILE= of the unit or `ulimit -Hn`, or lower `connections`",
                                   "%s may open %llu files; %llu are wanted for the connections that are set",
                                   whose, (unsigned long long)files, (unsigned long long)wanted);
        else
                tk_cli_doctor_tell(doctor, "limits", TK_HEALTH_GOOD, NULL,
                                   "%s may open as many files as it wants", whose);
        if (locked < LOCKED_WANTED)
                tk_cli_doctor_tell(doctor, "limits", TK_HEALTH_WARN,
                                   "raise LimitMEMLOCK= of the unit or `ulimit -l`",
                                   "%s may lock %llu bytes of memory: secrets could be swapped out", whose,
                                   (unsigned long long)locked);
        else
                tk_cli_doctor_tell(doctor, "limits", TK_HEALTH_GOOD, NULL,
                                   "%s may lock its secrets in memory", whose);
}

static void look_at_memory(struct tk_cli_doctor *doctor)
{
        uint64_t kib = number_after("/proc/meminfo", "MemAvailable:");
        bool low = kib >> 10 < MEMORY_LOW_MIB;
        if (kib == UINT64_MAX)
                return;
        tk_cli_doctor_tell(doctor, "memory", low ? TK_HEALTH_WARN : TK_HEALTH_GOOD,
                           low ? "stop what else runs here, or give the machine more" : NULL,
                           "%llu MiB are available", (unsigned long long)(kib >> 10));
}

void tk_cli_doctor_system(struct tk_cli_doctor *doctor)
{
        look_at_clock(doctor);
        look_at_limits(doctor);
        look_at_memory(doctor);
}
