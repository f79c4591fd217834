/*
 * The least that a libmicrohttpd server can do with the same requests: read the body, answer a small constant. What
 * `POST /v1/verify` is measured against; run by bench/http/servers.py as `empty_server PORT`, ended by SIGTERM. One network
 * thread, and the options of src/http/server.c, so that only what Tollkeeper does with a request differs.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECTION_BYTES (16u << 10)
#define IDLE_TIMEOUT_S   60u

static char reply[] = "{\"code\":\"valid\"}";
static struct MHD_Response *constant;

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **request)
{
        (void)context, (void)url, (void)method, (void)version, (void)upload;
        if (*request == NULL) {
                *request = constant; /* any mark: the head has been seen, the body follows */
                return MHD_YES;
        }
        if (*upload_bytes > 0) {
                *upload_bytes = 0;
                return MHD_YES;
        }
        return MHD_queue_response(connection, MHD_HTTP_OK, constant);
}

static struct MHD_Daemon *start(uint16_t port)
{
        struct sockaddr_in address = {
                .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                                answer, NULL, MHD_OPTION_SOCK_ADDR, &address,
                                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                                MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_END);
}

int main(int argc, char **argv)
{
        sigset_t stop;
        int signal;

        if (argc != 2)
                return 2;
        /* Blocked before the network thread begins, so that only this thread takes it. */
        sigemptyset(&stop);
        sigaddset(&stop, SIGTERM);
        sigprocmask(SIG_BLOCK, &stop, NULL);
        constant = MHD_create_response_from_buffer(sizeof(reply) - 1, reply, MHD_RESPMEM_PERSISTENT);
        MHD_add_response_header(constant, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
        struct MHD_Daemon *daemon = start((uint16_t)strtoul(argv[1], NULL, 10));
        if (daemon == NULL) {
                fputs("empty_server: cannot listen\n", stderr);
                return 1;
        }
        sigwait(&stop, &signal);
        MHD_stop_daemon(daemon);
        MHD_destroy_response(constant);
        return 0;
}
