/*
 * Parses the words after a command's name. Flags and the argument may stand in any order; `--` ends the flags. Called by
 * main.c, once. Never changes or keeps the words; values point into them.
 */
#include "cli/args.h"

#include "cli/report.h"
#include "cli/suggest.h"
#include "core/key.h"

#include <stdio.h>
#include <string.h>

/* Whether the command takes the option at that place in the table. */
static bool takes(const struct tk_cli_command *command, size_t option)
{
        return command->options >> option & 1;
}

const struct tk_cli_noun *tk_cli_noun_find(const char *name)
{
        for (size_t i = 0; tk_cli_nouns[i]; i++) {
                const struct tk_cli_noun *noun = tk_cli_nouns[i];
                if (strcmp(noun->name, name) == 0 || (noun->alias && strcmp(noun->alias, name) == 0))
                        return noun;
        }
        return NULL;
}

const struct tk_cli_command *tk_cli_verb_find(const struct tk_cli_noun *noun, const char *verb)
{
        for (size_t i = 0; i < noun->count; i++) {
                const struct tk_cli_command *command = &noun->commands[i];
                bool same = command->verb && strcmp(command->verb, verb) == 0;
                if (same || (command->alias && strcmp(command->alias, verb) == 0))
                        return command;
        }
        return NULL;
}

/* ---- parsing ---- */

static int unknown_flag(const struct tk_cli_command *command, const char *name, size_t name_len)
{
        char wanted[64];
        size_t kept = name_len < sizeof(wanted) ? name_len : sizeof(wanted) - 1;
        memcpy(wanted, name, kept);
        wanted[kept] = '\0';

        struct tk_cli_suggestion near;
        tk_cli_suggest_init(&near, wanted);
        tk_cli_suggest_offer(&near, "help");
        for (size_t i = 0; i < TK_CLI_OPTION_COUNT; i++)
                if (takes(command, i))
                        tk_cli_suggest_offer(&near, tk_cli_options[i].flag);
        for (size_t i = 0; command->settings && i < TK_SETTING_COUNT; i++)
                tk_cli_suggest_offer(&near, tk_settings_table[i].name);
        char mend[128] = "--help shows what this command takes";
        if (near.best)
                snprintf(mend, sizeof(mend), "did you mean --%s?", near.best);
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "this command has no flag --%s", wanted);
}

static bool find_flag(const struct tk_cli_command *command, const char *name, size_t name_len,
                      enum tk_cli_option *ret_option)
{
        for (size_t i = 0; i < TK_CLI_OPTION_COUNT; i++) {
                const char *flag = tk_cli_options[i].flag;
                if (takes(command, i) && strlen(flag) == name_len && memcmp(flag, name, name_len) == 0) {
                        *ret_option = (enum tk_cli_option)i;
                        return true;
                }
        }
        return false;
}

/* ---- flags that are settings ---- */

static bool find_setting(const struct tk_cli_command *command, const char *name, size_t name_len,
                         enum tk_setting *ret_setting)
{
        return command->settings && tk_setting_find((struct tk_str){name, name_len}, ret_setting);
}

static bool has_setting(const struct tk_cli_run *run, enum tk_setting setting)
{
        for (size_t i = 0; i < run->setting_count; i++)
                if (run->settings[i].setting == setting)
                        return true;
        return false;
}

/* As take_flag(). */
static int take_setting(struct tk_cli_run *run, enum tk_setting setting, const char *equals, int word_count,
                        char *const *words, int *inout_at)
{
        const struct tk_setting_info *info = &tk_settings_table[setting];
        const char *value = equals ? equals + 1 : info->kind == TK_SETTING_YES_NO ? "yes" : NULL;
        if (info->kind != TK_SETTING_CIDRS && has_setting(run, setting))
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "--%s is given twice", info->name);
        if (!value) {
                if (*inout_at + 1 >= word_count)
                        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "--%s needs a value: --%s %s",
                                           info->name, info->name, info->value);
                value = words[++*inout_at];
        }
        run->settings[run->setting_count++] = (struct tk_setting_given){.setting = setting, .value = value};
        return TK_CLI_EXIT_ok;
}

