/*
 * The daemon's log: one line an event on standard error, in logfmt. Called from any thread; each line is one write.
 * Never given a secret.
 */
#ifndef TK_CLI_LOG_H
#define TK_CLI_LOG_H

enum tk_cli_log_level { TK_CLI_LOG_INFO, TK_CLI_LOG_WARN, TK_CLI_LOG_ERROR };

/*
 * ts=2026-11-23T22:14:14.012Z level=info event=listening address=127.0.0.1 port=8420
 * Pairs of name and value follow the event; NULL ends them.
 */
void tk_cli_log(enum tk_cli_log_level level, const char *event, ...) __attribute__((sentinel));

/* From now on nothing below this level is written. Any thread. */
void tk_cli_log_from(enum tk_cli_log_level level);

/* A line that has its level and event already: only the time is put before it. */
void tk_cli_log_line(const char *line);

#endif
