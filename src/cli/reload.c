/*
 * Reloading: SIGHUP. What can change while requests are served does; the rest is named in the log. Main thread.
 */
#include "cli/daemon.h"
#include "cli/log.h"
#include "cli/notify.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void tk_cli_daemon_log_level(const struct tk_settings *settings)
{
        const char *level = settings->values[TK_SETTING_log_level].text;
        tk_cli_log_from(level[0] == 'i'   ? TK_CLI_LOG_INFO
                        : level[0] == 'w' ? TK_CLI_LOG_WARN
                                          : TK_CLI_LOG_ERROR);
}

void tk_cli_daemon_rules(struct tk_cli_daemon *daemon, const struct tk_settings *settings,
                         struct tk_connection_rules *ret_rules)
{
        *ret_rules = (struct tk_connection_rules){
                .verify_peers = daemon->peers,
                .verify_peer_count = tk_settings_cidrs(settings, TK_SETTING_verify_peers, daemon->peers),
                .trusted_proxies = daemon->proxies,
                .trusted_proxy_count =
                        tk_settings_cidrs(settings, TK_SETTING_trusted_proxies, daemon->proxies),
                .connections_max = (unsigned)tk_settings_number(settings, TK_SETTING_connections),
                .connections_per_address =
                        (unsigned)tk_settings_number(settings, TK_SETTING_connections_per_address),
                .request_timeout_s = (unsigned)tk_settings_number(settings, TK_SETTING_request_timeout),
                .idle_timeout_s = (unsigned)tk_settings_number(settings, TK_SETTING_idle_timeout),
        };
}

static void say(const char *detail, const char *mend)
{
        tk_cli_log(TK_CLI_LOG_ERROR, "reload_refused", "detail", detail, "mend", mend ? mend : "", NULL);
}

/* Against what is in force: what cannot change is still as it was started. */
static void name_changes(const struct tk_cli_daemon *daemon, const struct tk_settings *fresh)
{
        const struct tk_settings *before = daemon->now.values[0].text ? &daemon->now : &daemon->settings;
        for (size_t i = 0; i < TK_SETTING_COUNT; i++) {
                bool reloaded = tk_settings_table[i].change == TK_SETTING_RELOADED;
                const char *was = (reloaded ? before : &daemon->settings)->values[i].text;
                const char *is = fresh->values[i].text;
                if (strcmp(was, is) == 0)
                        continue;
                tk_cli_log(reloaded ? TK_CLI_LOG_INFO : TK_CLI_LOG_WARN,
                           reloaded ? "setting_changed" : "setting_needs_restart", "setting",
                           tk_settings_table[i].name, "was", was, "is", is, "from", fresh->values[i].from,
                           NULL);
        }
}

/* The files are read again also where their names are the same: that is how certificates are renewed. */
static bool reload_cert(struct tk_cli_daemon *daemon, const struct tk_settings *fresh)
{
        const char *cert = tk_settings_text(fresh, TK_SETTING_tls_cert);
        const char *key = tk_settings_text(fresh, TK_SETTING_tls_key);
        struct tk_fault fault = {0};
        int64_t expires_s;
        char when[32];
        if (!daemon->server_config.tls_cert != !cert) {
                say("TLS is switched on or off by a restart only", "restart the daemon");
                return false;
        }
        if (!cert)
                return true;
        if (tk_server_change_cert(daemon->server, cert, key, &expires_s, &fault) != TK_OK) {
                say(fault.detail, fault.mend);
                return false;
        }
        time_t expires = (time_t)expires_s;
        struct tm utc;
        gmtime_r(&expires, &utc);
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
        tk_cli_log(TK_CLI_LOG_INFO, "certificate_loaded", "file", cert, "expires_at", when, NULL);
        return true;
}

static bool take(struct tk_cli_daemon *daemon, const struct tk_settings *fresh)
{
        struct tk_connection_rules rules;
        if (!reload_cert(daemon, fresh))
                return false;
        tk_cli_daemon_rules(daemon, fresh, &rules);
        if (tk_server_change_rules(daemon->server, &rules) != TK_OK) {
                say("out of memory", NULL);
                return false;
        }
        tk_cli_daemon_log_level(fresh);
        name_changes(daemon, fresh);
        return true;
}

void tk_cli_daemon_reload(struct tk_cli_daemon *daemon)
{
        struct tk_settings fresh;
        tk_cli_notify_reloading();
        if (!tk_settings_read(daemon->run, say, &fresh) || !take(daemon, &fresh)) {
                tk_settings_fini(&fresh);
                tk_cli_notify("READY=1\nSTATUS=The last reload was refused; the log says why");
                return;
        }
        tk_settings_fini(&daemon->now);
        daemon->now = fresh;
        tk_cli_notify("READY=1\nSTATUS=");
        tk_cli_log(TK_CLI_LOG_INFO, "reloaded", "file", fresh.file ? fresh.file : "none", NULL);
}