/* Take one flag: words[*inout_at] and, where its value is a word of its own, the next. */
static int take_flag(struct tk_cli_run *run, struct tk_cli_given *given, int word_count, char *const *words,
                     int *inout_at)
{
        const char *name = words[*inout_at] + 2;
        const char *equals = strchr(name, '=');
        size_t name_len = equals ? (size_t)(equals - name) : strlen(name);
        enum tk_cli_option option;
        enum tk_setting setting;
        if (find_setting(run->command, name, name_len, &setting))
                return take_setting(run, setting, equals, word_count, words, inout_at);
        if (!find_flag(run->command, name, name_len, &option))
                return unknown_flag(run->command, name, name_len);

        const struct tk_cli_option_info *info = &tk_cli_options[option];
        if (!tk_cli_repeatable(info->kind) && tk_cli_args_has(run, option))
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "--%s is given twice", info->flag);
        if (info->kind == TK_CLI_FLAG && equals)
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "--%s takes no value", info->flag);
        const char *value = equals ? equals + 1 : NULL;
        if (info->kind != TK_CLI_FLAG && !value) {
                if (*inout_at + 1 >= word_count)
                        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "--%s needs a value: --%s %s",
                                           info->flag, info->flag, info->value);
                value = words[++*inout_at];
        }
        given[run->given_count++] = (struct tk_cli_given){.option = option, .value = value};
        return TK_CLI_EXIT_ok;
}

static int no_argument(const struct tk_cli_run *run, const char *word)
{
        char mend[128] = "--help shows what this command takes";
        if (takes(run->command, TK_CLI_OPTION_api) && !tk_cli_args_has(run, TK_CLI_OPTION_api))
                snprintf(mend, sizeof(mend), "did you mean --api %s?", word);
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "this command takes no argument; what is \"%s\"?",
                           word);
}

/* `3` where `key_3` is meant. Consumers are also known by name, and a name may be a number. */
static int check_id(const char *wanted, const char *word)
{
        static const char *const prefixes[][2] = {{"KEY_ID", "key_"}, {"SUBSCRIPTION", "sub_"}};
        uint64_t number;
        for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
                if (strcmp(wanted, prefixes[i][0]) != 0 || !tk_str_to_u64(tk_str_from(word), &number))
                        continue;
                char mend[64];
                snprintf(mend, sizeof(mend), "did you mean %s%llu?", prefixes[i][1],
                         (unsigned long long)number);
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "\"%s\" is not an id", word);
        }
        return TK_CLI_EXIT_ok;
}

static int take_argument(struct tk_cli_run *run, const char *word)
{
        const char *wanted = run->command->argument;
        struct tk_key_parts parts;
        if (!wanted)
                return no_argument(run, word);
        if (run->argument)
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, "ask for one at a time",
                                   "one %s is enough; what is \"%s\"?", wanted, word);
        if (tk_key_parse(tk_str_from(word), &parts)) /* which need not go into a request as well */
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "%s is wanted; \"%s\" is a key itself",
                                   wanted, word);
        run->argument = word;
        return check_id(wanted, word);
}

static int incomplete(const struct tk_cli_run *run, const char *what, const char *value)
{
        const char *verb = run->command->verb ? run->command->verb : "";
        const char *gap = run->command->verb ? " " : "";
        char mend[128];
        snprintf(mend, sizeof(mend), "`tollkeeper %s%s%s --help` shows how", run->noun->name, gap, verb);
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "`%s%s%s` needs %s%s%s", run->noun->name, gap, verb,
                           what, value[0] ? " " : "", value);
}

/* What the command cannot do without; an argument in brackets may be left out. */
static int check_complete(const struct tk_cli_run *run)
{
        const struct tk_cli_command *command = run->command;
        bool argument = command->argument && command->argument[0] != '[';
        if (argument && (!run->argument || run->argument[0] == '\0'))
                return incomplete(run, command->argument, "");
        for (size_t i = 0; i < TK_CLI_OPTION_COUNT; i++) {
                if (!(command->required >> i & 1) || tk_cli_args_has(run, (enum tk_cli_option)i))
                        continue;
                char flag[64];
                snprintf(flag, sizeof(flag), "--%s", tk_cli_options[i].flag);
                return incomplete(run, flag, tk_cli_options[i].value);
        }
        return TK_CLI_EXIT_ok;
}

/* The flags of a change that need not be there, each for itself: without any there is nothing to change. */
static tk_cli_flags change_flags(const struct tk_cli_command *command)
{
        tk_cli_flags flags = 0;
        for (size_t i = 0; i < TK_CLI_OPTION_COUNT; i++)
                if (tk_cli_options[i].member)
                        flags |= TK_CLI_BIT(i);
        return flags & command->options & ~command->required;
}

static int nothing_to_change(const struct tk_cli_run *run, tk_cli_flags flags)
{
        char mend[256] = "give at least one of";
        size_t used = strlen(mend);
        for (size_t i = 0; i < TK_CLI_OPTION_COUNT && used < sizeof(mend); i++)
                if (flags >> i & 1)
                        used += (size_t)snprintf(mend + used, sizeof(mend) - used, " --%s",
                                                 tk_cli_options[i].flag);
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "`%s %s` needs something to change",
                           run->noun->name, run->command->verb);
}

