/*
 * Reads the configuration file (settings_file.h). The whole file is in memory; 64 KiB are plenty for twenty settings.
 */
#include "cli/settings_file.h"

#include "cli/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (64u << 10)
#define TEXT_MAX       512

struct reader {
        const char *path;
        unsigned line;
        tk_settings_say *say;
        unsigned seen[TK_SETTING_COUNT]; /* the line of each, 0: none yet */
};

static bool complain(const struct reader *reader, const char *mend, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static bool complain(const struct reader *reader, const char *mend, const char *format, ...)
{
        char what[TEXT_MAX], whole[2 * TEXT_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof(what), format, args);
        va_end(args);
        if (reader->line > 0)
                snprintf(whole, sizeof(whole), "%s:%u: %s", reader->path, reader->line, what);
        else
                snprintf(whole, sizeof(whole), "%s: %s", reader->path, what);
        if (reader->say)
                reader->say(whole, mend);
        return false;
}

/* Names under which people look for a place to put a secret. */
static bool sounds_secret(struct tk_str name)
{
        static const char *const words[] = {"admin-key", "pepper", "password", "secret", "token"};
        char text[64];
        snprintf(text, sizeof(text), "%.*s", TK_STR_ARG(name));
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strstr(text, words[i]))
                        return true;
        return false;
}

static bool unknown(const struct reader *reader, struct tk_str name)
{
        char wanted[64], mend[128] = "`tollkeeper help settings` lists them";
        struct tk_cli_suggestion near;
        if (sounds_secret(name))
                return complain(reader,
                                "remove the line: secrets are never settings; the pepper is a file of the "
                                "data directory",
                                "there is no setting \"%.*s\"", TK_STR_ARG(name));
        snprintf(wanted, sizeof(wanted), "%.*s", TK_STR_ARG(name));
        tk_cli_suggest_init(&near, wanted);
        for (size_t i = 0; i < TK_SETTING_COUNT; i++)
                if (i != TK_SETTING_config)
                        tk_cli_suggest_offer(&near, tk_settings_table[i].name);
        if (near.best)
                snprintf(mend, sizeof(mend), "did you mean %s?", near.best);
        return complain(reader, mend, "there is no setting \"%s\"", wanted);
}

static struct tk_str unquote(struct tk_str value)
{
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
                return (struct tk_str){value.ptr + 1, value.len - 2};
        return value;
}

static bool take_line(struct reader *reader, struct tk_str line, tk_settings_line *take, void *context)
{
        struct tk_str name, value;
        enum tk_setting setting;
        line = tk_str_trim(line);
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
                line = tk_str_trim((struct tk_str){line.ptr, line.len - 1});
        if (line.len == 0 || line.ptr[0] == '#')
                return true;
        if (line.ptr[0] == '[')
                return complain(reader, "remove the line", "there are no sections");
        if (!tk_str_is_utf8(line) || memchr(line.ptr, '\0', line.len))
                return complain(reader, "write it as text", "the line is not UTF-8 text");
        if (!tk_str_cut(line, '=', &name, &value))
                return complain(reader, "write `name = value`, and comments after a # that begins the line",
                                "\"%.*s\" sets nothing", TK_STR_ARG(line));
        name = tk_str_trim(name);
        value = unquote(tk_str_trim(value));
        if (!tk_setting_find(name, &setting) || setting == TK_SETTING_config)
                return unknown(reader, name);
        if (reader->seen[setting] != 0)
                return complain(reader, "keep one of the two", "%s is set in line %u already",
                                tk_settings_table[setting].name, reader->seen[setting]);
        reader->seen[setting] = reader->line;
        if (value.len == 0)
                return complain(reader, "remove the line for the default", "%s has no value",
                                tk_settings_table[setting].name);
        return take(context, reader->line, setting, value);
}

static bool take_text(struct reader *reader, struct tk_str text, tk_settings_line *take, void *context)
{
        bool good = true, more = true;
        while (more) {
                struct tk_str line;
                more = tk_str_cut(text, '\n', &line, &text);
                reader->line++;
                good &= take_line(reader, line, take, context);
        }
        return good;
}

static bool check_file(const struct reader *reader, int fd)
{
        struct stat status;
        if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
                return complain(reader, "name a file with --config", "this is no file");
        if (status.st_mode & S_IWOTH)
                return complain(reader, "chmod o-w it", "everybody may change it");
        if (status.st_size >= (off_t)FILE_MAX_BYTES)
                return complain(reader, "name a configuration file", "this is too long for a configuration");
        return true;
}

bool tk_settings_file_read(const char *path, struct tk_arena *arena, tk_settings_line *take, void *context,
                           tk_settings_say *say)
{
        struct reader reader = {.path = path, .say = say};
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return complain(&reader, "check the path and who may read it", "cannot read it: %s",
                                strerror(errno));
        char *text = check_file(&reader, fd) ? tk_arena_alloc(arena, FILE_MAX_BYTES) : NULL;
        ssize_t len = text ? read(fd, text, FILE_MAX_BYTES) : -1;
        close(fd);
        if (len < 0)
                return text ? complain(&reader, NULL, "cannot read it: %s", strerror(errno)) : false;
        return take_text(&reader, (struct tk_str){text, (size_t)len}, take, context);
}
