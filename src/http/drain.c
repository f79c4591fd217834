/*
 * Drains the server. See drain.h. Runs on the thread that stops it, while the network threads go on.
 */
#include "http/drain.h"

#include "core/calendar.h"
#include "http/server_state.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#define POLL_NS            UINT64_C(2000000)
#define SILENT_GRACE_NS    UINT64_C(100000000)  /* long enough for headers that are on their way already */
#define RECEIVING_GRACE_NS UINT64_C(2000000000) /* nobody can hold up a stop by sending half a request */

static uint64_t monotonic_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static bool again(int error)
{
        return error == EINTR || error == ECONNABORTED;
}

/*
 * What waits in the kernel's queue has been accepted in the eyes of its client, which may have sent a request: closing the
 * listener would cut it off. libmicrohttpd closes those that it cannot take.
 */
static void adopt_queue(struct MHD_Daemon *daemon, int listener)
{
        for (;;) {
                struct sockaddr_storage address;
                socklen_t bytes = sizeof(address);
                int fd = accept4(listener, (struct sockaddr *)&address, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd >= 0)
                        MHD_add_connection(daemon, fd, (struct sockaddr *)&address, bytes);
                else if (!again(errno))
                        return;
        }
}

/* The socket itself is closed later, when no thread can look at it; from here on the kernel refuses who connects. */
static void close_door(struct MHD_Daemon *daemon, int listener)
{
        if (!daemon)
                return;
        MHD_quiesce_daemon(daemon);
        adopt_queue(daemon, listener);
        shutdown(listener, SHUT_RD);
}

static bool busy(struct tk_server *server, uint64_t waited_ns)
{
        struct tk_metrics *metrics = &server->metrics;
        if (tk_metrics_answering(metrics) > 0)
                return true;
        if (waited_ns < SILENT_GRACE_NS && atomic_load_explicit(&metrics->silent, memory_order_relaxed) > 0)
                return true;
        return waited_ns < RECEIVING_GRACE_NS && tk_metrics_receiving(metrics) > 0;
}

void tk_drain(struct tk_server *server, unsigned grace_s)
{
        const struct timespec pause = {.tv_nsec = POLL_NS};
        uint64_t begun_ns = monotonic_ns(), waited_ns = 0;

        close_door(server->tcp, server->tcp_fd);
        close_door(server->socket, server->socket_fd);
        while (waited_ns < grace_s * TK_NS_PER_S) {
                nanosleep(&pause, NULL); /* first: what has just been adopted is not counted yet */
                waited_ns = monotonic_ns() - begun_ns;
                if (!busy(server, waited_ns))
                        return;
        }
}
