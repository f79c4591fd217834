/*
 * Service manager notification (notify.h). Forty lines of our own instead of libsystemd, which would be linked into every start of
 * the command line, and has been a way into programs that needed no more than this of it.
 */
#include "cli/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void tk_cli_notify(const char *state)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
                return;
        size_t len = strlen(path);
        memcpy(address.sun_path, path, len);
        if (path[0] == '@')
                address.sun_path[0] = '\0'; /* a name in the abstract space */
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
        (void)sent;
        close(fd);
}

void tk_cli_notify_reloading(void)
{
        char text[64];
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
                 (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
        tk_cli_notify(text);
}

void tk_cli_notify_alive(void)
{
        const char *pid = getenv("WATCHDOG_PID");
        if (getenv("WATCHDOG_USEC") && (!pid || strtol(pid, NULL, 10) == (long)getpid()))
                tk_cli_notify("WATCHDOG=1");
}
