/*
 * The HTTP client, on libcurl. Main thread only. Replies may hold a plaintext key (issue), requests too (verify): buffers
 * are wiped before they are freed, and jansson frees through wiping_free().
 */
#include "cli/client.h"

#include "cli/report.h"
#include "core/alloc.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REPLY_MAX     ((size_t)64 << 20)
#define CONNECT_MAX_S 5L
#define REPLY_MAX_S   120L
#define SILENCE_MAX_S 600L /* while the daemon copies its registry */
#define HEADER_MAX    512
#define HEADERS_MAX   8

/* ---- memory ---- */

static void wiping_free(void *memory)
{
        if (memory)
                tk_wipe(memory, malloc_usable_size(memory));
        tk_free(memory);
}

struct buffer {
        char *bytes;
        size_t len, room;
};

static void buffer_fini(struct buffer *buffer)
{
        if (buffer->bytes)
                tk_wipe(buffer->bytes, buffer->room);
        tk_free(buffer->bytes);
        *buffer = (struct buffer){0};
}

/* Not realloc: it could leave a copy behind. */
static bool buffer_grow(struct buffer *buffer, size_t need)
{
        struct buffer larger = {.len = buffer->len, .room = (buffer->len + need) * 2};
        if (buffer->len + need > REPLY_MAX)
                return false;
        larger.bytes = tk_malloc(larger.room);
        if (!larger.bytes)
                return false;
        if (buffer->len > 0)
                memcpy(larger.bytes, buffer->bytes, buffer->len);
        buffer_fini(buffer);
        *buffer = larger;
        return true;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
        struct buffer *reply = context;
        size_t len = size * count;
        if (reply->room - reply->len < len && !buffer_grow(reply, len))
                return 0; /* curl then gives up with CURLE_WRITE_ERROR */
        memcpy(reply->bytes + reply->len, bytes, len);
        reply->len += len;
        return len;
}

/* ---- headers: the caller's storage, so that it can be wiped; curl only reads the list ---- */

struct headers {
        char text[HEADERS_MAX][HEADER_MAX];
        struct curl_slist list[HEADERS_MAX];
        size_t count;
};

static bool add_header(struct headers *headers, const char *name, const char *value, size_t value_len)
{
        size_t name_len = strlen(name);
        if (headers->count == HEADERS_MAX || name_len + value_len >= HEADER_MAX)
                return false;
        for (size_t i = 0; i < value_len; i++)
                if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
                        return false; /* a line's end would begin a header of its own */
        char *text = headers->text[headers->count];
        memcpy(text, name, name_len);
        memcpy(text + name_len, value, value_len);
        text[name_len + value_len] = '\0';
        headers->list[headers->count] = (struct curl_slist){.data = text};
        if (headers->count > 0)
                headers->list[headers->count - 1].next = &headers->list[headers->count];
        headers->count++;
        return true;
}

static bool add_text(struct headers *headers, const char *name, const char *value)
{
        return !value || add_header(headers, name, value, strlen(value));
}

static bool make_headers(const struct tk_cli_request *request, const struct tk_cli_target *target,
                         struct headers *headers)
{
        struct tk_str key = tk_secret_view(&target->admin_key);
        char if_match[64];
        bool good = add_text(headers, "Accept: ", "application/json") && add_text(headers, "Expect:", "") &&
                    add_text(headers, "Content-Type: ", request->body ? "application/json" : NULL) &&
                    add_text(headers, "Idempotency-Key: ", request->idempotency_key);
        if (good && request->if_match) {
                snprintf(if_match, sizeof(if_match), "\"%s\"", request->if_match);
                good = add_text(headers, "If-Match: ", if_match);
        }
        if (good && key.len > 0)
                good = add_header(headers, "Authorization: Bearer ", key.ptr, key.len);
        return good;
}

/* ---- what went wrong before there was a reply ---- */

struct tk_cli_client {
        const struct tk_cli_run *run;
        struct tk_cli_target target;
        CURL *curl;
};

static int no_connection(const struct tk_cli_target *target, long system_error)
{
        if (!target->socket_path)
                return tk_cli_fail(
                        TK_CLI_EXIT_no_daemon, NULL,
                        "start one with `tollkeeper serve`, or say where it is with --url or --data",
                        "no daemon answers at %s", target->url);
        if (system_error == EACCES)
                return tk_cli_fail(
                        TK_CLI_EXIT_denied, NULL,
                        "ask over TCP with --url and an admin key, or as the daemon's user or root",
                        "the socket %s is not open to you", target->socket_path);
        return tk_cli_fail(
                TK_CLI_EXIT_no_daemon, NULL,
                "start one with `tollkeeper serve`, or say where it is with --data, --socket or --url",
                "no daemon answers at %s", target->socket_path);
}

