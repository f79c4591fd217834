/*
 * Puts the settings together (settings.h): defaults, file, environment, flags, each over the ones before it. Main thread.
 */
#include "cli/settings.h"

#include "cli/address.h"
#include "cli/command.h"
#include "cli/settings_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 512

#define X(id, setting_name, kind_name, value_name, least, most, default_text, change_name, text)             \
        [TK_SETTING_##id] = {.name = (setting_name),                                                         \
                             .kind = TK_SETTING_##kind_name,                                                 \
                             .value = (value_name),                                                          \
                             .min = (least),                                                                 \
                             .max = (most),                                                                  \
                             .otherwise = (default_text),                                                    \
                             .change = TK_SETTING_##change_name,                                             \
                             .help = (text)},
const struct tk_setting_info tk_settings_table[TK_SETTING_COUNT] = {TK_SETTINGS(X)};
#undef X

bool tk_setting_find(struct tk_str name, enum tk_setting *ret_setting)
{
        for (size_t i = 0; i < TK_SETTING_COUNT; i++) {
                if (!tk_str_equal(name, tk_str_from(tk_settings_table[i].name)))
                        continue;
                *ret_setting = (enum tk_setting)i;
                return true;
        }
        return false;
}

void tk_setting_variable(enum tk_setting setting, char ret_name[TK_SETTING_VARIABLE_MAX])
{
        snprintf(ret_name, TK_SETTING_VARIABLE_MAX, "TOLLKEEPER_%s", tk_settings_table[setting].name);
        for (char *c = ret_name; *c; c++)
                *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

/* ---- what is wrong with a value ---- */

struct maker {
        struct tk_settings *settings;
        tk_settings_say *say;
        bool good;
};

static void wrong(struct maker *maker, const char *mend, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void wrong(struct maker *maker, const char *mend, const char *format, ...)
{
        char detail[TEXT_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(detail, sizeof(detail), format, args);
        va_end(args);
        maker->good = false;
        maker->say(detail, mend);
}

/* How the value is called where it came from: `--workers`, `TOLLKEEPER_WORKERS`, `FILE:7: workers`. */
static const char *label(const struct tk_settings *settings, enum tk_setting setting,
                         char ret_text[TEXT_MAX / 2])
{
        bool by_file = settings->values[setting].origin == TK_SETTING_BY_FILE;
        snprintf(ret_text, TEXT_MAX / 2, "%s%s%s", settings->values[setting].from, by_file ? ": " : "",
                 by_file ? tk_settings_table[setting].name : "");
        return ret_text;
}

static bool cidrs_fit(const char *text)
{
        struct tk_str rest = tk_str_from(text), item;
        struct tk_cidr cidr;
        unsigned count = 0;
        bool more = strcmp(text, "none") != 0;
        while (more) {
                more = tk_str_cut(rest, ',', &item, &rest);
                if (!tk_cidr_parse(tk_str_trim(item), &cidr) || ++count > TK_SETTING_CIDRS_MAX)
                        return false;
        }
        return true;
}

static void check_value(struct maker *maker, enum tk_setting setting)
{
        const struct tk_setting_info *info = &tk_settings_table[setting];
        const char *text = maker->settings->values[setting].text;
        char name[TEXT_MAX / 2], address[64];
        uint64_t number;
        uint16_t port;
        label(maker->settings, setting, name);
        switch (info->kind) {
        case TK_SETTING_NUMBER:
                if (!tk_str_to_u64(tk_str_from(text), &number) || number < info->min || number > info->max)
                        wrong(maker, NULL, "%s takes a number from %llu to %llu, not \"%s\"", name,
                              (unsigned long long)info->min, (unsigned long long)info->max, text);
                break;
        case TK_SETTING_YES_NO:
                if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
                        wrong(maker, NULL, "%s takes yes or no, not \"%s\"", name, text);
                break;
        case TK_SETTING_CIDRS:
                if (!cidrs_fit(text))
                        wrong(maker, "use up to 64 blocks such as 10.1.0.0/16 or 2001:db8::/32, or `none`",
                              "%s does not understand \"%s\"", name, text);
                break;
        case TK_SETTING_LISTEN:
                if (!tk_cli_listen_parse(text, address, sizeof(address), &port))
                        wrong(maker, "use a numeric address and a port: 127.0.0.1:8420, [::1]:8420",
                              "%s does not understand \"%s\"", name, text);
                break;
        case TK_SETTING_LEVEL:
                if (strcmp(text, "info") != 0 && strcmp(text, "warn") != 0 && strcmp(text, "error") != 0)
                        wrong(maker, NULL, "%s takes info, warn or error, not \"%s\"", name, text);
                break;
        case TK_SETTING_TEXT:
                break;
        }
}

/* What belongs together. */
static void check_together(struct maker *maker)
{
        const struct tk_settings *settings = maker->settings;
        const char *cert = tk_settings_text(settings, TK_SETTING_tls_cert);
        const char *key = tk_settings_text(settings, TK_SETTING_tls_key);
        enum tk_setting given = cert ? TK_SETTING_tls_cert : TK_SETTING_tls_key;
        char name[TEXT_MAX / 2], address[64];
        uint16_t port;
        if (!cert != !key)
                wrong(maker, "give both, or none", "%s comes without its %s", label(settings, given, name),
                      cert ? "tls-key" : "tls-cert");
        if (!maker->good ||
            !tk_cli_listen_parse(settings->values[TK_SETTING_listen].text, address, sizeof(address), &port))
                return;
        if (tk_cli_host_is_loopback(address) || cert || tk_settings_yes(settings, TK_SETTING_behind_proxy))
                return;
        wrong(maker,
              "give it --tls-cert and --tls-key; or put a proxy that does TLS in front, and say so with "
              "--behind-proxy",
              "%s: %s is not on this machine alone: keys would cross the network in plain text",
              label(settings, TK_SETTING_listen, name), address);
}

/* ---- the four sources ---- */

static void set(struct maker *maker, enum tk_setting setting, enum tk_setting_origin origin, const char *from,
                struct tk_str text)
{
        struct tk_settings *settings = maker->settings;
        const char *kept = tk_arena_copy(&settings->arena, text).ptr;
        const char *kept_from = tk_arena_copy(&settings->arena, tk_str_from(from)).ptr;
        if (!kept || !kept_from) {
                wrong(maker, NULL, "out of memory");
                return;
        }
        settings->values[setting].text = kept;
        settings->values[setting].from = kept_from;
        settings->values[setting].origin = origin;
}

static void take_defaults(struct maker *maker)
{
        for (size_t i = 0; i < TK_SETTING_COUNT; i++)
                set(maker, (enum tk_setting)i, TK_SETTING_BY_DEFAULT, "default",
                    tk_str_from(tk_settings_table[i].otherwise));
}

static bool take_line(void *context, unsigned line, enum tk_setting setting, struct tk_str value)
{
        struct maker *maker = context;
        char from[TEXT_MAX];
        snprintf(from, sizeof(from), "%s:%u", maker->settings->file, line);
        set(maker, setting, TK_SETTING_BY_FILE, from, value);
        return true;
}

static void take_file(struct maker *maker, const char *path)
{
        struct tk_settings *settings = maker->settings;
        settings->file = tk_arena_copy(&settings->arena, tk_str_from(path)).ptr;
        if (settings->file &&
            tk_settings_file_read(settings->file, &settings->arena, take_line, maker, maker->say))
                return;
        maker->good = false;
}

static void take_variable(struct maker *maker, enum tk_setting setting)
{
        char name[TK_SETTING_VARIABLE_MAX];
        tk_setting_variable(setting, name);
        const char *value = getenv(name);
        if (value && value[0] != '\0')
                set(maker, setting, TK_SETTING_BY_VARIABLE, name, tk_str_from(value));
}

/* A list that is given more than once is one list. */
static void take_flags(struct maker *maker, const struct tk_cli_run *run, enum tk_setting setting)
{
        char flag[TK_SETTING_VARIABLE_MAX];
        struct tk_str all = TK_STR_NONE;
        snprintf(flag, sizeof(flag), "--%s", tk_settings_table[setting].name);
        for (size_t i = 0; i < run->setting_count; i++) {
                if (run->settings[i].setting != setting)
                        continue;
                const char *value = run->settings[i].value;
                all = all.ptr ? tk_arena_printf(&maker->settings->arena, "%s,%s", all.ptr, value)
                              : tk_arena_copy(&maker->settings->arena, tk_str_from(value));
                if (!all.ptr)
                        return wrong(maker, NULL, "out of memory");
        }
        if (all.ptr)
                set(maker, setting, TK_SETTING_BY_FLAG, flag, all);
}

/* The file is named by a flag or a variable, or stands where everybody looks. */
static void find_file(struct maker *maker, const struct tk_cli_run *run)
{
        take_variable(maker, TK_SETTING_config);
        take_flags(maker, run, TK_SETTING_config);
        bool given = maker->settings->values[TK_SETTING_config].origin != TK_SETTING_BY_DEFAULT;
        const char *path = given ? maker->settings->values[TK_SETTING_config].text : TK_CONFIG_FILE;
        if (strcmp(path, "none") == 0 || (!given && access(path, F_OK) != 0))
                path = NULL;
        if (path)
                take_file(maker, path);
        if (!given)
                set(maker, TK_SETTING_config, TK_SETTING_BY_DEFAULT, "default",
                    tk_str_from(path ? path : "none"));
}

/* ---- defaults that depend on others ---- */

static void work_out(struct maker *maker, enum tk_setting setting, const char *text)
{
        if (maker->settings->values[setting].origin == TK_SETTING_BY_DEFAULT)
                set(maker, setting, TK_SETTING_BY_DEFAULT, "default", tk_str_from(text));
}

/*
 * Who asks from this machine is believed by default, unless a proxy stands in front: everybody's requests then come from
 * the proxy's address, which may be loopback.
 */
static void work_out_defaults(struct maker *maker)
{
        struct tk_settings *settings = maker->settings;
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        uint64_t max = tk_settings_table[TK_SETTING_verify_threads].max;
        char threads[24];
        snprintf(threads, sizeof(threads), "%llu",
                 cpus < 1 ? 1ull : (unsigned long long)((uint64_t)cpus > max ? max : (uint64_t)cpus));
        const char *socket = tk_arena_printf(&settings->arena, "%s/tollkeeper.sock",
                                             settings->values[TK_SETTING_data].text)
                                     .ptr;
        work_out(maker, TK_SETTING_verify_threads, threads);
        work_out(maker, TK_SETTING_socket, socket ? socket : "");
        work_out(maker, TK_SETTING_verify_peers,
                 tk_settings_yes(settings, TK_SETTING_behind_proxy) ? "none" : "127.0.0.0/8,::1/128");
}

static bool finish(struct maker *maker)
{
        work_out_defaults(maker);
        for (size_t i = 0; i < TK_SETTING_COUNT; i++)
                if (maker->settings->values[i].origin != TK_SETTING_BY_DEFAULT)
                        check_value(maker, (enum tk_setting)i);
        check_together(maker);
        return maker->good;
}

static struct maker begin(struct tk_settings *settings, tk_settings_say *say)
{
        struct maker maker = {.settings = settings, .say = say, .good = true};
        *settings = (struct tk_settings){.file = NULL};
        tk_arena_init(&settings->arena, 0);
        take_defaults(&maker);
        return maker;
}

bool tk_settings_read(const struct tk_cli_run *run, tk_settings_say *say, struct tk_settings *ret_settings)
{
        struct maker maker = begin(ret_settings, say);
        if (maker.good)
                find_file(&maker, run);
        for (size_t i = 0; maker.good && i < TK_SETTING_COUNT; i++) {
                if (i == TK_SETTING_config)
                        continue;
                take_variable(&maker, (enum tk_setting)i);
                take_flags(&maker, run, (enum tk_setting)i);
        }
        return maker.good && finish(&maker);
}

bool tk_settings_read_file(const char *file, tk_settings_say *say, struct tk_settings *ret_settings)
{
        struct maker maker = begin(ret_settings, say);
        if (maker.good)
                take_file(&maker, file);
        bool read = maker.good;
        maker.good = true; /* what is wrong with values is told as well */
        return finish(&maker) && read;
}

void tk_settings_fini(struct tk_settings *settings)
{
        tk_arena_fini(&settings->arena);
}

/* ---- reading what was made ---- */

const char *tk_settings_text(const struct tk_settings *settings, enum tk_setting setting)
{
        const char *text = settings->values[setting].text;
        bool worked_out = settings->values[setting].origin == TK_SETTING_BY_DEFAULT && text[0] == '[';
        return text[0] == '\0' || worked_out ? NULL : text;
}

uint64_t tk_settings_number(const struct tk_settings *settings, enum tk_setting setting)
{
        uint64_t number = 0;
        tk_str_to_u64(tk_str_from(settings->values[setting].text), &number);
        return number;
}

bool tk_settings_yes(const struct tk_settings *settings, enum tk_setting setting)
{
        return strcmp(settings->values[setting].text, "yes") == 0;
}

uint32_t tk_settings_cidrs(const struct tk_settings *settings, enum tk_setting setting,
                           struct tk_cidr ret_cidrs[TK_SETTING_CIDRS_MAX])
{
        struct tk_str rest = tk_str_from(settings->values[setting].text), item;
        uint32_t count = 0;
        bool more = strcmp(settings->values[setting].text, "none") != 0;
        while (more && count < TK_SETTING_CIDRS_MAX) {
                more = tk_str_cut(rest, ',', &item, &rest);
                if (tk_cidr_parse(tk_str_trim(item), &ret_cidrs[count]))
                        count++;
        }
        return count;
}

/* ---- for the programs beside the daemon ---- */

struct hint {
        struct tk_arena *arena;
        enum tk_setting wanted;
        const char *found;
};

static bool take_hint(void *context, unsigned line, enum tk_setting setting, struct tk_str value)
{
        struct hint *hint = context;
        (void)line;
        if (setting == hint->wanted)
                hint->found = tk_arena_copy(hint->arena, value).ptr;
        return true;
}

const char *tk_settings_hint(struct tk_arena *arena, enum tk_setting setting)
{
        struct hint hint = {.arena = arena, .wanted = setting};
        (void)tk_settings_file_read(TK_CONFIG_FILE, arena, take_hint, &hint, NULL);
        return hint.found;
}