static int check_change(const struct tk_cli_run *run)
{
        tk_cli_flags flags = change_flags(run->command);
        if (!run->command->method || strcmp(run->command->method, "PATCH") != 0 || flags == 0)
                return TK_CLI_EXIT_ok;
        for (size_t i = 0; i < run->given_count; i++)
                if (flags >> run->given[i].option & 1)
                        return TK_CLI_EXIT_ok;
        return nothing_to_change(run, flags);
}

int tk_cli_args_parse(struct tk_cli_run *run, int word_count, char *const *words, bool *ret_help)
{
        struct tk_cli_given *given = tk_arena_alloc(run->arena, sizeof(*given) * ((size_t)word_count + 1));
        run->settings = tk_arena_alloc(run->arena, sizeof(*run->settings) * ((size_t)word_count + 1));
        if (!given || !run->settings)
                return tk_cli_out_of_memory();
        run->given = given;
        bool flags = true;
        for (int i = 0; i < word_count; i++) {
                const char *word = words[i];
                int exit = TK_CLI_EXIT_ok;
                if (flags && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
                        *ret_help = true;
                        return TK_CLI_EXIT_ok;
                }
                if (flags && strcmp(word, "--") == 0)
                        flags = false;
                else if (flags && strncmp(word, "--", 2) == 0)
                        exit = take_flag(run, given, word_count, words, &i);
                else if (flags && word[0] == '-' && word[1] != '\0')
                        exit = tk_cli_fail(TK_CLI_EXIT_usage, NULL, "flags have two dashes and a full name",
                                           "there is no flag %s", word);
                else
                        exit = take_argument(run, word);
                if (exit != TK_CLI_EXIT_ok)
                        return exit;
        }
        *ret_help = false;
        int exit = check_complete(run);
        return exit == TK_CLI_EXIT_ok ? check_change(run) : exit;
}

/* ---- reading what was given ---- */

static const struct tk_cli_given *first_given(const struct tk_cli_run *run, enum tk_cli_option option)
{
        for (size_t i = 0; i < run->given_count; i++)
                if (run->given[i].option == option)
                        return &run->given[i];
        return NULL;
}

bool tk_cli_args_has(const struct tk_cli_run *run, enum tk_cli_option option)
{
        return first_given(run, option) != NULL;
}

const char *tk_cli_args_text(const struct tk_cli_run *run, enum tk_cli_option option, const char *otherwise)
{
        const struct tk_cli_given *given = first_given(run, option);
        return given ? given->value : otherwise;
}

int tk_cli_args_number(const struct tk_cli_run *run, enum tk_cli_option option, uint64_t min, uint64_t max,
                       uint64_t otherwise, uint64_t *ret_value)
{
        const char *text = tk_cli_args_text(run, option, NULL);
        uint64_t value = otherwise;
        if (text && (!tk_str_to_u64(tk_str_from(text), &value) || value < min || value > max))
                return tk_cli_fail(
                        TK_CLI_EXIT_usage, NULL, NULL, "--%s takes a number from %llu to %llu, not \"%s\"",
                        tk_cli_options[option].flag, (unsigned long long)min, (unsigned long long)max, text);
        *ret_value = value;
        return TK_CLI_EXIT_ok;
}

/* At most this many items: commas are an upper bound. */
static size_t count_items(const struct tk_cli_run *run, enum tk_cli_option option)
{
        size_t count = 0;
        for (size_t i = 0; i < run->given_count; i++) {
                if (run->given[i].option != option)
                        continue;
                count++;
                for (const char *c = run->given[i].value; *c; c++)
                        count += *c == ',';
        }
        return count;
}

int tk_cli_args_list(const struct tk_cli_run *run, enum tk_cli_option option, const struct tk_str **ret_items,
                     size_t *ret_count)
{
        const char *flag = tk_cli_options[option].flag;
        struct tk_str *items = tk_arena_alloc(run->arena, sizeof(*items) * (count_items(run, option) + 1));
        if (!items)
                return tk_cli_out_of_memory();
        size_t count = 0;
        for (size_t i = 0; i < run->given_count; i++) {
                if (run->given[i].option != option)
                        continue;
                struct tk_str rest = tk_str_from(run->given[i].value);
                for (bool more = true; more;) {
                        struct tk_str item;
                        more = tk_str_cut(rest, ',', &item, &rest);
                        items[count] = tk_str_trim(item);
                        if (items[count++].len == 0)
                                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, "to clear the list say `none`",
                                                   "--%s has an empty item", flag);
                }
        }
        if (count == 1 && tk_str_equal(items[0], TK_STR("none")))
                count = 0;
        *ret_items = items;
        *ret_count = count;
        return TK_CLI_EXIT_ok;
}
