/*
 * The form of a key: core/key.h. That it is the form which docs/formats/key.md specifies, an independent
 * implementation says in key_vectors.py.
 */
#include "check.h"
#include "core/base62.h"
#include "core/crc32.h"
#include "core/key.h"

#include <stdio.h>
#include <string.h>

static const struct tk_key_mask mask = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static void fill_from_prng(void *context, void *ret_bytes, size_t len)
{
        uint8_t *bytes = ret_bytes;

        for (size_t i = 0; i < len; i++)
                bytes[i] = (uint8_t)prng_next(context);
}

static struct tk_random prng(uint64_t *seed)
{
        return (struct tk_random){.fill = fill_from_prng, .context = seed};
}

static void prefixes_and_tags(void **state)
{
        static const char *const good_prefixes[] = {"tk", "a0", "abcdefghijklmnop", "k2k"};
        static const char *const bad_prefixes[] = {
                "", "a", "0a", "Tk", "tK", "t_k", "t-k", "abcdefghijklmnopq", "t\xC3\xA4"};
        static const char *const good_tags[] = {"live", "0", "a", "12345678", "dev"};
        static const char *const bad_tags[] = {"", "123456789", "Live", "a_b", "a-b", "a b"};

        (void)state;
        for (size_t i = 0; i < COUNT(good_prefixes); i++)
                assert_true(tk_key_prefix_valid(tk_str_from(good_prefixes[i])));
        for (size_t i = 0; i < COUNT(bad_prefixes); i++)
                assert_false(tk_key_prefix_valid(tk_str_from(bad_prefixes[i])));
        for (size_t i = 0; i < COUNT(good_tags); i++)
                assert_true(tk_key_tag_valid(tk_str_from(good_tags[i])));
        for (size_t i = 0; i < COUNT(bad_tags); i++)
                assert_false(tk_key_tag_valid(tk_str_from(bad_tags[i])));
}

static void what_is_minted_is_parsed_and_located(void **state)
{
        static const char *const prefixes[] = {"tk", "abcdefghijklmnop"}, *const tags[] = {"0", "live",
                                                                                           "12345678"};
        uint64_t seed = 18;

        (void)state;
        for (int i = 0; i < 6000; i++) {
                const char *prefix = prefixes[i % 2], *tag = tags[i % 3];
                uint64_t number = i % 7 == 0 ? TK_KEY_NUMBER_MAX
                                             : prng_magnitude(&seed, TK_KEY_NUMBER_MAX) - 1,
                         located;
                unsigned version = (unsigned)i % 16, located_version;
                struct tk_secret key;
                struct tk_key_parts parts;
                char hint[TK_KEY_HINT_MAX];

                assert_int_equal(tk_key_mint(tk_str_from(prefix), tk_str_from(tag), number, version, &mask,
                                             prng(&seed), &key),
                                 TK_OK);
                assert_int_equal(key.len, strlen(prefix) + strlen(tag) + 2 + TK_KEY_BODY_CHARS);
                assert_true(tk_key_parse(tk_secret_view(&key), &parts));
                assert_str(parts.prefix, prefix);
                assert_str(parts.tag, tag);
                tk_key_locate(&parts, &mask, &located, &located_version);
                assert_true(located == number && located_version == version);
                tk_key_hint(&parts, hint);
                assert_int_equal(strlen(hint), strlen(prefix) + strlen(tag) + 2 + 4);
                assert_memory_equal(hint, key.bytes, strlen(hint));
        }
}

static void minting_refuses(void **state)
{
        uint64_t seed = 19;
        struct tk_secret key = {.len = 3, .bytes = "abc"};

        (void)state;
        assert_int_equal(tk_key_mint(TK_STR("T"), TK_STR("live"), 0, 0, &mask, prng(&seed), &key),
                         TK_INVALID);
        assert_int_equal(tk_key_mint(TK_STR("tk"), TK_STR("Live"), 0, 0, &mask, prng(&seed), &key),
                         TK_INVALID);
        assert_int_equal(
                tk_key_mint(TK_STR("tk"), TK_STR("live"), TK_KEY_NUMBER_MAX + 1, 0, &mask, prng(&seed), &key),
                TK_INVALID);
        assert_int_equal(tk_key_mint(TK_STR("tk"), TK_STR("live"), 0, 16, &mask, prng(&seed), &key),
                         TK_INVALID);
        assert_str(tk_secret_view(&key), "abc");
}

