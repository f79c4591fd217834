/*
 * Prints help: the overview, one noun, one command, the exit codes. Every word comes from the tables. Main thread only.
 */
#include "cli/help.h"

#include "cli/nouns.h"
#include "cli/report.h"

#include <string.h>

#define FLAG_WIDTH 32
#define LINE_WIDTH 105

/* ---- pieces ---- */

/* The words that name a command: "key issue" or "verify". */
static void print_words(FILE *out, const struct tk_cli_noun *noun, const struct tk_cli_command *command)
{
        fprintf(out, "%s%s%s", noun->name, command->verb ? " " : "", command->verb ? command->verb : "");
}

static void print_indented(FILE *out, const char *text)
{
        for (const char *end; *text; text = *end ? end + 1 : end) {
                end = strchrnul(text, '\n');
                fprintf(out, "  %.*s\n", (int)(end - text), text);
        }
}

static void print_flag(FILE *out, const char *flag, const char *value, const char *help, bool required)
{
        int width = fprintf(out, "  --%s%s%s", flag, value ? " " : "", value ? value : "");
        if (width > FLAG_WIDTH - 2) { /* too long: its text goes on the next line */
                fputc('\n', out);
                width = 0;
        }
        fprintf(out, "%*s%s%s\n", FLAG_WIDTH - width, "", help, required ? " (required)" : "");
}

/* The flags of the command that are in `set`, in the order of the table. */
static void print_flags(FILE *out, const struct tk_cli_command *command, const char *title, tk_cli_flags set)
{
        if ((command->options & set) == 0)
                return;
        fprintf(out, "\n%s:\n", title);
        for (size_t i = 0; i < TK_CLI_OPTION_COUNT; i++) {
                const struct tk_cli_option_info *info = &tk_cli_options[i];
                if (command->options & set & TK_CLI_BIT(i))
                        print_flag(out, info->flag, info->value, info->help, command->required >> i & 1);
        }
}

/* What a setting is, and what it is where nobody says. */
static void print_setting(FILE *out, const struct tk_setting_info *info)
{
        char help[256];
        struct tk_str otherwise = tk_str_from(info->otherwise);
        if (otherwise.len > 0 && otherwise.ptr[0] == '[')
                otherwise = (struct tk_str){otherwise.ptr + 1, otherwise.len - 2};
        int width = snprintf(help, sizeof(help), "%s", info->help);
        bool broken = FLAG_WIDTH + width + (int)otherwise.len > LINE_WIDTH;
        if (otherwise.len > 0)
                snprintf(help + width, sizeof(help) - (size_t)width, ";%s%*sdefault %.*s",
                         broken ? "\n" : " ", broken ? FLAG_WIDTH : 0, "", TK_STR_ARG(otherwise));
        print_flag(out, info->name, info->value, help, false);
}

static void print_settings(FILE *out, const struct tk_cli_command *command)
{
        if (!command->settings)
                return;
        fprintf(out, "\nsettings, each also a variable and a line of the configuration file "
                     "(`tollkeeper help settings`):\n");
        for (size_t i = 0; i < TK_SETTING_COUNT; i++)
                print_setting(out, &tk_settings_table[i]);
}

static void print_exits(FILE *out)
{
#define X(name, number, meaning) fprintf(out, "  %2d  %s\n", number, meaning);
        TK_CLI_EXITS(X)
#undef X
}

/* ---- one command ---- */

static void print_required(FILE *out, const struct tk_cli_command *command)
{
        for (size_t i = 0; i < TK_CLI_OPTION_COUNT; i++)
                if (command->required >> i & 1)
                        fprintf(out, " --%s %s", tk_cli_options[i].flag, tk_cli_options[i].value);
}

int tk_cli_help_command(FILE *out, const struct tk_cli_noun *noun, const struct tk_cli_command *command)
{
        fprintf(out, "tollkeeper ");
        print_words(out, noun, command);
        fprintf(out, ": %s\n\nusage:\n  tollkeeper ", command->summary);
        print_words(out, noun, command);
        if (command->argument)
                fprintf(out, " %s", command->argument);
        print_required(out, command);
        fprintf(out, "%s\n", command->options || command->settings ? " [flags]" : "");
        if (command->notes) {
                fputc('\n', out);
                fprintf(out, "%s\n", command->notes);
        }
        print_flags(out, command, "flags", ~TK_CLI_CONNECTION);
        print_settings(out, command);
        print_flags(out, command, "where the daemon is, and how to print", TK_CLI_CONNECTION);
        fprintf(out, "\nexamples:\n");
        print_indented(out, command->example);
        return TK_CLI_EXIT_ok;
}

