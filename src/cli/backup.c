/*
 * `tollkeeper backup` and `tollkeeper restore`. A backup is asked of the daemon and checked before it gets its name; restoring needs
 * no daemon. Main thread only.
 */
#include "service/backup.h"

#include "cli/args.h"
#include "cli/client.h"
#include "cli/nouns.h"
#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failed(const struct tk_fault *fault)
{
        return tk_cli_fail(TK_CLI_EXIT_failed, fault->field, fault->mend, "%s", fault->detail);
}

/* ---- backup ---- */

static int fetch(const struct tk_cli_run *run, const char *part)
{
        struct tk_cli_client *client = NULL;
        const struct tk_cli_request request = {.method = "GET", .path = "/v1/backup"};
        int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return tk_cli_fail(TK_CLI_EXIT_failed, NULL,
                                   errno == EEXIST ? "remove it, if nobody writes it" : NULL,
                                   "cannot write %s: %s", part, strerror(errno));
        int exit = tk_cli_client_open(run, &client);
        if (exit == TK_CLI_EXIT_ok)
                exit = tk_cli_client_save(client, &request, fd);
        if (exit == TK_CLI_EXIT_ok && fsync(fd) != 0)
                exit = tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "cannot write %s: %s", part,
                                   strerror(errno));
        close(fd);
        tk_cli_client_close(client);
        return exit;
}

static int check(const char *part, struct tk_archive_info *ret_info)
{
        struct tk_fault fault = {0};
        return tk_archive_unpack(part, -1, ret_info, &fault) == TK_OK ? TK_CLI_EXIT_ok : failed(&fault);
}

static int say_backup(const struct tk_cli_run *run, const struct tk_archive_info *info)
{
        if (tk_cli_args_has(run, TK_CLI_OPTION_json))
                printf("{\"file\": \"%s\", \"created_at\": \"%s\", \"registry_bytes\": %llu, "
                       "\"meters_bytes\": %llu}\n",
                       run->argument, info->created_at, (unsigned long long)info->registry_bytes,
                       (unsigned long long)info->meters_bytes);
        else
                printf("wrote %s: the registry of %s (%llu bytes) and the meters (%llu bytes), checked\n"
                       "The pepper is not in it: keep a copy of the data directory's file `pepper` apart "
                       "from this one.\n",
                       run->argument, info->created_at, (unsigned long long)info->registry_bytes,
                       (unsigned long long)info->meters_bytes);
        return TK_CLI_EXIT_ok;
}

static int run_backup(const struct tk_cli_run *run)
{
        struct tk_archive_info info;
        const char *part = tk_arena_printf(run->arena, "%s.part", run->argument).ptr;
        if (!part)
                return tk_cli_out_of_memory();
        if (access(run->argument, F_OK) == 0)
                return tk_cli_fail(TK_CLI_EXIT_usage, NULL, "choose another name, or remove it", "%s exists",
                                   run->argument);
        int exit = fetch(run, part);
        if (exit == TK_CLI_EXIT_ok)
                exit = check(part, &info);
        if (exit == TK_CLI_EXIT_ok && rename(part, run->argument) != 0)
                exit = tk_cli_fail(TK_CLI_EXIT_failed, NULL, NULL, "cannot write %s: %s", run->argument,
                                   strerror(errno));
        if (exit == TK_CLI_EXIT_ok)
                return say_backup(run, &info);
        unlink(part);
        return exit;
}

/* ---- restore ---- */

static int run_restore(const struct tk_cli_run *run)
{
        const struct tk_restore restore = {
                .archive = run->argument,
                .data_dir = tk_cli_args_text(run, TK_CLI_OPTION_data, NULL),
                .pepper_file = tk_cli_args_text(run, TK_CLI_OPTION_pepper_file, NULL),
        };
        struct tk_archive_info info;
        struct tk_fault fault = {0};
        if (tk_restore_run(&restore, &info, &fault) != TK_OK)
                return failed(&fault);
        printf("restored %s: the registry of %s and its meters\n", restore.data_dir, info.created_at);
        if (!restore.pepper_file)
                printf("Before you start the daemon, put the copy of the pepper there: %s/pepper, mode "
                       "0600.\n",
                       restore.data_dir);
        return TK_CLI_EXIT_ok;
}

static const struct tk_cli_command backup[] = {{
        .argument = "FILE",
        .summary = "write all that the daemon keeps into a file, while it runs",
        .notes = "Keys, plans and the like as of one moment, and what was used by then. Without secrets: the "
                 "pepper, without "
                 "which\nno key can be verified, is a file of the data directory that hardly ever changes; "
                 "keep a copy of it "
                 "elsewhere.\nThe scope `backup:read` lets a key do it over TCP.",
        .example = "tollkeeper backup tollkeeper-1.tar",
        .options = TK_CLI_CONNECTION,
        .run = run_backup,
}};

const struct tk_cli_noun tk_cli_noun_backup = {
        .name = "backup",
        .summary = "write all that the daemon keeps into a file, while it runs",
        TK_CLI_COMMANDS(backup),
};

static const struct tk_cli_command restore[] = {{
        .argument = "FILE",
        .summary = "bring a backup back, into an empty directory, here or on another machine",
        .notes = "Checks all that it brings back, and needs no daemon. Quotas and credits go on where they "
                 "were.",
        .example =
                "tollkeeper backup tollkeeper-2.tar && tollkeeper restore tollkeeper-2.tar --data restored "
                "--pepper-file data/pepper",
        .options = TK_CLI_HAS(data) | TK_CLI_HAS(pepper_file),
        .required = TK_CLI_HAS(data),
        .run = run_restore,
}};

const struct tk_cli_noun tk_cli_noun_restore = {
        .name = "restore",
        .summary = "bring a backup back, into an empty directory, here or on another machine",
        TK_CLI_COMMANDS(restore),
};