/* Chi-squared with 61 degrees of freedom: over 150 once in 10^8. The generator is seeded, so it is the same
 * each time. */
static void secrets_are_uniform(void **state)
{
        uint64_t seed = 20;
        unsigned count[62] = {0};
        const unsigned keys = 20000;

        (void)state;
        for (unsigned i = 0; i < keys; i++) {
                struct tk_secret key;
                struct tk_key_parts parts;
                tk_key_mint(TK_STR("tk"), TK_STR("live"), i, 0, &mask, prng(&seed), &key);
                assert_true(tk_key_parse(tk_secret_view(&key), &parts));
                for (size_t at = 0; at < parts.secret.len; at++) {
                        uint64_t digit;
                        assert_true(tk_base62_decode(parts.secret.ptr + at, 1, &digit));
                        count[digit]++;
                }
        }
        double expected = keys * 27 / 62.0, chi_squared = 0;
        for (size_t i = 0; i < 62; i++)
                chi_squared += (count[i] - expected) * (count[i] - expected) / expected;
        assert_true(chi_squared < 150);
}

/* 62 and 63 are thrown away, not folded onto other digits: all other bytes count in the order in which they
 * come. */
static void fill_with_rejects(void *context, void *ret_bytes, size_t len)
{
        unsigned *next = context;

        for (size_t i = 0; i < len; i++) {
                ((uint8_t *)ret_bytes)[i] = (uint8_t)(*next % 2 == 0 ? 62 + *next / 2 % 2 : *next / 2);
                (*next)++;
        }
}

static void rejected_bytes_are_drawn_again(void **state)
{
        unsigned next = 0;
        struct tk_random random = {.fill = fill_with_rejects, .context = &next};
        struct tk_secret key;
        struct tk_key_parts parts;

        (void)state;
        assert_int_equal(tk_key_mint(TK_STR("tk"), TK_STR("live"), 5, 5, &mask, random, &key), TK_OK);
        assert_true(tk_key_parse(tk_secret_view(&key), &parts));
        assert_str(parts.secret, "0123456789ABCDEFGHIJKLMNOPQ");
}

/* A slice that ends where the memory does, so that ASan sees a read past it. */
static bool parses(const uint8_t *bytes, size_t len)
{
        struct tk_key_parts parts;
        char copy[TK_KEY_MAX + 2];

        memcpy(copy + sizeof copy - len, bytes, len);
        return tk_key_parse((struct tk_str){copy + sizeof copy - len, len}, &parts);
}

static void every_slip_of_one_character_is_refused(void **state)
{
        uint64_t seed = 21;

        (void)state;
        for (int i = 0; i < 20; i++) {
                struct tk_secret key;
                tk_key_mint(TK_STR("tk"), TK_STR("live"), prng_below(&seed, 1000000), 1, &mask, prng(&seed),
                            &key);
                assert_true(parses(key.bytes, key.len));
                for (size_t at = 0; at < key.len; at++) {
                        uint8_t right = key.bytes[at];
                        for (unsigned byte = 0; byte < 256; byte++) {
                                key.bytes[at] = (uint8_t)byte;
                                assert_int_equal(parses(key.bytes, key.len), byte == right);
                        }
                        key.bytes[at] = right;
                }
                for (size_t at = 0; at + 1 < key.len; at++) { /* two neighbours swapped */
                        uint8_t a = key.bytes[at], b = key.bytes[at + 1];
                        key.bytes[at] = b;
                        key.bytes[at + 1] = a;
                        assert_int_equal(parses(key.bytes, key.len), a == b);
                        key.bytes[at] = a;
                        key.bytes[at + 1] = b;
                }
                for (size_t len = 0; len < key.len; len++) {
                        assert_false(parses(key.bytes, len));
                        assert_false(parses(key.bytes + key.len - len, len));
                }
                key.bytes[key.len] = '0';
                assert_false(parses(key.bytes, key.len + 1));
        }
}

/* Texts whose check characters are right, so that only the shape can be wrong. */
static bool parses_with_check(const char *text)
{
        char key[TK_KEY_MAX + 8];
        size_t len = strlen(text);

        memcpy(key, text, len);
        assert_true(tk_base62_encode(tk_crc32(key, len), TK_KEY_CHECK_CHARS, key + len));
        return parses((const uint8_t *)key, len + TK_KEY_CHECK_CHARS);
}

