/*
 * `tollkeeper doctor`: what is wrong with this installation, and how to mend each. Works with the daemon running or stopped, and
 * changes nothing. Main thread only. What is in files: service/doctor.c; what is the system's: doctor_system.c.
 */
#include "cli/doctor.h"

#include "cli/args.h"
#include "cli/cell.h"
#include "cli/client.h"
#include "cli/nouns.h"
#include "cli/report.h"
#include "cli/request.h"
#include "cli/terminal.h"
#include "http/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define EXPIRES_SOON_S (21 * 86400)

static struct tk_cli_doctor *current; /* where mistakes in settings are told */

static const char *const words[] = {"good", "warning", "bad"};

static void take(void *context, const char *area, enum tk_health health, const char *detail, const char *mend)
{
        struct tk_cli_doctor *doctor = context;
        doctor->counts[health]++;
        json_array_append_new(doctor->checks, json_pack("{s:s, s:s, s:s, s:s?}", "area", area, "state",
                                                        words[health], "detail", detail, "mend", mend));
}

void tk_cli_doctor_tell(struct tk_cli_doctor *doctor, const char *area, enum tk_health health,
                        const char *mend, const char *format, ...)
{
        char detail[512];
        va_list args;
        va_start(args, format);
        vsnprintf(detail, sizeof(detail), format, args);
        va_end(args);
        take(doctor, area, health, detail, mend);
}

/* ---- settings and TLS ---- */

static void say(const char *detail, const char *mend)
{
        take(current, "settings", TK_HEALTH_BAD, detail, mend);
}

static void look_at_tls(struct tk_cli_doctor *doctor)
{
        const char *cert = tk_settings_text(&doctor->settings, TK_SETTING_tls_cert);
        const char *key = tk_settings_text(&doctor->settings, TK_SETTING_tls_key);
        struct tk_fault fault = {0};
        int64_t expires_s, now_s = (int64_t)time(NULL);
        if (!cert || !key)
                return;
        if (tk_tls_load(cert, key, now_s, &expires_s, &fault) != TK_OK) {
                take(doctor, "tls", TK_HEALTH_BAD, fault.detail, fault.mend);
                return;
        }
        tk_tls_unload();
        bool soon = expires_s - now_s < EXPIRES_SOON_S;
        tk_cli_doctor_tell(doctor, "tls", soon ? TK_HEALTH_WARN : TK_HEALTH_GOOD,
                           soon ? "renew it, then `systemctl reload tollkeeper`" : NULL,
                           "%s and its key fit, and expire in %lld days", cert,
                           (long long)(expires_s - now_s) / 86400);
}

/* ---- the daemon ---- */

/* Who listens on the socket: its process, or 0. */
static pid_t look_at_socket(struct tk_cli_doctor *doctor, const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct stat status;
        struct ucred who = {0};
        socklen_t bytes = sizeof(who);
        if (lstat(path, &status) == 0 && (status.st_mode & 077) != 0)
                tk_cli_doctor_tell(doctor, "socket", TK_HEALTH_BAD, "restart the daemon, which makes it anew",
                                   "%s is open to others (mode %03o)", path,
                                   (unsigned)(status.st_mode & 0777));
        if (strlen(path) >= sizeof(address.sun_path))
                return 0;
        memcpy(address.sun_path, path, strlen(path) + 1);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool connected = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
        int error = errno;
        if (connected)
                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes);
        if (fd >= 0)
                close(fd);
        if (!connected)
                tk_cli_doctor_tell(doctor, "daemon", error == EACCES ? TK_HEALTH_BAD : TK_HEALTH_WARN,
                                   error == EACCES
                                           ? "run this as root or as the daemon's user"
                                           : "start it: `systemctl start tollkeeper`, or `tollkeeper serve`",
                                   "none answers at %s: %s", path, strerror(error));
        return connected ? who.pid : 0;
}

static bool is_true(const json_t *reply, const char *member)
{
        return json_is_true(tk_cli_member(reply, member));
}

static void look_at_status(struct tk_cli_doctor *doctor, const json_t *status)
{
        const char *reason = json_string_value(json_object_get(status, "reason"));
        json_int_t pending_ms = json_integer_value(tk_cli_member(status, "clock.pending_ms"));
        if (is_true(status, "ready"))
                tk_cli_doctor_tell(doctor, "daemon", TK_HEALTH_GOOD, NULL, "version %s answers and is ready",
                                   json_string_value(json_object_get(status, "version")));
        else
                tk_cli_doctor_tell(doctor, "daemon", TK_HEALTH_BAD, "see its log: `journalctl -u tollkeeper`",
                                   "it answers and is not ready: %s",
                                   reason ? reason : "it does not say why");
        if (is_true(status, "registry.degraded"))
                tk_cli_doctor_tell(doctor, "daemon", TK_HEALTH_BAD,
                                   "free space in the data directory's file system",
                                   "it is out of space: only revocations are taken");
        if (pending_ms != 0)
                tk_cli_doctor_tell(doctor, "clock", TK_HEALTH_WARN,
                                   "set the clock right; a right step is taken over by itself",
                                   "a step of the wall clock by %lld ms is held until it is confirmed",
                                   (long long)pending_ms);
}