static int no_reply(const struct tk_cli_client *client, const struct tk_cli_request *request, CURLcode code)
{
        const struct tk_cli_target *target = &client->target;
        long system_error = 0, sent_bytes = 0;
        curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &system_error);
        curl_easy_getinfo(client->curl, CURLINFO_REQUEST_SIZE, &sent_bytes);
        if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
                return tk_cli_fail(
                        TK_CLI_EXIT_no_daemon, NULL,
                        "ask by a name that is in the certificate; name the authority that signed it "
                        "with --ca-file",
                        "%s is not believed: %s", target->url, curl_easy_strerror(code));
        if (code == CURLE_COULDNT_CONNECT || (code == CURLE_OPERATION_TIMEDOUT && sent_bytes == 0))
                return no_connection(target, system_error);
        if (sent_bytes > 0 && strcmp(request->method, "GET") != 0)
                return tk_cli_fail(TK_CLI_EXIT_uncertain, NULL, "look at what is there before you repeat it",
                                   "no answer came (%s): the change may or may not have been made",
                                   curl_easy_strerror(code));
        return tk_cli_fail(TK_CLI_EXIT_no_daemon, NULL, NULL, "cannot ask %s: %s",
                           target->socket_path ? target->socket_path : target->url, curl_easy_strerror(code));
}

/* ---- one request ---- */

static void set_options(const struct tk_cli_client *client, const char *url, const char *method,
                        const struct headers *headers, const char *body, struct buffer *reply)
{
        CURL *curl = client->curl;
        curl_easy_reset(curl);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers->list);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_MAX_S);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, REPLY_MAX_S);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
        if (client->target.local)
                curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever http_proxy says */
        if (client->target.socket_path)
                curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->target.socket_path);
        if (client->target.ca_file)
                curl_easy_setopt(curl, CURLOPT_CAINFO, client->target.ca_file);
        if (body)
                curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static int read_reply(const struct tk_cli_run *run, long status, const struct buffer *reply,
                      json_t **ret_reply)
{
        json_t *body = json_loadb(reply->bytes ? reply->bytes : "", reply->len, JSON_REJECT_DUPLICATES, NULL);
        if (status >= 200 && status < 300 && json_is_object(body)) {
                *ret_reply = body;
                return TK_CLI_EXIT_ok;
        }
        int exit = tk_cli_fail_problem(run, status, body);
        json_decref(body);
        return exit;
}

static int perform(struct tk_cli_client *client, const struct tk_cli_request *request,
                   const struct headers *headers, const char *body, json_t **ret_reply)
{
        const char *url = tk_arena_printf(client->run->arena, "%s%s", client->target.url, request->path).ptr;
        if (!url)
                return tk_cli_out_of_memory();
        struct buffer reply = {0};
        set_options(client, url, request->method, headers, body, &reply);
        if (request->patience_s > 0)
                curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, request->patience_s);
        CURLcode code = curl_easy_perform(client->curl);
        long status = 0;
        curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
        int exit = code == CURLE_OK ? read_reply(client->run, status, &reply, ret_reply)
                                    : no_reply(client, request, code);
        buffer_fini(&reply);
        return exit;
}

int tk_cli_client_ask(struct tk_cli_client *client, const struct tk_cli_request *request, json_t **ret_reply)
{
        struct headers headers = {0};
        char *body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
        int exit = TK_CLI_EXIT_ok;
        if (request->body && !body)
                exit = tk_cli_out_of_memory();
        else if (!make_headers(request, &client->target, &headers))
                exit = tk_cli_fail(
                        TK_CLI_EXIT_usage, NULL, NULL,
                        "the admin key or --idempotency-key is too long or has control characters");
        else
                exit = perform(client, request, &headers, body, ret_reply);
        wiping_free(body);
        tk_wipe(&headers, sizeof(headers));
        return exit;
}

/* ---- long bodies: from a file, into a file ---- */

struct transfer {
        CURL *curl;
        const struct tk_cli_upload *upload; /* NULL: none */
        int64_t sent_bytes;
        int to_fd; /* where the body of a good reply goes; -1: into `reply`, as every other */
        int read_error, write_error;
        struct buffer reply;
};

static size_t give_bytes(char *bytes, size_t size, size_t count, void *context)
{
        struct transfer *transfer = context;
        ssize_t len;
        do {
                len = read(transfer->upload->fd, bytes, size * count);
        } while (len < 0 && errno == EINTR);
        if (len < 0) {
                transfer->read_error = errno;
                return CURL_READFUNC_ABORT;
        }
        transfer->sent_bytes += len;
        return (size_t)len;
}

