/*
 * The secrets that live outside the registry, so that a stolen database verifies nothing: the peppers and the
 * locator mask, in the file DATA/pepper (docs/formats/pepper.md). Made on the first start, loaded once at
 * each, before any thread that decides. A pepper that does not fit the registry's record of it stops the
 * start: with it every key would silently be unknown.
 */
#include "core/arena.h"
#include "gate/secrets_file.h"
#include "service/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#define HEADER                                                                                               \
        "# Tollkeeper's secrets. Without this file no key of this installation can be verified: keep a "     \
        "copy,\n"                                                                                            \
        "# apart from copies of the registry, and show it to nobody.\n"

struct secrets_file {
        char path[4096];
        char text[TK_PEPPER_FILE_MAX_BYTES];
        size_t length;
};

static enum tk_err bad_file(struct tk_fault *fault, const char *path, const char *why)
{
        tk_fault_set(fault, TK_FAULT_internal, "", "put the right file back from its copy",
                     "the pepper file %s %s", path, why);
        return TK_CORRUPT;
}

/* ---- writing: once, on the first start ---- */

static enum tk_err write_all(int fd, const char *bytes, size_t length)
{
        while (length > 0) {
                ssize_t written = write(fd, bytes, length);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written <= 0)
                        return errno == ENOSPC ? TK_FULL : TK_IO;
                bytes += written;
                length -= (size_t)written;
        }
        return TK_OK;
}

static enum tk_err sync_dir(const char *dir)
{
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return TK_IO;
        int failed = fsync(fd);
        close(fd);
        return failed ? TK_IO : TK_OK;
}

/* Whole or not at all: a new file, synced, then renamed into place. */
static enum tk_err write_file(const struct tk_service *service, const struct secrets_file *file)
{
        char temporary[4096 + 8];
        snprintf(temporary, sizeof(temporary), "%s.new", file->path);
        int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return errno == ENOSPC ? TK_FULL : TK_IO;
        enum tk_err err = write_all(fd, file->text, file->length);
        if (err == TK_OK && fsync(fd) != 0)
                err = TK_IO;
        close(fd);
        if (err == TK_OK && rename(temporary, file->path) != 0)
                err = TK_IO;
        if (err == TK_OK)
                err = sync_dir(service->data_dir);
        if (err != TK_OK)
                unlink(temporary);
        return err;
}

static enum tk_err make_file(struct tk_service *service, struct secrets_file *file, struct tk_fault *fault)
{
        uint8_t mask[16], pepper[TK_PEPPER_BYTES];
        char mask_hex[2 * sizeof(mask) + 1], pepper_hex[2 * sizeof(pepper) + 1];
        struct tk_random random = service->config.random;
        random.fill(random.context, mask, sizeof(mask));
        random.fill(random.context, pepper, sizeof(pepper));
        sodium_bin2hex(mask_hex, sizeof(mask_hex), mask, sizeof(mask));
        sodium_bin2hex(pepper_hex, sizeof(pepper_hex), pepper, sizeof(pepper));
        int length = snprintf(file->text, sizeof(file->text), HEADER "mask %s\npepper 0 %s\n", mask_hex,
                              pepper_hex);
        file->length = (size_t)length;
        enum tk_err err = write_file(service, file);
        tk_wipe(pepper, sizeof(pepper));
        tk_wipe(pepper_hex, sizeof(pepper_hex));
        tk_wipe(mask, sizeof(mask));
        tk_wipe(mask_hex, sizeof(mask_hex));
        if (err != TK_OK)
                tk_fault_set(fault, TK_FAULT_internal, "", "check space and rights of the data directory",
                             "cannot write the pepper file %s: %s", file->path, strerror(errno));
        return err;
}

/* ---- the registry's record ---- */

struct pepper_list {
        struct tk_pepper peppers[TK_PEPPER_VERSIONS];
        size_t count;
};

static enum tk_err read_peppers(struct tk_txn *txn, void *context)
{
        struct pepper_list *list = context;
        return tk_pepper_list(txn, list->peppers, &list->count);
}

static enum tk_err record_first_pepper(struct tk_txn *txn, void *context)
{
        struct tk_service *service = context;
        struct tk_pepper pepper = {.created_s = (int64_t)(tk_service_now_ns(service) / TK_NS_PER_S)};
        if (!tk_pepper_check(&service->secrets.peppers, pepper.version, pepper.check))
                return TK_CORRUPT;
        struct tk_change change = {.at_s = pepper.created_s,
                                   .actor = TK_STR("system"),
                                   .source = TK_STR("local"),
                                   .action = TK_STR("pepper.create")};
        return tk_pepper_create(txn, &pepper, &change);
}

/* Each version that the registry knows must be in the file, and be the same. */
static enum tk_err hold_against(struct tk_service *service, const struct pepper_list *list, const char *path,
                                struct tk_fault *fault)
{
        for (size_t i = 0; i < list->count; i++) {
                uint8_t check[8];
                if (!tk_pepper_check(&service->secrets.peppers, list->peppers[i].version, check))
                        return bad_file(fault, path,
                                        "lacks a pepper that keys in the registry were made with");
                if (!tk_equal_constant_time(check, list->peppers[i].check, sizeof(check)))
                        return bad_file(fault, path,
                                        "is of another installation: its pepper does not fit the registry");
                if (list->peppers[i].version > service->pepper_version)
                        service->pepper_version = list->peppers[i].version;
        }
        return TK_OK;
}

enum tk_err tk_secrets_load(struct tk_service *service, struct tk_fault *fault)
{
        struct secrets_file file = {.length = 0};
        struct pepper_list list = {.count = 0};
        snprintf(file.path, sizeof(file.path), "%s/pepper", service->data_dir);
        enum tk_err err = tk_registry_read(service->registry, read_peppers, &list);
        if (err != TK_OK)
                return tk_fault_from_err(fault, err);
        err = tk_secrets_file_read(file.path, &service->secrets, NULL, fault);
        if (err == TK_NOT_FOUND && list.count > 0)
                return bad_file(fault, file.path, "is missing, and keys in the registry were made with it");
        if (err == TK_NOT_FOUND) {
                fault->code = TK_FAULT_none;
                err = make_file(service, &file, fault);
                tk_wipe(file.text, sizeof(file.text));
                if (err == TK_OK)
                        err = tk_secrets_file_read(file.path, &service->secrets, NULL, fault);
        }
        if (err != TK_OK)
                return err;
        if (list.count > 0)
                return hold_against(service, &list, file.path, fault);
        err = tk_registry_write(service->registry, TK_LANE_NORMAL, record_first_pepper, service);
        return err == TK_OK ? TK_OK : tk_fault_from_err(fault, err);
}
