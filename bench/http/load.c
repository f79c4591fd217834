/*
 * Load generator: N keep-alive connections, one outstanding request on each, requests prepared in a file. Run by
 * bench/http/run.py, which reads the one JSON object that it prints. One thread, one epoll set. It never builds or
 * parses more than it must, because it shares the machine with what it measures, and it never counts a reply that
 * is not the expected one: the first such reply ends it.
 *
 * The requests file: each request is its length, 4 bytes little-endian, and its bytes. They are sent in the order
 * of the file, which the caller has shuffled, round and round, from a start that the caller names.
 */
#include "reply.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 256
#define MAX_SAMPLES     (16u << 20)
#define STALLED_MS      10000

struct options {
        enum protocol protocol;
        uint16_t port;
        int connections;
        double seconds;
        bool once;            /* send each request once and end, instead of after `seconds` */
        const char *requests; /* file */
        size_t start;         /* number of the first request */
        const char *expect;   /* text that every reply must contain */
        const char *replies;  /* file for the replies' bodies, one a line; NULL for none */
        long pid;             /* server whose CPU time is measured; 0 for none */
        bool spin;            /* never sleep: see wait_for_replies() */
};

struct connection {
        int fd;
        uint64_t sent_ns;
        size_t have;
        char bytes[16384];
};

struct requests {
        const char *bytes;
        size_t len;
        size_t at;
        size_t left; /* with --once: how many are still to be sent */
};

struct run {
        struct options options;
        struct requests requests;
        struct connection *connections;
        int epoll;
        int outstanding;
        bool closing; /* time is up: send no more, wait for what is outstanding */
        uint64_t end_ns;
        uint32_t *sample_ns;
        size_t samples;
        FILE *replies;
};

static _Noreturn void __attribute__((format(printf, 1, 2))) die(const char *format, ...)
{
        va_list args;
        va_start(args, format);
        fputs("load: ", stderr);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        exit(1);
}

static uint64_t now_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t request_length(const struct requests *requests, size_t at)
{
        uint32_t len;
        memcpy(&len, requests->bytes + at, sizeof len);
        return len;
}

static void open_requests(struct requests *requests, const struct options *options)
{
        int fd = open(options->requests, O_RDONLY | O_CLOEXEC);
        struct stat status;
        if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0)
                die("cannot read %s", options->requests);
        requests->len = (size_t)status.st_size;
        /* Populated now: a page fault later would be counted as the server's latency. */
        requests->bytes = mmap(NULL, requests->len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (requests->bytes == MAP_FAILED)
                die("cannot map %s", options->requests);
        close(fd);
        for (size_t at = 0; at < requests->len; at += 4 + request_length(requests, at))
                requests->left++;
        for (size_t i = options->start % requests->left; i > 0; i--)
                requests->at += 4 + request_length(requests, requests->at);
}

static void send_next(struct run *run, struct connection *connection, uint64_t now)
{
        struct requests *requests = &run->requests;
        if (run->options.once && requests->left == 0)
                return;
        size_t len = request_length(requests, requests->at);
        ssize_t sent = send(connection->fd, requests->bytes + requests->at + 4, len, MSG_NOSIGNAL);
        if (sent != (ssize_t)len)
                die("a request could not be sent whole");
        requests->left--;
        requests->at += 4 + len;
        if (requests->at >= requests->len)
                requests->at = 0;
        connection->sent_ns = now;
        connection->have = 0;
        run->outstanding++;
}

static void keep_reply(struct run *run, const struct connection *connection)
{
        size_t body = reply_body_start(run->options.protocol, connection->bytes, connection->have);

        fwrite(connection->bytes + body, 1, connection->have - body, run->replies);
        fputc('\n', run->replies);
}

static void take_reply(struct run *run, struct connection *connection)
{
        const char *expect = run->options.expect;
        if (memmem(connection->bytes, connection->have, expect, strlen(expect)) == NULL)
                die("a reply without %s:\n%.*s", expect, (int)connection->have, connection->bytes);
        if (run->replies != NULL)
                keep_reply(run, connection);
        uint64_t now = now_ns();
        if (run->samples < MAX_SAMPLES)
                run->sample_ns[run->samples++] = (uint32_t)(now - connection->sent_ns);
        run->outstanding--;
        run->closing = run->closing || (!run->options.once && now >= run->end_ns);
        if (!run->closing)
                send_next(run, connection, now);
}

static void receive(struct run *run, struct connection *connection)
{
        size_t room = sizeof connection->bytes - connection->have;
        ssize_t got = recv(connection->fd, connection->bytes + connection->have, room, 0);
        if (got <= 0)
                die("the server closed a connection");
        connection->have += (size_t)got;
        size_t len = reply_length(run->options.protocol, connection->bytes, connection->have);
        if (len == REPLY_INCOMPLETE && connection->have < sizeof connection->bytes)
                return;
        if (len != connection->have)
                die("not one reply:\n%.*s", (int)connection->have, connection->bytes);
        take_reply(run, connection);
}

static void connect_all(struct run *run)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(run->options.port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int on = 1;

        run->epoll = epoll_create1(EPOLL_CLOEXEC);
        for (int i = 0; i < run->options.connections; i++) {
                struct connection *connection = &run->connections[i];
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
                connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
                        die("cannot connect to 127.0.0.1:%u", run->options.port);
                setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
                        die("epoll_ctl failed");
        }
}

/*
 * With a CPU of its own the generator spins: a sleeping one must be woken by the server, whose CPU time then grows by
 * what the waking costs, and the more so the slower the server is.
 */
