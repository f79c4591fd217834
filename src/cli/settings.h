/*
 * The settings of the daemon: one table for the configuration file, the environment, the flags of `serve` and the help. A
 * setting has one name everywhere: `idle-timeout = 60`, TOLLKEEPER_IDLE_TIMEOUT, --idle-timeout. Read at the start and at each
 * reload, on the main thread. A secret is never a setting.
 */
#ifndef TK_CLI_SETTINGS_H
#define TK_CLI_SETTINGS_H

#include "core/arena.h"
#include "core/cidr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tk_cli_run;

#define TK_CONFIG_FILE "/etc/tollkeeper/tollkeeper.conf"

enum tk_setting_kind {
        TK_SETTING_TEXT,
        TK_SETTING_NUMBER, /* from min to max */
        TK_SETTING_YES_NO, /* as a flag it needs no value */
        TK_SETTING_CIDRS,  /* separated by commas; `none` */
        TK_SETTING_LISTEN, /* address and port */
        TK_SETTING_LEVEL,  /* info, warn, error */
};

enum tk_setting_change {
        TK_SETTING_AT_START, /* a change waits for the next start */
        TK_SETTING_RELOADED, /* SIGHUP puts it in force */
};

/*
 * id, name, kind, value shown in help, min, max, default, when a change is in force, help. A default in brackets is worked out:
 * see tk_settings_read().
 */
#define TK_SETTINGS(X)                                                                                       \
        X(config, "config", TEXT, "FILE", 0, 0, "[" TK_CONFIG_FILE " where it exists]", AT_START,            \
          "read settings from FILE; `none` reads no file")                                                   \
        X(data, "data", TEXT, "DIR", 0, 0, "./data", AT_START, "registry and secrets; made when missing")    \
        X(listen, "listen", LISTEN, "ADDR:PORT", 0, 0, "127.0.0.1:8420", AT_START,                           \
          "where to answer; port 0: any free one")                                                           \
        X(tls_cert, "tls-cert", TEXT, "FILE", 0, 0, "", RELOADED,                                            \
          "answer over TLS with this certificate and its chain, PEM")                                        \
        X(tls_key, "tls-key", TEXT, "FILE", 0, 0, "", RELOADED, "the certificate's private key, PEM")        \
        X(behind_proxy, "behind-proxy", YES_NO, NULL, 0, 0, "no", AT_START,                                  \
          "a proxy in front does TLS: any address is allowed, no peer is known")                             \
        X(socket, "socket", TEXT, "PATH", 0, 0, "[DATA/tollkeeper.sock]", AT_START,                          \
          "the administrator's socket")                                                                      \
        X(gate, "gate", TEXT, "DIR", 0, 0, "[/dev/shm/tollkeeper-INSTALLATION]", AT_START,                   \
          "the gate's shared files")                                                                         \
        X(verify_peers, "verify-peers", CIDRS, "CIDR", 0, 0, "[loopback, or none behind a proxy]", RELOADED, \
          "who may verify without a key, repeatable")                                                        \
        X(trusted_proxies, "trusted-proxies", CIDRS, "CIDR", 0, 0, "none", RELOADED,                         \
          "whose X-Forwarded-For is believed, repeatable")                                                   \
        X(verify_threads, "verify-threads", NUMBER, "N", 1, 64, "[one a CPU]", AT_START, "network threads")  \
        X(workers, "workers", NUMBER, "N", 1, 256, "16", AT_START,                                           \
          "threads for requests that touch the disk")                                                        \
        X(connections, "connections", NUMBER, "N", 16, 1000000, "4096", RELOADED,                            \
          "open TCP connections at most; an eighth is kept for verify-peers")                                \
        X(connections_per_address, "connections-per-address", NUMBER, "N", 1, 1000000, "128", RELOADED,      \
          "of one address (IPv6: /64); of verify-peers and proxies any number")                              \
        X(request_timeout, "request-timeout", NUMBER, "SECONDS", 1, 3600, "30", RELOADED,                    \
          "close connections that need longer to send a request or to take its answer")                      \
        X(idle_timeout, "idle-timeout", NUMBER, "SECONDS", 1, 3600, "60", RELOADED,                          \
          "close connections that say nothing for so long")                                                  \
        X(lease, "lease", NUMBER, "SECONDS", 0, 2592000, "0", AT_START,                                      \
          "the gate admits so long without the daemon; 0: for ever")                                         \
        X(log_level, "log-level", LEVEL, "LEVEL", 0, 0, "info", RELOADED,                                    \
          "the least that is logged: info, warn or error")                                                   \
        X(port_file, "port-file", TEXT, "FILE", 0, 0, "", AT_START,                                          \
          "write the port into FILE once requests are answered")                                             \
        X(demo, "demo", YES_NO, NULL, 0, 0, "no", AT_START,                                                  \
          "make the API weather on the first start, with a key to try")