/* Over the socket that the settings name. */
static void ask_daemon(struct tk_cli_doctor *doctor, const char *socket_path)
{
        const struct tk_cli_given given = {.option = TK_CLI_OPTION_socket, .value = socket_path};
        struct tk_cli_run run = *doctor->run;
        const struct tk_cli_request request = {.method = "GET", .path = "/v1/status", .patience_s = 5};
        struct tk_cli_client *client = NULL;
        json_t *status;
        run.given = &given;
        run.given_count = 1;
        if (tk_cli_client_open(&run, &client) == TK_CLI_EXIT_ok &&
            tk_cli_client_ask(client, &request, &status) == TK_CLI_EXIT_ok) {
                look_at_status(doctor, status);
                json_decref(status);
        } else {
                tk_cli_doctor_tell(doctor, "daemon", TK_HEALTH_BAD, "see its log: `journalctl -u tollkeeper`",
                                   "it listens at %s and does not answer", socket_path);
        }
        tk_cli_client_close(client);
}

static void look_at_daemon(struct tk_cli_doctor *doctor)
{
        const char *path = doctor->settings.values[TK_SETTING_socket].text;
        doctor->daemon_pid = look_at_socket(doctor, path);
        if (doctor->daemon_pid != 0)
                ask_daemon(doctor, path);
}

/* ---- the report ---- */

static void print_check(const json_t *check)
{
        static const enum tk_cli_colour colours[] = {TK_CLI_GREEN, TK_CLI_YELLOW, TK_CLI_RED};
        const char *state = json_string_value(json_object_get(check, "state"));
        const char *mend = json_string_value(json_object_get(check, "mend"));
        size_t health = 0;
        while (strcmp(words[health], state) != 0)
                health++;
        printf("%s%-8s%s%-10s%s\n", tk_cli_colour_on(colours[health]), state,
               tk_cli_colour_off(colours[health]), json_string_value(json_object_get(check, "area")),
               json_string_value(json_object_get(check, "detail")));
        if (mend && mend[0] != '\0')
                printf("%*smend: %s\n", 18, "", mend);
}

static int report(struct tk_cli_doctor *doctor)
{
        unsigned bad = doctor->counts[TK_HEALTH_BAD];
        int exit = TK_CLI_EXIT_ok;
        size_t i;
        const json_t *check;
        if (tk_cli_args_has(doctor->run, TK_CLI_OPTION_json)) {
                json_t *reply = json_pack("{s:b, s:O}", "healthy", bad == 0, "checks", doctor->checks);
                exit = reply ? tk_cli_print_json(reply) : tk_cli_out_of_memory();
                json_decref(reply);
        } else {
                json_array_foreach(doctor->checks, i, check) print_check(check);
                printf("\n%u good, %u to look at, %u bad\n", doctor->counts[TK_HEALTH_GOOD],
                       doctor->counts[TK_HEALTH_WARN], bad);
        }
        if (exit == TK_CLI_EXIT_ok && bad > 0)
                exit = TK_CLI_EXIT_failed;
        return exit;
}

static int run_doctor(const struct tk_cli_run *run)
{
        struct tk_cli_doctor doctor = {.run = run, .checks = json_array()};
        if (!doctor.checks)
                return tk_cli_out_of_memory();
        current = &doctor;
        bool known = tk_settings_read(run, say, &doctor.settings);
        if (known)
                tk_cli_doctor_tell(&doctor, "settings", TK_HEALTH_GOOD, NULL, "file %s",
                                   doctor.settings.file ? doctor.settings.file : "none");
        if (tk_settings_text(&doctor.settings, TK_SETTING_data)) {
                const struct tk_doctor files = {
                        .data_dir = tk_settings_text(&doctor.settings, TK_SETTING_data),
                        .gate_dir = tk_settings_text(&doctor.settings, TK_SETTING_gate),
                        .tell = take,
                        .context = &doctor,
                };
                tk_doctor_files(&files);
        }
        if (known) {
                look_at_daemon(&doctor);
                look_at_tls(&doctor);
        }
        tk_cli_doctor_system(&doctor);
        int exit = report(&doctor);
        json_decref(doctor.checks);
        tk_settings_fini(&doctor.settings);
        return exit;
}

static const struct tk_cli_command command[] = {{
        .summary = "look for what is wrong with this installation, and say how to mend it",
        .notes = "Reads the settings as `tollkeeper serve` does, and takes the same flags. Works with the "
                 "daemon running or "
                 "stopped.\nExit code 0: nothing is bad; 1: something is.",
        .example = "tollkeeper doctor\ntollkeeper doctor --json",
        .options = TK_CLI_HAS(json),
        .settings = true,
        .run = run_doctor,
}};

const struct tk_cli_noun tk_cli_noun_doctor = {
        .name = "doctor",
        .summary = "look for what is wrong with this installation, and say how to mend it",
        TK_CLI_COMMANDS(command),
};
