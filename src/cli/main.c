/*
 * The program `tollkeeper`: finds the command, has its words parsed, runs it. Everything else is in the tables.
 */
#include "cli/args.h"
#include "cli/harden.h"
#include "cli/help.h"
#include "cli/report.h"
#include "cli/suggest.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static bool is_one_of(const char *word, const char *a, const char *b)
{
        return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int no_such_command(const char *word)
{
        struct tk_cli_suggestion near;
        tk_cli_suggest_init(&near, word);
        for (size_t i = 0; tk_cli_nouns[i]; i++)
                tk_cli_suggest_offer(&near, tk_cli_nouns[i]->name);
        char mend[128] = "`tollkeeper help` lists the commands";
        if (near.best)
                snprintf(mend, sizeof(mend), "did you mean `tollkeeper %s`?", near.best);
        else if (word[0] == '-')
                snprintf(mend, sizeof(mend), "flags come after the command: tollkeeper key list --json");
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "there is no command \"%s\"", word);
}

static int no_such_verb(const struct tk_cli_noun *noun, const char *word)
{
        struct tk_cli_suggestion near;
        tk_cli_suggest_init(&near, word);
        for (size_t i = 0; i < noun->count; i++) {
                tk_cli_suggest_offer(&near, noun->commands[i].verb);
                tk_cli_suggest_offer(&near, noun->commands[i].alias);
        }
        char mend[128];
        if (near.best)
                snprintf(mend, sizeof(mend), "did you mean `tollkeeper %s %s`?", noun->name, near.best);
        else
                snprintf(mend, sizeof(mend), "`tollkeeper %s --help` lists what there is", noun->name);
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, mend, "`%s` has no verb \"%s\"", noun->name, word);
}

/* The words after the command's name. */
static int run_command(struct tk_cli_run *run, int word_count, char *const *words)
{
        bool help = false;
        int exit = tk_cli_args_parse(run, word_count, words, &help);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        if (help)
                return tk_cli_help_command(stdout, run->noun, run->command);
        exit = run->command->run(run);
        if (fflush(stdout) != 0 && exit == TK_CLI_EXIT_ok)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "cannot write to standard output");
        return exit;
}

/* The words after the noun. */
static int run_noun(struct tk_cli_run *run, int word_count, char *const *words)
{
        const struct tk_cli_noun *noun = run->noun;
        run->command = &noun->commands[0];
        if (!run->command->verb)
                return run_command(run, word_count, words);
        if (word_count == 0) {
                tk_cli_help_noun(stderr, noun);
                return TK_CLI_EXIT_usage;
        }
        if (is_one_of(words[0], "--help", "-h"))
                return tk_cli_help_noun(stdout, noun);
        run->command = tk_cli_verb_find(noun, words[0]);
        if (!run->command)
                return no_such_verb(noun, words[0]);
        return run_command(run, word_count - 1, words + 1);
}

/* `tollkeeper help key issue` is `tollkeeper key issue --help`; other topics are help's own. */
static int help_on_command(int word_count, char *const *words, bool *ret_done)
{
        const struct tk_cli_noun *noun = word_count > 0 ? tk_cli_noun_find(words[0]) : NULL;
        *ret_done = noun != NULL;
        if (!noun || word_count == 1)
                return noun ? tk_cli_help_noun(stdout, noun) : TK_CLI_EXIT_ok;
        const struct tk_cli_command *command = tk_cli_verb_find(noun, words[1]);
        if (!command)
                return no_such_verb(noun, words[1]);
        return tk_cli_help_command(stdout, noun, command);
}

static int run_words(struct tk_arena *arena, int count, char *const *words)
{
        if (count < 2) {
                tk_cli_help_overview(stderr);
                return TK_CLI_EXIT_usage;
        }
        const char *name = words[1];
        if (is_one_of(name, "--help", "-h"))
                name = "help";
        if (is_one_of(name, "--version", "-V"))
                name = "version";
        struct tk_cli_run run = {.program = words[0], .noun = tk_cli_noun_find(name), .arena = arena};
        if (!run.noun)
                return no_such_command(name);
        bool done = false;
        int exit = strcmp(name, "help") == 0 ? help_on_command(count - 2, words + 2, &done) : TK_CLI_EXIT_ok;
        return done ? exit : run_noun(&run, count - 2, words + 2);
}

int main(int argc, char **argv)
{
        /* Widths of characters, and nothing else: numbers and messages are the same everywhere. */
        setlocale(LC_CTYPE, "C.UTF-8");
        tk_cli_harden();
        struct tk_arena arena;
        tk_arena_init(&arena, 0);
        int exit = run_words(&arena, argc, argv);
        tk_arena_fini(&arena);
        return exit;
}
