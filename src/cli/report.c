/*
 * Prints failures. Called by all of src/cli, from the main thread; serve prints only what stops it before it serves.
 */
#include "cli/report.h"

#include "core/key.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DETAIL_MAX 8192 /* a path and what is said of it; further text is cut */
#define LINE_MAX   512

static const char leaked[] =
        "give a key on standard input or with --key-file; this one is in the shell's history now, and "
        "others could see it: revoke it unless it is a test's";

static void print_line(const char *label, const char *text)
{
        char shown[LINE_MAX];
        snprintf(shown, sizeof(shown), "%s", text ? text : "");
        tk_key_hide(shown);
        if (shown[0] != '\0')
                fprintf(stderr, "  %s: %s\n", label, shown);
}

int tk_cli_fail(enum tk_cli_exit exit, const char *field, const char *mend, const char *format, ...)
{
        char detail[DETAIL_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(detail, sizeof(detail), format, args);
        va_end(args);
        bool key = tk_key_hide(detail);
        fprintf(stderr, "tollkeeper: %s\n", detail);
        print_line("field", field);
        print_line("mend", key && exit == TK_CLI_EXIT_usage ? leaked : mend);
        return (int)exit;
}

int tk_cli_out_of_memory(void)
{
        return tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "out of memory");
}

static const char *member(const json_t *problem, const char *name)
{
        const char *text = json_string_value(json_object_get(problem, name));
        return text ? text : "";
}

/* Whether a JSON pointer is at or below a member whose dots lead into objects. */
static bool pointer_within(const char *pointer, const char *member_path)
{
        if (pointer[0] != '/')
                return false;
        pointer++;
        for (; *member_path; member_path++, pointer++)
                if (*pointer != *member_path && !(*member_path == '.' && *pointer == '/'))
                        return false;
        return *pointer == '\0' || *pointer == '/';
}

/* Headers of a request that a flag becomes. */
static const struct {
        const char *header;
        enum tk_cli_option option;
} header_flags[] = {
        {"If-Match", TK_CLI_OPTION_if_version},
        {"Idempotency-Key", TK_CLI_OPTION_idempotency_key},
};

static bool is_from(const char *field, enum tk_cli_option option)
{
        const char *member_path = tk_cli_options[option].member;
        if (member_path && (pointer_within(field, member_path) || strcmp(field, member_path) == 0))
                return true;
        for (size_t i = 0; i < sizeof(header_flags) / sizeof(header_flags[0]); i++)
                if (header_flags[i].option == option && strcmp(header_flags[i].header, field) == 0)
                        return true;
        return false;
}

/* The flag that the field came from, or NULL. */
static const char *flag_of(const struct tk_cli_run *run, const char *field)
{
        for (size_t i = 0; i < run->given_count; i++)
                if (is_from(field, run->given[i].option))
                        return tk_cli_options[run->given[i].option].flag;
        return NULL;
}

static enum tk_cli_exit exit_for(long http_status, const char *type)
{
        if (strcmp(type, "urn:tollkeeper:problem:uncertain") == 0)
                return TK_CLI_EXIT_uncertain;
        if (http_status == 401 || http_status == 403)
                return TK_CLI_EXIT_denied;
        if (http_status >= 400 && http_status < 500 && http_status != 429)
                return TK_CLI_EXIT_rejected;
        return TK_CLI_EXIT_failed;
}

int tk_cli_fail_problem(const struct tk_cli_run *run, long http_status, const json_t *problem)
{
        const char *detail = member(problem, "detail");
        if (detail[0] == '\0')
                detail = member(problem, "title");
        if (detail[0] == '\0')
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, "is it a Tollkeeper that answers there?",
                                   "the reply has status %ld and says nothing more", http_status);

        char field[256];
        const char *pointer = member(problem, "field");
        const char *flag = flag_of(run, pointer);
        snprintf(field, sizeof(field), flag ? "%s (--%s)" : "%s", pointer, flag);
        return tk_cli_fail(exit_for(http_status, member(problem, "type")), field, member(problem, "mend"),
                           "%s", detail);
}
