/*
 * Resolves the daemon's address and the admin key. Main thread only.
 */
#include "cli/target.h"

#include "cli/address.h"
#include "cli/args.h"
#include "cli/report.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- keys from files ---- */

static int bad_key(const char *path, const char *what)
{
        const char *place = strcmp(path, "-") == 0 ? "standard input" : path;
        return tk_cli_fail(TK_CLI_EXIT_usage, NULL, "it must hold one key on one line", "%s %s", place, what);
}

/* Everything up to the end, at most size bytes; -1 on an error. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
        size_t len = 0;
        while (len < size) {
                ssize_t got = read(fd, buffer + len, size - len);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -1;
                if (got == 0)
                        break;
                len += (size_t)got;
        }
        return (ssize_t)len;
}

static int take_key(const char *path, char *text, size_t len, struct tk_secret *ret_key)
{
        if (len > 0 && text[len - 1] == '\n')
                len--;
        if (len > 0 && text[len - 1] == '\r')
                len--;
        if (len == 0)
                return bad_key(path, "holds no key");
        if (memchr(text, '\n', len))
                return bad_key(path, "holds more than one line");
        if (!tk_secret_set(ret_key, text, len))
                return bad_key(path, "holds more than a key can be long");
        return TK_CLI_EXIT_ok;
}

int tk_cli_read_key_file(const char *path, struct tk_secret *ret_key)
{
        bool standard_input = strcmp(path, "-") == 0;
        int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "cannot read %s: %s", path,
                                   strerror(errno));
        char text[TK_SECRET_MAX + 3]; /* room for the line's end, and to see that it is too long */
        ssize_t len = read_all(fd, text, sizeof(text));
        int exit = TK_CLI_EXIT_ok;
        if (len < 0)
                exit = tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "cannot read %s: %s", path,
                                   strerror(errno));
        else
                exit = take_key(path, text, (size_t)len, ret_key);
        tk_wipe(text, sizeof(text));
        if (!standard_input)
                close(fd);
        return exit;
}

static int find_admin_key(const struct tk_cli_run *run, struct tk_secret *ret_key)
{
        const char *path = tk_cli_args_text(run, TK_CLI_OPTION_admin_key_file, NULL);
        if (path)
                return tk_cli_read_key_file(path, ret_key);
        const char *variable = getenv("TOLLKEEPER_ADMIN_KEY");
        if (variable && !tk_secret_set(ret_key, variable, strlen(variable)))
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL,
                                   "TOLLKEEPER_ADMIN_KEY is longer than a key can be");
        return TK_CLI_EXIT_ok;
}

/* ---- the address ---- */

static int check_url(CURLU *parts, const char *url, bool *ret_local)
{
        char *scheme = NULL, *host = NULL, *user = NULL;
        int exit = TK_CLI_EXIT_ok;
        bool parsed = curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                      curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                      curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK;
        bool plain = parsed && strcmp(scheme, "http") == 0;
        *ret_local = parsed && tk_cli_host_is_loopback(host);
        if (!parsed || (!plain && strcmp(scheme, "https") != 0))
                exit = tk_cli_fail(TK_CLI_EXIT_usage, NULL,
                                   "such as http://127.0.0.1:8420 or https://keys.example.com",
                                   "the daemon's URL is not one that can be asked");
        else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
                exit = tk_cli_fail(TK_CLI_EXIT_usage, NULL,
                                   "take it out; the admin key goes into a file or a variable",
                                   "the daemon's URL has a user name or a password in it");
        else if (plain && !*ret_local)
                exit = tk_cli_fail(TK_CLI_EXIT_usage, NULL,
                                   "use https://, through the proxy that does TLS for the daemon",
                                   "plain http to another machine would show keys on the wire");
        curl_free(scheme);
        curl_free(host);
        curl_free(user);
        return exit;
}

static int target_url(const struct tk_cli_run *run, const char *url, struct tk_cli_target *ret_target)
{
        CURLU *parts = curl_url();
        if (!parts)
                return tk_cli_out_of_memory();
        int exit = check_url(parts, url, &ret_target->local);
        curl_url_cleanup(parts);
        struct tk_str text = tk_str_from(url);
        while (text.len > 0 && text.ptr[text.len - 1] == '/')
                text.len--;
        ret_target->url = tk_arena_copy(run->arena, text).ptr;
        if (exit == TK_CLI_EXIT_ok && !ret_target->url)
                return tk_cli_out_of_memory();
        return exit;
}

static int target_socket(const struct tk_cli_run *run, const char *path, const char *data,
                         struct tk_cli_target *ret_target)
{
        ret_target->socket_path = path ? path : tk_arena_printf(run->arena, "%s/tollkeeper.sock", data).ptr;
        ret_target->url = "http://tollkeeper"; /* goes into Host: only */
        ret_target->local = true;
        return ret_target->socket_path ? TK_CLI_EXIT_ok : tk_cli_out_of_memory();
}

static const char *variable(const char *name)
{
        const char *value = getenv(name);
        return value && value[0] != '\0' ? value : NULL;
}

/* Variables, then a daemon that runs here, then the one that the configuration file of this machine describes. */
static void find_socket(const struct tk_cli_run *run, const char **inout_data, const char **inout_socket)
{
        *inout_socket = variable("TOLLKEEPER_SOCKET");
        *inout_data = variable("TOLLKEEPER_DATA");
        if (*inout_socket || *inout_data || access("./data/tollkeeper.sock", F_OK) == 0)
                return;
        *inout_socket = tk_settings_hint(run->arena, TK_SETTING_socket);
        *inout_data = tk_settings_hint(run->arena, TK_SETTING_data);
}

static int find_address(const struct tk_cli_run *run, struct tk_cli_target *ret_target)
{
        const char *url = tk_cli_args_text(run, TK_CLI_OPTION_url, NULL);
        const char *socket = tk_cli_args_text(run, TK_CLI_OPTION_socket, NULL);
        const char *data = tk_cli_args_text(run, TK_CLI_OPTION_data, NULL);
        if (url && (socket || data))
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL, "--url goes without --socket and --data");
        if (!url && !socket && !data)
                url = getenv("TOLLKEEPER_URL");
        if (url && url[0] != '\0')
                return target_url(run, url, ret_target);
        if (!data && !socket)
                find_socket(run, &data, &socket);
        return target_socket(run, socket, data && data[0] != '\0' ? data : "./data", ret_target);
}

int tk_cli_target_resolve(const struct tk_cli_run *run, struct tk_cli_target *ret_target)
{
        *ret_target = (struct tk_cli_target){
                .ca_file = tk_cli_args_text(run, TK_CLI_OPTION_ca_file, variable("TOLLKEEPER_CA_FILE"))};
        int exit = find_address(run, ret_target);
        if (exit != TK_CLI_EXIT_ok)
                return exit;
        return find_admin_key(run, &ret_target->admin_key);
}