/* ---- one noun ---- */

int tk_cli_help_noun(FILE *out, const struct tk_cli_noun *noun)
{
        if (!noun->commands[0].verb)
                return tk_cli_help_command(out, noun, &noun->commands[0]);
        fprintf(out, "tollkeeper %s: %s\n\n", noun->name, noun->summary);
        for (size_t i = 0; i < noun->count; i++)
                fprintf(out, "  %-9s %s\n", noun->commands[i].verb, noun->commands[i].summary);
        fprintf(out, "\nMore: tollkeeper %s VERB --help\n", noun->name);
        return TK_CLI_EXIT_ok;
}

/* ---- all of it ---- */

int tk_cli_help_overview(FILE *out)
{
        fprintf(out, "Tollkeeper keeps the gate of an API: it issues keys, verifies them and holds them to "
                     "their limits.\n"
                     "\nusage: tollkeeper COMMAND [VERB] [flags]\n\n");
        for (size_t i = 0; tk_cli_nouns[i]; i++)
                fprintf(out, "  %-13s %s\n", tk_cli_nouns[i]->name, tk_cli_nouns[i]->summary);
        fprintf(out,
                "\nBegin:\n"
                "  tollkeeper serve\n"
                "  tollkeeper key issue --api weather --limit 100/min\n"
                "\nMore: tollkeeper COMMAND --help, tollkeeper help settings, variables or exit-codes\n");
        return TK_CLI_EXIT_ok;
}

/* ---- tollkeeper help [TOPIC] ---- */

static int help_exits(void)
{
        printf("The exit codes of tollkeeper:\n\n");
        print_exits(stdout);
        return TK_CLI_EXIT_ok;
}

static int help_variables(void)
{
        printf("The variables that tollkeeper reads:\n\n");
#define X(name, meaning) printf("  %-21s %s\n", #name, meaning);
        TK_CLI_VARIABLES(X)
#undef X
        printf("\nBeside these, each setting of the daemon is one: tollkeeper help settings\n");
        return TK_CLI_EXIT_ok;
}

/* docs/guide/settings.md is this text. */
static int help_settings(void)
{
        printf("The settings of the daemon. A line of the configuration file is `name = value`; a comment is "
               "a "
               "line that\nbegins with #. A variable is over the file, a flag of `tollkeeper serve` over "
               "both. "
               "What is marked with *\nis put in force by a reload (SIGHUP, `systemctl reload tollkeeper`), "
               "the "
               "rest by the next start.\n\n");
        for (size_t i = 0; i < TK_SETTING_COUNT; i++) {
                const struct tk_setting_info *info = &tk_settings_table[i];
                char variable[TK_SETTING_VARIABLE_MAX];
                tk_setting_variable((enum tk_setting)i, variable);
                printf("%s%s\n  %s\n  variable %s, flag --%s%s%s\n", info->name,
                       info->change == TK_SETTING_RELOADED ? " *" : "", info->help, variable, info->name,
                       info->value ? " " : "", info->value ? info->value : "");
                if (info->kind == TK_SETTING_NUMBER)
                        printf("  from %llu to %llu\n", (unsigned long long)info->min,
                               (unsigned long long)info->max);
                struct tk_str text = tk_str_from(info->otherwise);
                if (text.len > 0)
                        printf("  default %.*s\n", (int)(text.len - (text.ptr[0] == '[' ? 2 : 0)),
                               text.ptr + (text.ptr[0] == '['));
        }
        return TK_CLI_EXIT_ok;
}

static int run_help(const struct tk_cli_run *run)
{
        if (!run->argument)
                return tk_cli_help_overview(stdout);
        if (strcmp(run->argument, "exit-codes") == 0)
                return help_exits();
        if (strcmp(run->argument, "variables") == 0)
                return help_variables();
        if (strcmp(run->argument, "settings") == 0)
                return help_settings();
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, "try `tollkeeper help`", "there is no help on \"%s\"",
                           run->argument);
}

static const struct tk_cli_command command[] = {{
        .argument = "[TOPIC]",
        .summary = "explain a command, the settings, the variables or the exit codes",
        .example = "tollkeeper help key\ntollkeeper help key issue\ntollkeeper help exit-codes\ntollkeeper "
                   "help variables\ntollkeeper help settings",
        .run = run_help,
}};

const struct tk_cli_noun tk_cli_noun_help = {
        .name = "help",
        .summary = "explain a command, the settings, the variables or the exit codes",
        TK_CLI_COMMANDS(command),
};
