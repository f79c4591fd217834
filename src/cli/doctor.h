/*
 * What the files of `tollkeeper doctor` share. Main thread only.
 */
#ifndef TK_CLI_DOCTOR_H
#define TK_CLI_DOCTOR_H

#include "cli/command.h"
#include "service/doctor.h"

#include <jansson.h>

#include <sys/types.h>

struct tk_cli_doctor {
        const struct tk_cli_run *run;
        struct tk_settings settings;
        json_t *checks; /* as they will be printed */
        unsigned counts[TK_HEALTH_BAD + 1];
        pid_t daemon_pid; /* 0: none answers */
};

/* One thing that was looked at; `mend` NULL where nothing need be done. */
void tk_cli_doctor_tell(struct tk_cli_doctor *doctor, const char *area, enum tk_health health,
                        const char *mend, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Clock, limits, memory: what the system gives to the daemon, or to this process where none runs. */
void tk_cli_doctor_system(struct tk_cli_doctor *doctor);

#endif
