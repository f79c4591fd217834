/*
 * Makes paths and bodies out of a run. Main thread only.
 */
#include "cli/body.h"

#include "cli/args.h"
#include "cli/body_value.h"
#include "cli/report.h"

#include <stdio.h>
#include <string.h>

/* ---- paths ---- */

const char *tk_cli_encode(struct tk_arena *arena, const char *text)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
        char *encoded = tk_arena_alloc(arena, strlen(text) * 3 + 1);
        char *end = encoded;
        for (; encoded && *text; text++) {
                if (strchr(plain, *text)) {
                        *end++ = *text;
                        continue;
                }
                snprintf(end, 4, "%%%02X", (unsigned char)*text);
                end += 3;
        }
        return encoded;
}

/* --api and --env stand in the paths of what belongs to an API, and to an environment. */
static bool in_path(const struct tk_cli_run *run, enum tk_cli_option option)
{
        return (option == TK_CLI_OPTION_api && strstr(run->command->path, "{api}")) ||
               (option == TK_CLI_OPTION_environment && strstr(run->command->path, "{environment}"));
}

static const char *with_query(const struct tk_cli_run *run, const char *path)
{
        char separator = '?';
        for (size_t i = 0; path && i < run->given_count; i++) {
                const char *member = tk_cli_options[run->given[i].option].member;
                if (!member || in_path(run, run->given[i].option))
                        continue;
                const char *value = tk_cli_encode(run->arena, run->given[i].value);
                path = value ? tk_arena_printf(run->arena, "%s%c%s=%s", path, separator, member, value).ptr
                             : NULL;
                separator = '&';
        }
        return path;
}

/* `path`, then the template up to its first place, then what goes into that place. ret_rest is what follows it. */
static const char *fill_place(const struct tk_cli_run *run, const char *path, const char *template,
                              const char **ret_rest)
{
        const char *open = strchr(template, '{');
        const char *close = strchr(open, '}');
        const char *value = run->argument; /* {} */
        if (open[1] == 'a')
                value = tk_cli_args_text(run, TK_CLI_OPTION_api, "");
        else if (open[1] == 'e')
                value = tk_cli_args_text(run, TK_CLI_OPTION_environment, "production");
        const char *encoded = tk_cli_encode(run->arena, value);
        *ret_rest = close + 1;
        if (!encoded)
                return NULL;
        return tk_arena_printf(run->arena, "%s%.*s%s", path, (int)(open - template), template, encoded).ptr;
}

int tk_cli_path_make(const struct tk_cli_run *run, const char **ret_path)
{
        const char *path = "";
        const char *rest = run->command->path;
        while (path && strchr(rest, '{'))
                path = fill_place(run, path, rest, &rest);
        if (path)
                path = tk_arena_printf(run->arena, "%s%s", path, rest).ptr;
        if (strcmp(run->command->method, "GET") == 0)
                path = with_query(run, path);
        if (!path)
                return tk_cli_out_of_memory();
        *ret_path = path;
        return TK_CLI_EXIT_ok;
}

/* ---- bodies ---- */

/* The object that holds a member, made where it is missing; ret_name is the member's own name. */
static json_t *holder(json_t *body, const char *member, const char **ret_name)
{
        const char *dot = strchr(member, '.');
        *ret_name = dot ? dot + 1 : member;
        if (!dot)
                return body;
        json_t *inner = json_object_getn(body, member, (size_t)(dot - member));
        if (inner)
                return inner;
        inner = json_object();
        return json_object_setn_new(body, member, (size_t)(dot - member), inner) == 0 ? inner : NULL;
}

static int append(json_t *array, json_t *value)
{
        return json_array_append_new(array, value) == 0 ? TK_CLI_EXIT_ok : tk_cli_out_of_memory();
}

static int add_list(const struct tk_cli_run *run, enum tk_cli_option option, json_t *array)
{
        const struct tk_str *items;
        size_t count;
        int exit = tk_cli_args_list(run, option, &items, &count);
        for (size_t i = 0; exit == TK_CLI_EXIT_ok && i < count; i++)
                exit = append(array, json_stringn(items[i].ptr, items[i].len));
        return exit;
}

static int add_element(const struct tk_cli_given *given, json_t *array)
{
        json_t *element;
        enum tk_cli_kind kind = tk_cli_options[given->option].kind;
        if (kind != TK_CLI_ENVIRONMENTS && strcmp(given->value, "none") == 0)
                return TK_CLI_EXIT_ok;
        int exit = kind == TK_CLI_ENVIRONMENTS ? tk_cli_value_environment(given, &element)
                                               : tk_cli_value_limit(given, &element);
        return exit == TK_CLI_EXIT_ok ? append(array, element) : exit;
}

/* Arrays grow with each flag that feeds them: --limit and --quota make one `limits`, in the order given. */
static int add_to_array(const struct tk_cli_run *run, const struct tk_cli_given *given, json_t *object,
                        const char *name)
{
        json_t *array = json_object_get(object, name);
        bool first = array == NULL;
        if (first) {
                array = json_array();
                if (json_object_set_new(object, name, array) != 0)
                        return tk_cli_out_of_memory();
        }
        if (tk_cli_options[given->option].kind != TK_CLI_LIST)
                return add_element(given, array);
        return first ? add_list(run, given->option, array) : TK_CLI_EXIT_ok; /* the first took all of them */
}

static int add_single(const struct tk_cli_given *given, json_t *object, const char *name)
{
        json_t *value;
        if (json_object_get(object, name))
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "--%s says again what another flag said",
                                   tk_cli_options[given->option].flag);
        int exit = tk_cli_value_single(given, &value);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        return json_object_set_new(object, name, value) == 0 ? TK_CLI_EXIT_ok : tk_cli_out_of_memory();
}

static int add_given(const struct tk_cli_run *run, const struct tk_cli_given *given, json_t *body)
{
        const struct tk_cli_option_info *info = &tk_cli_options[given->option];
        if (!info->member || in_path(run, given->option))
                return TK_CLI_EXIT_ok;
        const char *name;
        json_t *object = holder(body, info->member, &name);
        if (!object)
                return tk_cli_out_of_memory();
        return tk_cli_repeatable(info->kind) ? add_to_array(run, given, object, name)
                                             : add_single(given, object, name);
}

int tk_cli_body_make(const struct tk_cli_run *run, json_t **ret_body)
{
        json_t *body = json_object();
        int exit = body ? TK_CLI_EXIT_ok : tk_cli_out_of_memory();
        bool named = run->argument && !strstr(run->command->path, "{}");
        if (named && json_object_set_new(body, "name", json_string(run->argument)) != 0)
                exit = tk_cli_fail(TK_CLI_EXIT_usage, NULL, "use UTF-8 text", "the name is not text");
        if (run->command->create_missing && json_object_set_new(body, "create_missing", json_true()) != 0)
                exit = tk_cli_out_of_memory();
        for (size_t i = 0; exit == TK_CLI_EXIT_ok && i < run->given_count; i++)
                exit = add_given(run, &run->given[i], body);
        if (exit != TK_CLI_EXIT_ok) {
                json_decref(body);
                return exit;
        }
        *ret_body = body;
        return TK_CLI_EXIT_ok;
}
