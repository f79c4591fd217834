/*
 * `tollkeeper config`: what the daemon would be told by file, environment and flags, and whether a file is good. Asks no
 * daemon. Main thread only.
 */
#include "cli/args.h"
#include "cli/nouns.h"
#include "cli/report.h"
#include "cli/request.h"
#include "cli/settings.h"
#include "cli/table.h"

#include <stdio.h>

static void say(const char *detail, const char *mend)
{
        tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "%s", detail);
}

/* What is worked out by the daemon is shown without its brackets. */
static json_t *setting_row(const struct tk_settings *settings, enum tk_setting setting)
{
        const struct tk_setting_info *info = &tk_settings_table[setting];
        struct tk_str text = tk_str_from(settings->values[setting].text);
        if (text.len > 0 && text.ptr[0] == '[' && settings->values[setting].origin == TK_SETTING_BY_DEFAULT)
                text = (struct tk_str){text.ptr + 1, text.len - 2};
        return json_pack("{s:s, s:s%, s:s, s:b}", "name", info->name, "value", text.ptr, text.len, "from",
                         settings->values[setting].from, "reloaded", info->change == TK_SETTING_RELOADED);
}

static int show(const struct tk_cli_run *run, const struct tk_settings *settings)
{
        static const struct tk_cli_column columns[] = {
                {"SETTING", "name", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
                {"VALUE", "value", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
                {"FROM", "from", TK_CLI_AS_TEXT, TK_CLI_IN_TABLE},
        };
        static const struct tk_cli_view view = {TK_CLI_COLUMNS(columns)};
        json_t *rows = json_array();
        for (size_t i = 0; rows && i < TK_SETTING_COUNT; i++)
                json_array_append_new(rows, setting_row(settings, (enum tk_setting)i));
        json_t *reply = rows ? json_pack("{s:O}", "settings", rows) : NULL;
        int exit = TK_CLI_EXIT_ok;
        if (!reply)
                exit = tk_cli_out_of_memory();
        else if (tk_cli_args_has(run, TK_CLI_OPTION_json))
                exit = tk_cli_print_json(reply);
        else if (!tk_cli_table_print(run->arena, &view, rows))
                exit = tk_cli_out_of_memory();
        json_decref(reply);
        json_decref(rows);
        return exit;
}

static int run_show(const struct tk_cli_run *run)
{
        struct tk_settings settings;
        bool good = tk_settings_read(run, say, &settings);
        int exit = good ? show(run, &settings) : TK_CLI_EXIT_usage;
        tk_settings_fini(&settings);
        return exit;
}

static int run_check(const struct tk_cli_run *run)
{
        struct tk_settings settings;
        bool good = tk_settings_read_file(run->argument, say, &settings);
        unsigned set = 0;
        for (size_t i = 0; i < TK_SETTING_COUNT; i++)
                set += settings.values[i].origin == TK_SETTING_BY_FILE;
        if (good)
                printf("%s is good: it sets %u of %u settings\n", run->argument, set,
                       (unsigned)TK_SETTING_COUNT);
        tk_settings_fini(&settings);
        return good ? TK_CLI_EXIT_ok : TK_CLI_EXIT_usage;
}

static const struct tk_cli_command commands[] = {
        {
                .verb = "show",
                .summary = "show each setting of the daemon, and where its value comes from",
                .notes = "Reads the same file and variables as `tollkeeper serve`, and takes the same flags. "
                         "A daemon "
                         "that runs may\nhave been started with others.",
                .example = "tollkeeper config show\n"
                           "tollkeeper config show --config none --idle-timeout 20 --json",
                .options = TK_CLI_HAS(json),
                .settings = true,
                .run = run_show,
        },
        {
                .verb = "check",
                .argument = "FILE",
                .summary = "tell whether a configuration file is good, or every line that is not",
                .example = "echo 'idle-timeout = 20' > tollkeeper.conf && tollkeeper config check "
                           "tollkeeper.conf",
                .run = run_check,
        },
};

const struct tk_cli_noun tk_cli_noun_config = {
        .name = "config",
        .summary = "the daemon's settings: what they are, and whether a file is good",
        TK_CLI_COMMANDS(commands),
};