enum tk_setting {
#define X(id, name, kind, value, min, max, otherwise, change, help) TK_SETTING_##id,
        TK_SETTINGS(X)
#undef X
                TK_SETTING_COUNT
};

struct tk_setting_info {
        const char *name;
        enum tk_setting_kind kind;
        const char *value; /* in help */
        uint64_t min, max;
        const char *otherwise;
        enum tk_setting_change change;
        const char *help;
};

/* Indexed by enum tk_setting. */
extern const struct tk_setting_info tk_settings_table[TK_SETTING_COUNT];

/* False when there is none of this name. */
bool tk_setting_find(struct tk_str name, enum tk_setting *ret_setting);
/* The name of its variable: TOLLKEEPER_IDLE_TIMEOUT. */
#define TK_SETTING_VARIABLE_MAX 64
void tk_setting_variable(enum tk_setting setting, char ret_name[TK_SETTING_VARIABLE_MAX]);

/* One flag as it was given. */
struct tk_setting_given {
        enum tk_setting setting;
        const char *value;
};

enum tk_setting_origin {
        TK_SETTING_BY_DEFAULT,
        TK_SETTING_BY_FILE,
        TK_SETTING_BY_VARIABLE,
        TK_SETTING_BY_FLAG,
};

#define TK_SETTING_CIDRS_MAX 64

struct tk_settings {
        struct tk_arena arena; /* what the rest points into */
        const char *file;      /* that was read; NULL: none */
        struct {
                const char *text; /* "" where there is none */
                const char *from; /* for people: `default`, `FILE:LINE`, `TOLLKEEPER_DATA`, `--data` */
                enum tk_setting_origin origin;
        } values[TK_SETTING_COUNT];
};

/* Says what is wrong and how to mend it (NULL: nothing to say). More than once for several mistakes. */
typedef void tk_settings_say(const char *detail, const char *mend);

/*
 * Put defaults, file, environment and the run's flags together, each over the ones before it, and check all: each value, and
 * those that belong together (a certificate and its key; TLS or a proxy beyond loopback).
 * False: `say` was told why. In both cases tk_settings_fini() frees.
 */
bool tk_settings_read(const struct tk_cli_run *run, tk_settings_say *say, struct tk_settings *ret_settings);
/* The file alone, over the defaults: for `config check`. */
bool tk_settings_read_file(const char *file, tk_settings_say *say, struct tk_settings *ret_settings);
void tk_settings_fini(struct tk_settings *settings);

/* NULL where it is empty, or a default that only the daemon works out. */
const char *tk_settings_text(const struct tk_settings *settings, enum tk_setting setting);
uint64_t tk_settings_number(const struct tk_settings *settings, enum tk_setting setting);
bool tk_settings_yes(const struct tk_settings *settings, enum tk_setting setting);
uint32_t tk_settings_cidrs(const struct tk_settings *settings, enum tk_setting setting,
                           struct tk_cidr ret_cidrs[TK_SETTING_CIDRS_MAX]);

/*
 * For the programs beside the daemon: where it keeps `data` and `socket`, by the file TK_CONFIG_FILE. Whatever is wrong there
 * is left to the daemon to complain of. NULL: it does not say.
 *   arena  keeps the text
 */
const char *tk_settings_hint(struct tk_arena *arena, enum tk_setting setting);

#endif
