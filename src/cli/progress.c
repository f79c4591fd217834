/*
 * Draws the bar. See progress.h.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAW_EVERY_NS INT64_C(200000000)
#define BAR_CELLS     24
#define NS_PER_S      1e9

static int64_t now_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void tk_cli_progress_init(struct tk_cli_progress *progress)
{
        const char *terminal = getenv("TERM");
        *progress = (struct tk_cli_progress){
                .shown = isatty(STDERR_FILENO) && !(terminal && strcmp(terminal, "dumb") == 0),
                .begun_ns = now_ns(),
        };
}

bool tk_cli_progress_due(const struct tk_cli_progress *progress)
{
        return progress->shown && now_ns() - progress->drawn_ns >= DRAW_EVERY_NS;
}

/* 1234567 as 1,234,567. */
static const char *grouped(uint64_t value, char ret_text[32])
{
        char digits[24];
        int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value), at = 0;
        for (int i = 0; i < len; i++) {
                if (i > 0 && (len - i) % 3 == 0)
                        ret_text[at++] = ',';
                ret_text[at++] = digits[i];
        }
        ret_text[at] = '\0';
        return ret_text;
}

static void draw_bar(struct tk_cli_progress *progress, uint64_t done, uint64_t total)
{
        unsigned percent = (unsigned)(done >= total ? 100 : done * 100 / total);
        if (percent < progress->percent)
                percent = progress->percent;
        progress->percent = percent;
        unsigned full = percent * BAR_CELLS / 100;
        fputc('[', stderr);
        for (unsigned i = 0; i < BAR_CELLS; i++)
                fputc(i < full ? '#' : '.', stderr);
        fprintf(stderr, "] %3u%%  ", percent);
}

void tk_cli_progress_draw(struct tk_cli_progress *progress, const char *what, uint64_t done, uint64_t total,
                          const char *note)
{
        char count[32], rate[32];
        if (!progress->shown)
                return;
        progress->drawn_ns = now_ns();
        progress->drawn = true;
        double seconds = (double)(progress->drawn_ns - progress->begun_ns) / NS_PER_S;
        double each_s = seconds > 0 ? (double)done / seconds : 0;
        fputc('\r', stderr);
        if (total > 0)
                draw_bar(progress, done, total);
        fprintf(stderr, "%s %s  %s/s", grouped(done, count), what, grouped((uint64_t)each_s, rate));
        if (total > done && each_s >= 1)
                fprintf(stderr, "  %.0f s left", (double)(total - done) / each_s);
        fprintf(stderr, "%s%s\033[K", note[0] ? "  " : "", note);
        fflush(stderr);
}

void tk_cli_progress_clear(struct tk_cli_progress *progress)
{
        if (progress->drawn)
                fputs("\r\033[K", stderr);
        progress->drawn = false;
        fflush(stderr);
}
