/*
 * Greets whoever starts the daemon for the first time. Main thread only. Two plaintext keys pass through here: each is
 * written to standard output past stdio, whose buffer would keep a copy, and wiped.
 */
#include "cli/welcome.h"

#include "cli/report.h"
#include "core/arena.h"
#include "service/admin.h"
#include "service/service.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RULE "────────────────────────────────────────────────────────────────────────\n"

static const struct tk_caller by_the_system = {
        .actor = TK_STR("system"),
        .source = TK_STR("local"),
        .scopes = TK_STR("*"),
        .root = true,
};

static int failed(const struct tk_fault *fault)
{
        return tk_cli_fail(TK_CLI_EXIT_failed, fault->field, fault->mend, "%s", fault->detail);
}

static void print_key(const struct tk_secret *key)
{
        struct tk_str text = tk_secret_view(key);
        fflush(stdout);
        while (text.len > 0) {
                ssize_t written = write(STDOUT_FILENO, text.ptr, text.len);
                if (written <= 0)
                        return;
                text = tk_str_skip(text, (size_t)written);
        }
}

/* ---- the first admin key ---- */

static void print_admin_key(const struct tk_cli_welcome *welcome, const struct tk_secret *key)
{
        printf(RULE "  The admin key. It is shown this once and stored nowhere: keep it now.\n\n  ");
        print_key(key);
        printf("\n\n  It is for HTTP: Authorization: Bearer KEY, or TOLLKEEPER_ADMIN_KEY for this program.\n"
               "  On this machine root needs none: the socket %s%s lets it in.\n" RULE,
               welcome->socket_path ? welcome->socket_path
               : welcome->data_dir  ? welcome->data_dir
                                    : "./data",
               welcome->socket_path ? "" : "/tollkeeper.sock");
        fflush(stdout);
}

int tk_cli_welcome_admin(const struct tk_cli_welcome *welcome, struct tk_service *service)
{
        static const struct tk_str everything[] = {TK_STR("*")};
        static const struct tk_input_key input = {
                .api = TK_STR(TK_ADMIN_API),
                .environment = TK_STR(TK_ADMIN_ENVIRONMENT),
                .consumer = TK_STR("admin"),
                .name = TK_STR("first admin key"),
                .scopes = {.set = true, .items = everything, .count = 1},
                .create_missing = true,
        };
        if (!tk_service_is_new(service))
                return TK_CLI_EXIT_ok;
        struct tk_arena arena;
        struct tk_key_issued issued = {0};
        struct tk_fault fault = {0};
        tk_arena_init(&arena, 0);
        enum tk_err err = tk_service_key_issue(service, &by_the_system, &input, &arena, &issued, &fault);
        if (err == TK_OK)
                print_admin_key(welcome, &issued.plaintext);
        tk_secret_wipe(&issued.plaintext);
        tk_arena_fini(&arena);
        return err == TK_OK ? TK_CLI_EXIT_ok : failed(&fault);
}

/* ---- the demo ---- */

/* As one word of a POSIX shell. */
static void print_quoted(const char *text)
{
        if (text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/+:@%,")] ==
            '\0') {
                fputs(text, stdout);
                return;
        }
        putchar('\'');
        for (; *text; text++)
                fputs(*text == '\'' ? "'\\''" : (const char[]){*text, '\0'}, stdout);
        putchar('\'');
}

static void print_option(const char *flag, const char *value)
{
        if (!value)
                return;
        printf(" %s ", flag);
        print_quoted(value);
}

/* The flags by which a command finds this daemon, where the defaults do not. */
static void print_where(const struct tk_cli_welcome *welcome)
{
        print_option("--socket", welcome->socket_path);
        if (!welcome->socket_path)
                print_option("--data", welcome->data_dir);
}

static void print_verify(const struct tk_cli_welcome *welcome, const struct tk_secret *key, const char *scope)
{
        printf("echo ");
        print_key(key);
        printf(" | ");
        print_quoted(welcome->program);
        printf(" verify --api weather --scope %s", scope);
        print_where(welcome);
        putchar('\n');
}

static void print_demo(const struct tk_cli_welcome *welcome, const struct tk_key_issued *issued)
{
        printf("\nThree commands to try, here, in another terminal:\n\n# The key of the demo is admitted.\n");
        print_verify(welcome, &issued->plaintext, "forecast:read");
        printf("\n# It is refused: it lacks the scope.\n");
        print_verify(welcome, &issued->plaintext, "alerts:read");
        printf("\n# It is refused at once when it has been revoked.\n");
        print_quoted(welcome->program);
        printf(" key revoke key_%llu", (unsigned long long)issued->key->id);
        print_where(welcome);
        printf(" && ");
        print_verify(welcome, &issued->plaintext, "forecast:read");
        putchar('\n');
        fflush(stdout);
}

int tk_cli_welcome_demo(const struct tk_cli_welcome *welcome, struct tk_service *service)
{
        struct tk_arena arena;
        struct tk_key_issued issued = {0};
        struct tk_fault fault = {0};
        bool made = false;
        tk_arena_init(&arena, 0);
        enum tk_err err = tk_service_demo_create(service, &by_the_system, &arena, &issued, &made, &fault);
        if (err == TK_OK && made)
                print_demo(welcome, &issued);
        tk_secret_wipe(&issued.plaintext);
        tk_arena_fini(&arena);
        return err == TK_OK ? TK_CLI_EXIT_ok : failed(&fault);
}
