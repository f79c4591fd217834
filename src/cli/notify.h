/*
 * Tells the service manager how the daemon is: sd_notify(3)'s protocol, datagrams to $NOTIFY_SOCKET. Does nothing where nobody
 * listens. Main thread.
 */
#ifndef TK_CLI_NOTIFY_H
#define TK_CLI_NOTIFY_H

/* READY=1 and the like; several lines are one message. Nobody can be told when it fails. */
void tk_cli_notify(const char *state);

/* RELOADING=1 with the time that the manager wants with it; READY=1 follows. */
void tk_cli_notify_reloading(void);

/* Once a second: WATCHDOG=1, where the manager watches this process. */
void tk_cli_notify_alive(void);

#endif
