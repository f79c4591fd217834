/*
 * What can be wrong with an installation, seen from outside the daemon: looks at its files, whether it runs or not, and changes
 * nothing. Called by `tollkeeper doctor`; one thread.
 */
#ifndef TK_SERVICE_DOCTOR_H
#define TK_SERVICE_DOCTOR_H

#include <stdbool.h>

enum tk_health {
        TK_HEALTH_GOOD,
        TK_HEALTH_WARN, /* works, and is not as it should be */
        TK_HEALTH_BAD,
};

/* One thing that was looked at. Texts are borrowed for the call; `mend` is NULL where nothing need be done. */
typedef void tk_doctor_tell(void *context, const char *area, enum tk_health health, const char *detail,
                            const char *mend);

struct tk_doctor {
        const char *data_dir;
        const char *gate_dir; /* NULL: where DATA/gate points */
        tk_doctor_tell *tell;
        void *context;
};

/* Data directory, its files, registry, pepper, gate. As root it looks at secrets with the owner's rights. */
void tk_doctor_files(const struct tk_doctor *doctor);

#endif
