/*
 * Digests and peppers: core/digest.h, against the vectors of RFC 4231 and FIPS 180-4.
 */
#include "check.h"
#include "core/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hex(const uint8_t *bytes, size_t len, char *ret_text)
{
        for (size_t i = 0; i < len; i++)
                snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
}

/* RFC 4231: keys up to 32 bytes, which zeros at the end do not change (HMAC pads with zeros itself). */
static void hmac_vectors(void **state)
{
        static const struct {
                const char *pepper, *message, *digest;
        } cases[] = {
                {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
                 "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
                {"Jefe", "what do ya want for nothing?",
                 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
                {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16"
                 "\x17\x18\x19",
                 "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
                 "\xcd\xcd\xcd"
                 "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
                 "\xcd\xcd\xcd",
                 "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                uint8_t pepper[TK_PEPPER_BYTES] = {0};
                struct tk_pepper_set set;
                struct tk_digest digest;
                char text[65];
                memcpy(pepper, cases[i].pepper, strlen(cases[i].pepper));
                tk_pepper_set_init(&set);
                assert_int_equal(tk_pepper_set_add(&set, 15, pepper), TK_OK);
                for (int again = 0; again < 2; again++) { /* computing one leaves the set as it was */
                        assert_true(tk_digest_key(&set, 15, tk_str_from(cases[i].message), &digest));
                        hex(digest.bytes, sizeof digest.bytes, text);
                        assert_string_equal(text, cases[i].digest);
                }
                tk_pepper_set_fini(&set);
        }
}

/* Each length has its own way into the last block; nettle's own HMAC is the judge. */
static void every_length(void **state)
{
        static const uint8_t pepper[TK_PEPPER_BYTES] = {0xfe, 0xdc, 0xba};
        struct tk_pepper_set set;
        char text[200];

        (void)state;
        for (size_t i = 0; i < sizeof text; i++)
                text[i] = (char)(0x80 + i * 7);
        tk_pepper_set_init(&set);
        tk_pepper_set_add(&set, 3, pepper);
        for (size_t len = 0; len <= sizeof text; len++) {
                struct hmac_sha256_ctx judge;
                struct tk_digest digest, expected;
                /* at the very end of its memory, so that a sanitizer sees a byte too many */
                char *exact = malloc(len + !len);
                memcpy(exact, text, len);
                assert_true(tk_digest_key(&set, 3, (struct tk_str){exact, len}, &digest));
                hmac_sha256_set_key(&judge, sizeof pepper, pepper);
                hmac_sha256_update(&judge, len, (const uint8_t *)text);
                hmac_sha256_digest(&judge, sizeof expected.bytes, expected.bytes);
                assert_true(tk_digest_equal(&digest, &expected));
                free(exact);
        }
        tk_pepper_set_fini(&set);
}

static void sha256_vectors(void **state)
{
        uint8_t hash[32];
        char text[65];

        (void)state;
        tk_sha256("abc", 3, hash);
        hex(hash, sizeof hash, text);
        assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        tk_sha256("", 0, hash);
        hex(hash, sizeof hash, text);
        assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void versions(void **state)
{
        static const uint8_t pepper[TK_PEPPER_BYTES] = {1}, other[TK_PEPPER_BYTES] = {2};
        struct tk_pepper_set set;
        struct tk_digest first, second;
        uint8_t check[8] = {0};

        (void)state;
        tk_pepper_set_init(&set);
        assert_int_equal(tk_pepper_set_add(&set, TK_PEPPER_VERSIONS, pepper), TK_INVALID);
        assert_int_equal(tk_pepper_set_add(&set, UINT32_MAX, pepper), TK_INVALID);
        assert_false(tk_digest_key(&set, 0, TK_STR("key"), &first));
        assert_int_equal(tk_pepper_set_add(&set, 0, pepper), TK_OK);
        assert_true(tk_digest_key(&set, 0, TK_STR("key"), &first));
        assert_int_equal(tk_pepper_set_add(&set, 0, other), TK_CONFLICT);
        assert_true(tk_digest_key(&set, 0, TK_STR("key"), &second));
        assert_true(tk_digest_equal(&first, &second));

        assert_false(tk_digest_key(&set, 1, TK_STR("key"), &second));
        assert_false(tk_digest_key(&set, TK_PEPPER_VERSIONS, TK_STR("key"), &second));
        assert_false(tk_digest_foreign(&set, 1, pepper, &second));
        assert_false(tk_pepper_check(&set, 1, check));
        assert_int_equal(check[0], 0);
        assert_int_equal(tk_pepper_set_add(&set, 1, other), TK_OK);
        assert_true(tk_digest_key(&set, 1, TK_STR("key"), &second));
        assert_false(tk_digest_equal(&first, &second));
        second = first;
        second.bytes[31] ^= 1;
        assert_false(tk_digest_equal(&first, &second));
        tk_pepper_set_fini(&set);
        tk_pepper_set_fini(NULL);
}

static void foreign_keys_are_hashed_first(void **state)
{
        static const uint8_t pepper[TK_PEPPER_BYTES] = {3};
        struct tk_pepper_set set;
        struct tk_digest foreign, same;
        uint8_t hash[32];

        (void)state;
        tk_pepper_set_init(&set);
        tk_pepper_set_add(&set, 7, pepper);
        tk_sha256("their key", 9, hash);
        assert_true(tk_digest_foreign(&set, 7, hash, &foreign));
        assert_true(tk_digest_key(&set, 7, (struct tk_str){(const char *)hash, 32}, &same));
        assert_true(tk_digest_equal(&foreign, &same));
        assert_true(tk_digest_key(&set, 7, TK_STR("their key"), &same));
        assert_false(tk_digest_equal(&foreign, &same));
        tk_pepper_set_fini(&set);
}

static void a_pepper_is_recognised(void **state)
{
        static const uint8_t pepper[TK_PEPPER_BYTES] = {4};
        struct tk_pepper_set set, wiped = {0};
        struct tk_digest digest;
        uint8_t check[8];

        (void)state;
        tk_pepper_set_init(&set);
        tk_pepper_set_add(&set, 0, pepper);
        assert_true(tk_pepper_check(&set, 0, check));
        assert_true(tk_digest_key(&set, 0, TK_STR("tollkeeper pepper check"), &digest));
        assert_memory_equal(check, digest.bytes, sizeof check);
        tk_pepper_set_fini(&set);
        assert_memory_equal(&set, &wiped, sizeof set);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hmac_vectors),
                cmocka_unit_test(every_length),
                cmocka_unit_test(sha256_vectors),
                cmocka_unit_test(versions),
                cmocka_unit_test(foreign_keys_are_hashed_first),
                cmocka_unit_test(a_pepper_is_recognised),
        };
        return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