#define SECRET "abcdefghijklmnopqrstuvwxyz0"

static void other_shapes_are_refused(void **state)
{
        static const char *const bad[] = {
                "",
                "_",
                "__",
                "tk_live" SECRET "00000000",
                "tklive_00000000" SECRET,
                "tk_live_0000000" SECRET,
                "tk_live_000000000" SECRET,
                "tk__00000000" SECRET,
                "_live_00000000" SECRET,
                "t_live_00000000" SECRET,
                "TK_live_00000000" SECRET,
                "1k_live_00000000" SECRET,
                "tk_LIVE_00000000" SECRET,
                "tk_li_ve_00000000" SECRET,
                "tk_123456789_00000000" SECRET,
                "abcdefghijklmnopq_a_00000000" SECRET,
                "tk_live_0000000-" SECRET,
                "tk_live_00000000abcdefghijklmnopqrstuvwxyz-",
                "tk_live_dxlGgaI4" SECRET, /* 2^47: more than a locator has */
                "tk_live_zzzzzzzz" SECRET,
        };

        (void)state;
        assert_true(parses_with_check("tk_live_00000000" SECRET));
        assert_true(parses_with_check("abcdefghijklmnop_12345678_00000000" SECRET)); /* the longest */
        assert_true(parses_with_check("a0_0_00000000" SECRET));                      /* the shortest */
        for (size_t i = 0; i < COUNT(bad); i++) {
                if (parses_with_check(bad[i]))
                        fail_msg("%s is accepted", bad[i]);
        }
}

static void the_largest_locator(void **state)
{
        char text[64] = "tk_live_";

        (void)state;
        memcpy(text + 16, SECRET, sizeof SECRET);
        assert_true(tk_base62_encode((UINT64_C(1) << 47) - 1, 8, text + 8));
        assert_true(parses_with_check(text));
        assert_true(tk_base62_encode(UINT64_C(1) << 47, 8, text + 8));
        assert_false(parses_with_check(text));
}

static void a_refused_key_leaves_the_parts_alone(void **state)
{
        struct tk_key_parts parts = {.prefix = TK_STR("x")};

        (void)state;
        assert_false(tk_key_parse(TK_STR("tk_live_00000000" SECRET "000000"), &parts));
        assert_str(parts.prefix, "x");
        assert_false(tk_key_parse(TK_STR_NONE, &parts));
}

static void what_may_be_a_key_is_hidden(void **state)
{
        static const struct {
                const char *text, *shown;
        } cases[] = {
                {"tk_live_MML5oaeaO1APBkW7b3FF2t1wqawAwWnJAbo2efn1I", "tk_live_MML5..."},
                {"what is \"tk_live_MML5oaeaO1APBkW7b3FF\"?", "what is \"tk_live_MML5...\"?"},
                {"_0123456789abcdefghij", "_0123..."},
                {"_0123456789abcdefghi", "_0123456789abcdefghi"},
                {"0123456789abcdefghijklmnopqrst", "0123456789abcdefghijklmnopqrst"},
                {"sk_test_4eC39HqLyjWDarjtT1zdp7dc, a_4eC39HqLyjWDarjtT1zdp7dc",
                 "sk_test_4eC3..., a_4eC3..."},
                {"key_17 of a_name_of_some_length_", "key_17 of a_name_of_some_length_"},
                {"", ""},
        };
        char text[128];
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                snprintf(text, sizeof text, "%s", cases[i].text);
                assert_int_equal(tk_key_hide(text), strcmp(cases[i].text, cases[i].shown) != 0);
                assert_string_equal(text, cases[i].shown);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(prefixes_and_tags),
                cmocka_unit_test(what_is_minted_is_parsed_and_located),
                cmocka_unit_test(minting_refuses),
                cmocka_unit_test(secrets_are_uniform),
                cmocka_unit_test(rejected_bytes_are_drawn_again),
                cmocka_unit_test(every_slip_of_one_character_is_refused),
                cmocka_unit_test(other_shapes_are_refused),
                cmocka_unit_test(the_largest_locator),
                cmocka_unit_test(a_refused_key_leaves_the_parts_alone),
                cmocka_unit_test(what_may_be_a_key_is_hidden),
        };
        return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
