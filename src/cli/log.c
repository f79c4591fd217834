/*
 * Formats log lines. Any thread: no state, and one write(2) a line, so that lines of threads do not mix. What does not fit
 * into a line is cut.
 */
#include "cli/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

struct line {
        char text[LINE_MAX_BYTES]; /* the last byte is kept for the newline */
        size_t len;
};

static void put(struct line *line, char byte)
{
        if (line->len < LINE_MAX_BYTES - 1)
                line->text[line->len++] = byte;
}

static void put_text(struct line *line, const char *text)
{
        for (; *text; text++)
                put(line, *text);
}

/* Bare where that is clear, else quoted with the escapes of a C string; a line never breaks. */
static void put_value(struct line *line, const char *value)
{
        bool bare = value[0] != '\0' && !strpbrk(value, " \"=\\\n\r\t");
        if (bare) {
                put_text(line, value);
                return;
        }
        put(line, '"');
        for (; *value; value++) {
                if (*value == '"' || *value == '\\')
                        put(line, '\\');
                put(line, (unsigned char)*value < 0x20 ? ' ' : *value);
        }
        put(line, '"');
}

static void put_time(struct line *line)
{
        struct timespec now;
        struct tm utc;
        char text[64];
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        size_t len = strftime(text, sizeof(text), "ts=%Y-%m-%dT%H:%M:%S", &utc);
        snprintf(text + len, sizeof(text) - len, ".%03ldZ ", now.tv_nsec / 1000000);
        put_text(line, text);
}

/* Nobody can be told when the log itself fails. */
static void write_line(struct line *line)
{
        line->text[line->len++] = '\n';
        ssize_t written = write(STDERR_FILENO, line->text, line->len);
        (void)written;
}

static const char *const levels[] = {"info", "warn", "error"};
static _Atomic int least = TK_CLI_LOG_INFO;

void tk_cli_log_from(enum tk_cli_log_level level)
{
        least = (int)level;
}

/* Of a line that begins with its level. */
static bool is_wanted(const char *text)
{
        for (int level = 0; level < least; level++) {
                size_t len = strlen(levels[level]);
                if (strncmp(text, "level=", 6) == 0 && strncmp(text + 6, levels[level], len) == 0)
                        return false;
        }
        return true;
}

void tk_cli_log(enum tk_cli_log_level level, const char *event, ...)
{
        struct line line = {.len = 0};
        if ((int)level < least)
                return;
        put_time(&line);
        put_text(&line, "level=");
        put_text(&line, levels[level]);
        put_text(&line, " event=");
        put_value(&line, event);

        va_list pairs;
        va_start(pairs, event);
        for (const char *name; (name = va_arg(pairs, const char *)) != NULL;) {
                put(&line, ' ');
                put_text(&line, name);
                put(&line, '=');
                put_value(&line, va_arg(pairs, const char *));
        }
        va_end(pairs);
        write_line(&line);
}

void tk_cli_log_line(const char *text)
{
        struct line line = {.len = 0};
        if (!is_wanted(text))
                return;
        put_time(&line);
        put_text(&line, text);
        write_line(&line);
}