static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
        (void)down_total;
        (void)down;
        (void)up_total;
        (void)up;
        const struct transfer *transfer = context;
        transfer->upload->progress(transfer->upload->context, transfer->sent_bytes);
        return 0;
}

static size_t save_bytes(char *bytes, size_t size, size_t count, void *context)
{
        struct transfer *transfer = context;
        long status = 0;
        curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status != 200 || transfer->to_fd < 0)
                return take_bytes(bytes, size, count, &transfer->reply);
        for (size_t done = 0; done < size * count;) {
                ssize_t written = write(transfer->to_fd, bytes + done, size * count - done);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written <= 0) {
                        transfer->write_error = errno;
                        return 0;
                }
                done += (size_t)written;
        }
        return size * count;
}

static void set_upload(struct transfer *transfer)
{
        CURL *curl = transfer->curl;
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_bytes);
        curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
        curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)transfer->upload->bytes);
        if (!transfer->upload->progress)
                return;
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
}

static int transferred(const struct tk_cli_client *client, const struct tk_cli_request *request,
                       const struct transfer *transfer, CURLcode code, json_t **ret_reply)
{
        long status = 0;
        curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
        if (transfer->read_error)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "cannot read the file: %s",
                                   strerror(transfer->read_error));
        if (transfer->write_error)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "cannot write the file: %s",
                                   strerror(transfer->write_error));
        if (code == CURLE_PARTIAL_FILE && transfer->to_fd >= 0)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL, "try again", "the answer was cut off");
        if (code != CURLE_OK)
                return no_reply(client, request, code);
        if (status == 200 && transfer->to_fd >= 0)
                return TK_CLI_EXIT_ok;
        return read_reply(client->run, status, &transfer->reply, ret_reply);
}

/* However long it takes. A download may be silent for some time, an upload as long as the daemon works on it. */
static int perform_transfer(struct tk_cli_client *client, const struct tk_cli_request *request,
                            struct transfer *transfer, json_t **ret_reply)
{
        struct headers headers = {0};
        const char *url = tk_arena_printf(client->run->arena, "%s%s", client->target.url, request->path).ptr;
        const char *type = transfer->upload ? transfer->upload->content_type : NULL;
        int exit;
        transfer->curl = client->curl;
        if (!url) {
                exit = tk_cli_out_of_memory();
        } else if (!make_headers(request, &client->target, &headers) ||
                   !add_text(&headers, "Content-Type: ", type)) {
                exit = tk_cli_fail(TK_CLI_EXIT_usage, NULL, NULL,
                                   "the admin key is too long or has control characters");
        } else {
                set_options(client, url, request->method, &headers, NULL, NULL);
                curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, 0L);
                curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, save_bytes);
                curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, transfer);
                curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, transfer->upload ? 0L : 1L);
                curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, SILENCE_MAX_S);
                if (transfer->upload)
                        set_upload(transfer);
                /* libcurl's own method for an upload is PUT. */
                curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, request->method);
                exit = transferred(client, request, transfer, curl_easy_perform(client->curl), ret_reply);
        }
        buffer_fini(&transfer->reply);
        tk_wipe(&headers, sizeof(headers));
        return exit;
}

int tk_cli_client_upload(struct tk_cli_client *client, const struct tk_cli_upload *upload, json_t **ret_reply)
{
        const struct tk_cli_request request = {.method = "POST", .path = upload->path};
        struct transfer transfer = {.upload = upload, .to_fd = -1};
        return perform_transfer(client, &request, &transfer, ret_reply);
}

int tk_cli_client_save(struct tk_cli_client *client, const struct tk_cli_request *request, int fd)
{
        struct transfer transfer = {.to_fd = fd};
        json_t *none;
        return perform_transfer(client, request, &transfer, &none);
}

int tk_cli_client_open(const struct tk_cli_run *run, struct tk_cli_client **ret_client)
{
        json_set_alloc_funcs(tk_malloc, wiping_free);
        struct tk_cli_client *client = tk_calloc(1, sizeof(*client));
        if (!client)
                return tk_cli_out_of_memory();
        client->run = run;
        int exit = tk_cli_target_resolve(run, &client->target);
        if (exit == TK_CLI_EXIT_ok && !(client->curl = curl_easy_init()))
                exit = tk_cli_out_of_memory();
        if (exit != TK_CLI_EXIT_ok) {
                tk_cli_client_close(client);
                return exit;
        }
        *ret_client = client;
        return TK_CLI_EXIT_ok;
}

void tk_cli_client_close(struct tk_cli_client *client)
{
        if (!client)
                return;
        curl_easy_cleanup(client->curl);
        tk_secret_wipe(&client->target.admin_key);
        tk_free(client);
}