static int wait_for_replies(const struct run *run, struct epoll_event *events)
{
        uint64_t give_up_ns = now_ns() + STALLED_MS * 1000000ull;
        int ready = 0;

        while (ready == 0 && now_ns() < give_up_ns)
                ready = epoll_wait(run->epoll, events, MAX_CONNECTIONS, run->options.spin ? 0 : STALLED_MS);
        if (ready <= 0)
                die("no reply in %d s", STALLED_MS / 1000);
        return ready;
}

static void exchange(struct run *run)
{
        struct epoll_event events[MAX_CONNECTIONS];

        for (int i = 0; i < run->options.connections; i++)
                send_next(run, &run->connections[i], now_ns());
        while (run->outstanding > 0) {
                int ready = wait_for_replies(run, events);
                for (int i = 0; i < ready; i++)
                        receive(run, events[i].data.ptr);
        }
}

/* CPU time that the server has used, user and system, all threads: fields 14 and 15 of /proc/PID/stat. */
static double server_cpu_seconds(long pid)
{
        char path[64], text[1024];
        unsigned long user, system;

        if (pid == 0)
                return 0;
        snprintf(path, sizeof path, "/proc/%ld/stat", pid);
        FILE *file = fopen(path, "re");
        if (file == NULL || fgets(text, sizeof text, file) == NULL)
                die("cannot read %s", path);
        fclose(file);
        const char *after_name = strrchr(text, ')');
        if (after_name == NULL ||
            sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
                die("cannot understand %s", path);
        return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static int compare_samples(const void *a, const void *b)
{
        uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

        return (left > right) - (left < right);
}

static void print_result(struct run *run, double seconds, double cpu_seconds)
{
        double count = (double)run->samples;

        qsort(run->sample_ns, run->samples, sizeof *run->sample_ns, compare_samples);
        printf("{\"requests\": %zu, \"seconds\": %.4f, \"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
               "\"server_cpu_us\": %.3f}\n",
               run->samples, seconds, count / seconds, (double)run->sample_ns[run->samples / 2] / 1e3,
               (double)run->sample_ns[run->samples * 99 / 100] / 1e3, cpu_seconds * 1e6 / count);
}

static _Noreturn void usage(void)
{
        die("--protocol http|resp --port N --requests FILE --expect TEXT [--connections N] [--seconds S | "
            "--once] "
            "[--start N] [--replies FILE] [--pid N] [--spin]");
}

static void set_option(struct options *options, int letter, const char *value)
{
        switch (letter) {
        case 'p':
                options->protocol = strcmp(value, "resp") == 0 ? PROTOCOL_RESP : PROTOCOL_HTTP;
                break;
        case 'P':
                options->port = (uint16_t)strtoul(value, NULL, 10);
                break;
        case 'r':
                options->requests = value;
                break;
        case 'e':
                options->expect = value;
                break;
        case 'c':
                options->connections = (int)strtol(value, NULL, 10);
                break;
        case 's':
                options->seconds = strtod(value, NULL);
                break;
        case 'o':
                options->once = true;
                break;
        case 'S':
                options->start = strtoul(value, NULL, 10);
                break;
        case 'b':
                options->replies = value;
                break;
        case 'i':
                options->pid = strtol(value, NULL, 10);
                break;
        case 'n':
                options->spin = true;
                break;
        default:
                usage();
        }
}

static struct options parse_options(int argc, char **argv)
{
        static const struct option known[] = {
                {"protocol", required_argument, NULL, 'p'},
                {"port", required_argument, NULL, 'P'},
                {"requests", required_argument, NULL, 'r'},
                {"expect", required_argument, NULL, 'e'},
                {"connections", required_argument, NULL, 'c'},
                {"seconds", required_argument, NULL, 's'},
                {"once", no_argument, NULL, 'o'},
                {"start", required_argument, NULL, 'S'},
                {"replies", required_argument, NULL, 'b'},
                {"pid", required_argument, NULL, 'i'},
                {"spin", no_argument, NULL, 'n'},
                {0},
        };
        struct options options = {.connections = 16, .seconds = 3};
        int letter;

        while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
                set_option(&options, letter, optarg);
        if (optind != argc || options.port == 0 || options.requests == NULL || options.expect == NULL ||
            options.connections < 1 || options.connections > MAX_CONNECTIONS)
                usage();
        return options;
}

int main(int argc, char **argv)
{
        struct run run = {.options = parse_options(argc, argv)};

        open_requests(&run.requests, &run.options);
        run.connections = calloc((size_t)run.options.connections, sizeof *run.connections);
        run.sample_ns = malloc(MAX_SAMPLES * sizeof *run.sample_ns);
        run.replies = run.options.replies == NULL ? NULL : fopen(run.options.replies, "we");
        if (run.connections == NULL || run.sample_ns == NULL ||
            (run.options.replies != NULL && run.replies == NULL))
                die("out of memory, or cannot write %s", run.options.replies);
        connect_all(&run);
        double cpu_before = server_cpu_seconds(run.options.pid);
        uint64_t begin = now_ns();
        run.end_ns = begin + (uint64_t)(run.options.seconds * 1e9);
        exchange(&run);
        double seconds = (double)(now_ns() - begin) / 1e9;
        print_result(&run, seconds, server_cpu_seconds(run.options.pid) - cpu_before);
        if (run.replies != NULL && fclose(run.replies) != 0)
                die("cannot write %s", run.options.replies);
        return 0;
}
