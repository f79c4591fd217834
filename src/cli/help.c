/*
 * Prints help: the overview, one noun, one command, the exit codes. Every word comes from the tables. Main thread only.
 */
#include "cli/help.h"

#include "cli/nouns.h"
#include "cli/report.h"

#include <string.h>

#define FLAG_WIDTH 32

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
        fprintf(out, "%s\n", command->options ? " [flags]" : "");
        if (command->notes) {
                fputc('\n', out);
                fprintf(out, "%s\n", command->notes);
        }
        print_flags(out, command, "flags", ~TK_CLI_CONNECTION);
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
                "\nMore: tollkeeper COMMAND --help, tollkeeper help variables, tollkeeper help exit-codes\n");
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
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, "try `tollkeeper help`", "there is no help on \"%s\"",
                           run->argument);
}

static const struct tk_cli_command command[] = {{
        .argument = "[TOPIC]",
        .summary = "explain a command, the variables or the exit codes",
        .example = "tollkeeper help key\ntollkeeper help key issue\ntollkeeper help exit-codes\ntollkeeper "
                   "help variables",
        .run = run_help,
}};

const struct tk_cli_noun tk_cli_noun_help = {
        .name = "help",
        .summary = "explain a command, the variables or the exit codes",
        TK_CLI_COMMANDS(command),
};
