/*
 * The C side of key_vectors.py, which starts it: checks a file of vectors that Python made, or mints keys for
 * Python to check. No test by itself.
 *
 *     key_vectors check FILE     exit 0 when every line of FILE holds; the last line printed is their number
 *     key_vectors mint COUNT     print COUNT lines of the kind `key`
 *
 *     key PREFIX TAG NUMBER VERSION MASK PEPPER SECRET KEY DIGEST HINT
 *     foreign VERSION PEPPER TEXT DIGEST
 *     refused TEXT
 */
#include "core/base62.h"
#include "core/digest.h"
#include "core/key.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 11

struct line {
        size_t count;
        struct tk_str fields[FIELDS_MAX];
};

static bool read_hex(struct tk_str text, uint8_t *ret_bytes, size_t len)
{
        if (text.len != 2 * len)
                return false;
        for (size_t i = 0; i < len; i++) {
                char pair[3] = {text.ptr[2 * i], text.ptr[2 * i + 1], '\0'};
                char *end;
                ret_bytes[i] = (uint8_t)strtoul(pair, &end, 16);
                if (*end != '\0')
                        return false;
        }
        return true;
}

static bool read_pepper(struct tk_str version, struct tk_str pepper, struct tk_pepper_set *ret_set,
                        unsigned *ret_version)
{
        uint64_t number;
        uint8_t bytes[TK_PEPPER_BYTES];

        tk_pepper_set_init(ret_set);
        if (!tk_str_to_u64(version, &number) || !read_hex(pepper, bytes, sizeof bytes))
                return false;
        *ret_version = (unsigned)number;
        return tk_pepper_set_add(ret_set, *ret_version, bytes) == TK_OK;
}

static bool digest_is(const struct tk_digest *digest, struct tk_str expected)
{
        struct tk_digest bytes;

        return read_hex(expected, bytes.bytes, sizeof bytes.bytes) && tk_digest_equal(digest, &bytes);
}

/* Bytes that tk_key_mint() turns into this secret. */
static void fill_from_digits(void *context, void *ret_bytes, size_t len)
{
        struct tk_str *secret = context;

        for (size_t i = 0; i < len; i++) {
                uint64_t digit = 0;
                if (i < secret->len)
                        tk_base62_decode(secret->ptr + i, 1, &digit);
                ((uint8_t *)ret_bytes)[i] = (uint8_t)digit;
        }
}

static bool check_key(struct line *line)
{
        struct tk_str *prefix = &line->fields[1], *tag = &line->fields[2], *secret = &line->fields[7];
        struct tk_str presented = line->fields[8];
        struct tk_pepper_set set;
        struct tk_key_mask mask;
        struct tk_key_parts parts;
        struct tk_digest digest;
        struct tk_secret minted;
        uint64_t number, located;
        unsigned version, located_version;
        char hint[TK_KEY_HINT_MAX];

        if (line->count != FIELDS_MAX || !tk_str_to_u64(line->fields[3], &number) ||
            !read_pepper(line->fields[4], line->fields[6], &set, &version) ||
            !read_hex(line->fields[5], mask.bytes, sizeof mask.bytes))
                return false;
        if (!tk_key_parse(presented, &parts) || !tk_str_equal(parts.prefix, *prefix) ||
            !tk_str_equal(parts.tag, *tag) || !tk_str_equal(parts.secret, *secret))
                return false;
        tk_key_locate(&parts, &mask, &located, &located_version);
        tk_key_hint(&parts, hint);
        if (located != number || located_version != version ||
            !tk_str_equal(tk_str_from(hint), line->fields[10]) ||
            !tk_digest_key(&set, version, presented, &digest) || !digest_is(&digest, line->fields[9]))
                return false;

        struct tk_random random = {.fill = fill_from_digits, .context = secret};
        return tk_key_mint(*prefix, *tag, number, version, &mask, random, &minted) == TK_OK &&
               tk_str_equal(tk_secret_view(&minted), presented);
}

static bool check_foreign(struct line *line)
{
        struct tk_pepper_set set;
        struct tk_digest digest;
        unsigned version;
        uint8_t hash[32];

        if (line->count != 5 || !read_pepper(line->fields[1], line->fields[2], &set, &version))
                return false;
        tk_sha256(line->fields[3].ptr, line->fields[3].len, hash);
        return tk_digest_foreign(&set, version, hash, &digest) && digest_is(&digest, line->fields[4]);
}

static bool check_line(struct line *line)
{
        struct tk_key_parts parts;

        if (tk_str_equal(line->fields[0], TK_STR("key")))
                return check_key(line);
        if (tk_str_equal(line->fields[0], TK_STR("foreign")))
                return check_foreign(line);
        return tk_str_equal(line->fields[0], TK_STR("refused")) && line->count == 2 &&
               !tk_key_parse(line->fields[1], &parts);
}

static int check_file(const char *path)
{
        FILE *file = fopen(path, "r");
        char text[1024];
        unsigned checked = 0;

        if (file == NULL) {
                perror(path);
                return 1;
        }
        while (fgets(text, sizeof text, file) != NULL) {
                struct line line = {0};
                struct tk_str rest = {text, strcspn(text, "\n")};
                while (rest.len > 0 && line.count < FIELDS_MAX)
                        tk_str_cut(rest, ' ', &line.fields[line.count++], &rest);
                if (rest.len > 0 || !check_line(&line)) {
                        fprintf(stderr, "does not hold: %s", text);
                        fclose(file);
                        return 1;
                }
                checked++;
        }
        fclose(file);
        printf("%u\n", checked);
        return 0;
}

static void print_hex(const uint8_t *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++)
                printf("%02x", bytes[i]);
        putchar(' ');
}

static void mint_one(struct tk_random random)
{
        uint8_t pepper[TK_PEPPER_BYTES];
        struct tk_key_mask mask;
        struct tk_pepper_set set;
        struct tk_secret key;
        struct tk_key_parts parts;
        struct tk_digest digest;
        uint64_t number;
        char hint[TK_KEY_HINT_MAX];

        random.fill(random.context, pepper, sizeof pepper);
        random.fill(random.context, &mask, sizeof mask);
        random.fill(random.context, &number, sizeof number);
        unsigned version = (unsigned)(number >> 60);
        number &= TK_KEY_NUMBER_MAX;
        tk_pepper_set_init(&set);
        if (tk_pepper_set_add(&set, version, pepper) != TK_OK ||
            tk_key_mint(TK_STR("tk"), TK_STR("live"), number, version, &mask, random, &key) != TK_OK ||
            !tk_key_parse(tk_secret_view(&key), &parts) ||
            !tk_digest_key(&set, version, tk_secret_view(&key), &digest))
                exit(1);
        tk_key_hint(&parts, hint);

        printf("key tk live %" PRIu64 " %u ", number, version);
        print_hex(mask.bytes, sizeof mask.bytes);
        print_hex(pepper, sizeof pepper);
        printf("%.*s %.*s ", TK_STR_ARG(parts.secret), TK_STR_ARG(tk_secret_view(&key)));
        print_hex(digest.bytes, sizeof digest.bytes);
        printf("%s\n", hint);
}

int main(int argc, char **argv)
{
        uint64_t count;

        if (argc == 3 && strcmp(argv[1], "check") == 0)
                return check_file(argv[2]);
        if (argc != 3 || strcmp(argv[1], "mint") != 0 || !tk_str_to_u64(tk_str_from(argv[2]), &count) ||
            tk_random_init() != 0)
                return 2;
        for (uint64_t i = 0; i < count; i++)
                mint_one(tk_random_system());
        return 0;
}
