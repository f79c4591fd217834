/*
 * Drains the server. See drain.h. Runs on the thread that stops it, while the network threads go on.
 */
#include "http/drain.h"

#include "core/calendar.h"
#include "http/server_state.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#define POLL_NS            UINT64_C(2000000)
#define QUEUE_GRACE_NS     UINT64_C(250000000)
#define SILENT_GRACE_NS    UINT64_C(100000000)  /* long enough for headers that are on their way already */
#define RECEIVING_GRACE_NS UINT64_C(2000000000) /* nobody can hold up a stop by sending half a request */

static uint64_t monotonic_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void pause_ns(uint64_t ns)
{
        const struct timespec pause = {.tv_nsec = (long)ns};
        nanosleep(&pause, NULL);
}

/* ---- the door ---- */

/*
 * What waits in the kernel's queue has connected, in the eyes of its client, and may have sent a request: closing the listener
 * would cut it off. The network threads accept it, unless they are at their limit. (Handing it over with MHD_add_connection()
 * deadlocks libmicrohttpd 0.9.75 when that limit is reached.)
 */
static void let_in(struct tk_server *server)
{
        struct pollfd listeners[] = {{.fd = server->tcp_fd, .events = POLLIN},
                                     {.fd = server->socket_fd, .events = POLLIN}};
        uint64_t begun_ns = monotonic_ns();
        while (poll(listeners, 2, 0) > 0 && monotonic_ns() - begun_ns < QUEUE_GRACE_NS)
                pause_ns(POLL_NS / 10);
}

/* The socket itself is closed later, when no thread can look at it; from here on the kernel refuses who connects. */
static void close_door(struct MHD_Daemon *daemon, int listener)
{
        if (!daemon)
                return;
        MHD_quiesce_daemon(daemon);
        shutdown(listener, SHUT_RD);
}

/* ---- what is inside ---- */

struct wait {
        uint64_t begun_ns, now_ns;
        uint64_t silent, silent_since_ns; /* how many have said nothing, and since when it is that many */
};

static bool busy(struct tk_server *server, struct wait *wait)
{
        struct tk_metrics *metrics = &server->metrics;
        uint64_t silent = atomic_load_explicit(&metrics->silent, memory_order_relaxed);
        if (silent != wait->silent)
                wait->silent_since_ns = wait->now_ns;
        wait->silent = silent;
        if (tk_metrics_answering(metrics) > 0)
                return true;
        if (silent > 0 && wait->now_ns - wait->silent_since_ns < SILENT_GRACE_NS)
                return true;
        return wait->now_ns - wait->begun_ns < RECEIVING_GRACE_NS && tk_metrics_receiving(metrics) > 0;
}

void tk_drain(struct tk_server *server, unsigned grace_s)
{
        struct wait wait = {.begun_ns = monotonic_ns()};

        if (grace_s > 0)
                let_in(server);
        close_door(server->tcp, server->tcp_fd);
        close_door(server->socket, server->socket_fd);
        wait.now_ns = wait.silent_since_ns = monotonic_ns();
        while (wait.now_ns - wait.begun_ns < grace_s * TK_NS_PER_S) {
                pause_ns(POLL_NS); /* first: who has just been let in is not counted yet */
                wait.now_ns = monotonic_ns();
                if (!busy(server, &wait))
                        return;
        }
}
