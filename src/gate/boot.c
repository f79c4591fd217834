/*
 * The kernel's id of this boot (boot.h), from its file in /proc: a UUID as text. One thread, at a start. A
 * container shows that of the machine, whose boot clock it has too.
 */
#include "gate/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define PATH         "/proc/sys/kernel/random/boot_id"
#define UUID_TEXT    36 /* 32 digits and 4 hyphens */
#define NO_HEX_DIGIT 16

static unsigned hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return (unsigned)(c - '0');
        return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : NO_HEX_DIGIT;
}

static enum tk_err read_text(char text[UUID_TEXT])
{
        int fd = open(PATH, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM ? TK_NOT_FOUND
                       : errno == ENOMEM                                                        ? TK_NOMEM
                                                                                                : TK_IO;
        ssize_t got = read(fd, text, UUID_TEXT);
        close(fd);
        if (got < 0)
                return TK_IO;
        return got == UUID_TEXT ? TK_OK : TK_NOT_FOUND;
}

enum tk_err tk_boot_id(uint8_t ret_id[TK_BOOT_ID_BYTES])
{
        char text[UUID_TEXT];
        uint8_t id[TK_BOOT_ID_BYTES] = {0};
        unsigned digits = 0;
        enum tk_err err = read_text(text);
        if (err && err != TK_NOT_FOUND)
                return err;
        for (size_t i = 0; !err && i < UUID_TEXT; i++) {
                unsigned digit = hex_digit(text[i]);
                if (digit == NO_HEX_DIGIT || digits == 2 * TK_BOOT_ID_BYTES)
                        continue;
                id[digits / 2] = (uint8_t)((unsigned)id[digits / 2] << 4 | digit);
                digits++;
        }
        memcpy(ret_id, id, sizeof id);
        return TK_OK;
}
