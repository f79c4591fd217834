/*
 * The daemon's process: what serve.c starts and reload.c changes. Main thread.
 */
#ifndef TK_CLI_DAEMON_H
#define TK_CLI_DAEMON_H

#include "cli/command.h"
#include "cli/welcome.h"
#include "http/server.h"
#include "service/service.h"

struct tk_cli_daemon {
        const struct tk_cli_run *run;
        struct tk_settings settings; /* by which it was started; texts below point into them */
        struct tk_settings now;      /* as they are since the last reload; empty before */
        char address[64];
        struct tk_cidr peers[TK_SETTING_CIDRS_MAX], proxies[TK_SETTING_CIDRS_MAX];
        struct tk_service_config service_config;
        struct tk_server_config server_config;
        struct tk_cli_welcome welcome;
        struct tk_service *service;
        struct tk_server *server;
};

/* What can change while it runs, from settings to what uses them. The lists of `ret_rules` are the daemon's. */
void tk_cli_daemon_log_level(const struct tk_settings *settings);
void tk_cli_daemon_rules(struct tk_cli_daemon *daemon, const struct tk_settings *settings,
                         struct tk_connection_rules *ret_rules);

/* Read all settings anew, and put in force what can be. Every outcome is logged; a mistake changes nothing. */
void tk_cli_daemon_reload(struct tk_cli_daemon *daemon);

#endif
