/*
 * Asks the system about the terminal. Main thread only; the echo is switched on again whatever happens to the line.
 */
#include "cli/terminal.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

unsigned tk_cli_terminal_columns(void)
{
        struct winsize size;
        if (!isatty(STDOUT_FILENO))
                return 0;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
                return 80;
        return size.ws_col;
}

static bool colours(void)
{
        const char *no_color = getenv("NO_COLOR");
        const char *terminal = getenv("TERM");
        bool wanted = !(no_color && no_color[0] != '\0') && terminal && strcmp(terminal, "dumb") != 0;
        return wanted && isatty(STDOUT_FILENO);
}

const char *tk_cli_colour_on(enum tk_cli_colour colour)
{
        static const char *const codes[] = {
                [TK_CLI_PLAIN] = "",       [TK_CLI_GREEN] = "\033[32m", [TK_CLI_YELLOW] = "\033[33m",
                [TK_CLI_RED] = "\033[31m", [TK_CLI_BOLD] = "\033[1m",   [TK_CLI_DIM] = "\033[2m",
        };
        return colours() ? codes[colour] : "";
}

const char *tk_cli_colour_off(enum tk_cli_colour colour)
{
        return colour != TK_CLI_PLAIN && colours() ? "\033[0m" : "";
}

/* Up to the end of the line, byte by byte: stdio would keep a copy in its buffer. SIGINT can come only while it waits. */
static bool read_line(const sigset_t *while_waiting, struct tk_secret *ret_secret)
{
        char line[TK_SECRET_MAX + 1];
        size_t len = 0;
        bool ended = false;
        while (!ended && len < sizeof(line)) {
                struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
                if (ppoll(&input, 1, NULL, while_waiting) <= 0 || read(STDIN_FILENO, line + len, 1) <= 0)
                        break;
                ended = line[len] == '\n';
                len += !ended;
        }
        bool good = ended && tk_secret_set(ret_secret, line, len);
        tk_wipe(line, sizeof(line));
        return good;
}

/* Its only effect is that ppoll() returns. */
static void interrupted(int signal)
{
        (void)signal;
}

bool tk_cli_terminal_ask(const char *prompt, struct tk_secret *ret_secret)
{
        struct termios before;
        if (tcgetattr(STDIN_FILENO, &before) != 0)
                return false;
        struct termios silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        silent.c_lflag |= ECHONL;

        /* Ctrl-C must not leave a terminal that shows nothing: it ends the wait, at whatever moment it comes. */
        struct sigaction interrupt = {.sa_handler = interrupted}, interrupt_before;
        sigset_t blocked, mask_before;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGINT);
        sigprocmask(SIG_BLOCK, &blocked, &mask_before);
        sigaction(SIGINT, &interrupt, &interrupt_before);

        bool good = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
        if (good) {
                fputs(prompt, stderr); /* now, not before: who sees it may type, and must not be seen */
                good = read_line(&mask_before, ret_secret);
        }
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        sigaction(SIGINT, &interrupt_before, NULL);
        sigprocmask(SIG_SETMASK, &mask_before, NULL);
        return good;
}
