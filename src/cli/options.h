/*
 * Every flag of the program: one table for the parser, the help text and the JSON that a flag's value becomes. The order
 * here is the order in the help. What configures the daemon is in settings.h. Two flags may share a name (`--scope`
 * grants for `key issue`, requires for `verify`); no command takes both.
 */
#ifndef TK_CLI_OPTIONS_H
#define TK_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum tk_cli_kind {
        TK_CLI_FLAG,     /* takes no value */
        TK_CLI_TEXT,     /* JSON string */
        TK_CLI_NUMBER,   /* JSON integer, from 0 */
        TK_CLI_LIST,     /* JSON array of strings; repeatable, commas separate, `none` is the empty array */
        TK_CLI_RATE,     /* one element of `limits`; repeatable, `none` is the empty array */
        TK_CLI_QUOTA,    /* the same, a window limit */
        TK_CLI_TIME,     /* RFC 3339 or a date; `none` is null */
        TK_CLI_DURATION, /* a time from now */
        TK_CLI_OBJECT,   /* JSON object as text */
        TK_CLI_ENVIRONMENTS, /* JSON array of {name, tag}; repeatable */
};

/* id, flag, kind, value shown in help, JSON member or query parameter (NULL: for the program itself), help */
#define TK_CLI_OPTIONS(X)                                                                                    \
        /* what it is about */                                                                               \
        X(api, "api", TEXT, "NAME", "api", "the API, such as weather")                                       \
        X(environment, "env", TEXT, "NAME", "environment", "environment of the API; default production")     \
        X(in_environment, "env", TEXT, "NAME", "environment", "only of this environment; needs --api")       \
        X(environments, "env", ENVIRONMENTS, "NAME[:TAG]", "environments",                                   \
          "an environment, repeatable; default development, test and production")                            \
        X(consumer, "consumer", TEXT, "NAME", "consumer", "the consumer, by name or id; default `default`")  \
        X(of_consumer, "consumer", TEXT, "NAME", "consumer", "the consumer, by name or id")                  \
        X(plan, "plan", TEXT, "NAME", "plan", "the plan")                                                    \
        X(state, "state", TEXT, "STATE", "state", "only those: active, suspended or revoked")                \
        X(name, "name", TEXT, "TEXT", "name", "a name for people")                                           \
        X(description, "description", TEXT, "TEXT", "description", "a description for people")               \
        X(prefix, "prefix", TEXT, "PREFIX", "prefix", "how its keys begin; default tk; never changes")       \
        X(tag, "tag", TEXT, "TAG", "tag",                                                                    \
          "shows in its keys (tk_TAG_...); default live, test, dev or the name")                             \
        /* what a key may do */                                                                              \
        X(scopes, "scope", LIST, "SCOPE", "scopes",                                                          \
          "a scope to grant, repeatable: forecast:read, forecast:*, *")                                      \
        X(roles, "role", LIST, "NAME", "roles", "a role to grant, repeatable; `none` for no role")           \
        X(limit, "limit", RATE, "N/PER", "limits",                                                           \
          "a rate, repeatable: 100/min; 10/s,burst=50; hourly=5000/h; 9/s,shadow (not enforced)")            \
        X(quota, "quota", QUOTA, "N/PERIOD", "limits",                                                       \
          "at most N a period, repeatable: 10000/day; 10000/month,anchor=subscription; 9/day,shadow")        \
        X(expires_in, "expires-in", DURATION, "TIME", "expires_at", "valid this long from now: 12h, 30d")    \
        X(expires_at, "expires-at", TIME, "TIME", "expires_at",                                              \
          "valid until: 2027-01-31 or 2027-01-31T12:00:00Z")                                                 \
        X(not_before, "not-before", TIME, "TIME", "not_before", "not valid before")                          \
        X(cidrs, "cidr", LIST, "CIDR", "restrictions.cidrs",                                                 \
          "client addresses allowed, repeatable: 192.0.2.0/24")                                              \
        X(origins, "origin", LIST, "ORIGIN", "restrictions.origins", "web origins allowed, repeatable")      \
        X(methods, "method", LIST, "METHOD", "restrictions.methods", "HTTP methods allowed, repeatable")     \
        X(paths, "path", LIST, "PATH", "restrictions.paths",                                                 \
          "paths allowed, repeatable: /v1/forecast/{city}")                                                  \
        X(started_at, "started-at", TIME, "TIME", "started_at", "its periods begin here; default now")       \
        X(metadata, "metadata", OBJECT, "JSON", "metadata", "a JSON object of your own")                     \
        X(reason, "reason", TEXT, "TEXT", "reason", "why, for the audit log")                                \
        X(only_apis, "only-api", LIST, "NAME", "only_apis",                                                  \
          "an admin key that acts on this API alone, repeatable")                                            \
        /* the audit log */                                                                                  \
        X(object, "object", TEXT, "OBJECT", "object", "only this: key_17, plan, plan:4, api:weather")        \
        X(actor, "actor", TEXT, "ACTOR", "actor", "only by this one: key_1, socket:0, system")               \
        X(action, "action", TEXT, "ACTION", "action", "only this: key.revoke, plan.update, refused")         \
        X(since, "since", TEXT, "TIME", "since", "not before: 2h (ago), 2027-01-31, 2027-01-31T12:00:00Z")   \
        X(until, "until", TEXT, "TIME", "until", "only before: as --since")                                  \
        /* the request to judge */                                                                           \
        X(key_file, "key-file", TEXT, "FILE", NULL, "read the key from FILE; `-` is standard input")         \
        X(scope, "scope", TEXT, "SCOPES", "scope",                                                           \
          "what the request requires: forecast:read, or `a and (b or c)`")                                   \
        X(method, "method", TEXT, "METHOD", "method", "the request's method")                                \
        X(path, "path", TEXT, "PATH", "path", "the request's path")                                          \
        X(ip, "ip", TEXT, "ADDRESS", "ip", "the client's address")                                           \
        X(origin, "origin", TEXT, "ORIGIN", "origin", "the request's Origin header")                         \
        X(cost, "cost", NUMBER, "N", "cost", "units that it costs; default 1, 0 charges nothing")            \
        X(match_route, "match-route", FLAG, NULL, "match_route",                                             \
          "take scope, cost and limits of the route of --method and --path")                                 \
        X(unknown_route, "unknown-route", TEXT, "WORD", "unknown_route",                                     \
          "when there is no such route: refuse (default) or pass")                                           \
        /* how to ask */                                                                                     \
        X(idempotency_key, "idempotency-key", TEXT, "TEXT", NULL,                                            \
          "a repeat with the same text makes nothing twice")                                                 \
        X(if_version, "if-version", NUMBER, "N", NULL, "only if this is still its version")                  \
        X(max, "max", NUMBER, "N", NULL, "at most so many; default 1000, 0 for all")                         \
        X(cursor, "cursor", TEXT, "CURSOR", NULL, "go on where an earlier list stopped")                     \
        /* imports and exports */                                                                            \
        X(all_or_nothing, "all-or-nothing", FLAG, NULL, NULL, "one bad line, and nothing is imported")       \
        X(dry_run, "dry-run", FLAG, NULL, NULL, "say what would happen, and change nothing")                 \
        X(format, "format", TEXT, "FORMAT", "format", "ndjson or csv; default ndjson, or what FILE ends in") \
        X(from, "from", TEXT, "SYSTEM", NULL, "lines as unkey or better-auth export them")                   \
        /* where the daemon is */                                                                            \
        X(json, "json", FLAG, NULL, NULL, "print the reply as JSON, for programs")                           \
        X(data, "data", TEXT, "DIR", NULL, "the daemon's data directory, for its socket; default ./data")    \
        X(socket, "socket", TEXT, "PATH", NULL, "the daemon's socket; default DIR/tollkeeper.sock")          \
        X(url, "url", TEXT, "URL", NULL, "ask over TCP: http://127.0.0.1:8420, or https://...")              \
        X(admin_key_file, "admin-key-file", TEXT, "FILE", NULL, "read the admin key from FILE")              \
        X(ca_file, "ca-file", TEXT, "FILE", NULL, "for https: believe the authorities in FILE alone")        \
        X(pepper_file, "pepper-file", TEXT, "FILE", NULL, "the copy of the pepper that was kept apart")

enum tk_cli_option {
#define X(id, flag, kind, value, member, help) TK_CLI_OPTION_##id,
        TK_CLI_OPTIONS(X)
#undef X
                TK_CLI_OPTION_COUNT
};

/* A command's flags are a set of bits. */
typedef unsigned __int128 tk_cli_flags;
_Static_assert(TK_CLI_OPTION_COUNT <= 128, "one bit an option");
#define TK_CLI_BIT(option) ((tk_cli_flags)1 << (option))
#define TK_CLI_HAS(id)     TK_CLI_BIT(TK_CLI_OPTION_##id)

/* Where the daemon is and how to print: all commands that ask it take these. */
#define TK_CLI_CONNECTION                                                                                    \
        (TK_CLI_HAS(json) | TK_CLI_HAS(data) | TK_CLI_HAS(socket) | TK_CLI_HAS(url) |                        \
         TK_CLI_HAS(admin_key_file) | TK_CLI_HAS(ca_file))

/* How much of a list, and the two flags that feed `limits`. */
#define TK_CLI_PAGES  (TK_CLI_HAS(max) | TK_CLI_HAS(cursor))
#define TK_CLI_LIMITS (TK_CLI_HAS(limit) | TK_CLI_HAS(quota))

struct tk_cli_option_info {
        const char *flag; /* without the dashes */
        enum tk_cli_kind kind;
        const char *value, *member, *help;
};

/* Indexed by enum tk_cli_option. */
extern const struct tk_cli_option_info tk_cli_options[TK_CLI_OPTION_COUNT];

/* Whether an option of this kind may be given more than once. */
bool tk_cli_repeatable(enum tk_cli_kind kind);

/* Variables of the environment. name, meaning */
#define TK_CLI_VARIABLES(X)                                                                                  \
        X(TOLLKEEPER_DATA, "as --data, when that is not given")                                              \
        X(TOLLKEEPER_SOCKET, "as --socket, when neither that nor --data is given")                           \
        X(TOLLKEEPER_URL, "as --url, when neither --url, --socket nor --data is given")                      \
        X(TOLLKEEPER_ADMIN_KEY, "the admin key; the socket needs none")                                      \
        X(TOLLKEEPER_CA_FILE, "as --ca-file, when that is not given")                                        \
        X(TOLLKEEPER_KEY, "the key that verify and explain ask about")                                       \
        X(NO_COLOR, "when set: no colours")

#endif
