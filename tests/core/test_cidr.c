/*
 * Addresses and blocks: core/cidr.h.
 */
#include "check.h"
#include "core/cidr.h"

#include <string.h>

static struct tk_ip ip(const char *text)
{
        struct tk_ip parsed = {0};

        if (!tk_ip_parse(tk_str_from(text), &parsed))
                fail_msg("%s is refused", text);
        return parsed;
}

static struct tk_cidr cidr(const char *text)
{
        struct tk_cidr parsed = {0};

        if (!tk_cidr_parse(tk_str_from(text), &parsed))
                fail_msg("%s is refused", text);
        return parsed;
}

static void addresses_come_back_canonical(void **state)
{
        static const struct {
                const char *text;
                uint8_t family;
                const char *canonical;
        } cases[] = {
                {"192.0.2.1", 4, "192.0.2.1"},
                {"0.0.0.0", 4, "0.0.0.0"},
                {"255.255.255.255", 4, "255.255.255.255"},
                {"::", 6, "::"},
                {"::1", 6, "::1"},
                {"2001:DB8:0:0:0:0:2:1", 6, "2001:db8::2:1"},
                {"2001:db8:0:1:1:1:1:1", 6, "2001:db8:0:1:1:1:1:1"}, /* one zero group is not shortened */
                {"2001:0:0:1:0:0:0:1", 6, "2001:0:0:1::1"},          /* the longest run is */
                {"2001:db8:0:0:1:0:0:1", 6, "2001:db8::1:0:0:1"},    /* the first of equals is */
                {"2001:0db8::0001", 6, "2001:db8::1"},
                {"64:ff9b::192.0.2.33", 6, "64:ff9b::c000:221"},
                {"::ffff:192.0.2.1", 4, "192.0.2.1"},
                {"::FFFF:c000:0201", 4, "192.0.2.1"},
                {"0:0:0:0:0:ffff:192.0.2.1", 4, "192.0.2.1"},
                {"0000:0000:0000:0000:0000:ffff:255.255.255.255", 4,
                 "255.255.255.255"}, /* the longest text */
                {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                static const uint8_t zero[12];
                char text[TK_CIDR_TEXT_MAX];
                struct tk_ip parsed = ip(cases[i].text);
                assert_int_equal(parsed.family, cases[i].family);
                if (parsed.family == 4)
                        assert_memory_equal(parsed.bytes + 4, zero, sizeof zero);
                tk_ip_format(&parsed, text);
                assert_string_equal(text, cases[i].canonical);
        }
        char text[TK_CIDR_TEXT_MAX] = "x";
        tk_ip_format(&(struct tk_ip){0}, text);
        assert_string_equal(text, "");
}

static void what_is_no_address(void **state)
{
        static const char *const cases[] = {
                "",
                "1",
                "1.2.3",
                "1.2.3.4.5",
                "1.2.3.256",
                "01.2.3.4",
                "1.2.3.04",
                "1.2.3.4 ",
                " 1.2.3.4",
                "1.2.3.4:80",
                "0x1.2.3.4",
                "1..2.3",
                "1.2.3.-4",
                ":",
                ":::",
                "1::2::3",
                "1:2:3:4:5:6:7",
                "1:2:3:4:5:6:7:8:9",
                "fe80::1%1",
                "fe80::1%eth0",
                "[::1]",
                "12345::",
                "::g",
                "1:2:3:4:5:6:7:8::",
                "::1.2.3",
                "localhost",
                "::ffff:1.2.3.4.5",
                "0000:0000:0000:0000:0000:ffff:255.255.255.2555",
        };
        struct tk_ip parsed = {.family = 77};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                if (tk_ip_parse(tk_str_from(cases[i]), &parsed))
                        fail_msg("%s is accepted", cases[i]);
                assert_int_equal(parsed.family, 77);
        }
        assert_false(tk_ip_parse((struct tk_str){"1.2.3.4\0", 8}, &parsed));
        assert_false(tk_ip_parse((struct tk_str){"1.2.3.4\0evil", 12}, &parsed));
}

static void blocks_come_back_canonical(void **state)
{
        static const struct {
                const char *text, *canonical;
        } cases[] = {
                {"10.0.0.0/8", "10.0.0.0/8"},
                {"192.0.2.1", "192.0.2.1/32"},
                {"0.0.0.0/0", "0.0.0.0/0"},
                {"::/0", "::/0"},
                {"2001:DB8::/32", "2001:db8::/32"},
                {"2001:db8::1", "2001:db8::1/128"},
                {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
                {"::ffff:0:0/96", "0.0.0.0/0"},
                {"::ffff:1.2.3.4", "1.2.3.4/32"},
                {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[TK_CIDR_TEXT_MAX];
                struct tk_cidr parsed = cidr(cases[i].text), again;
                tk_cidr_format(&parsed, text);
                assert_string_equal(text, cases[i].canonical);
                again = cidr(text);
                assert_memory_equal(&parsed, &again, sizeof parsed);
        }
}

static void what_is_no_block(void **state)
{
        static const char *const cases[] = {
                "",
                "/8",
                "10.0.0.0/",
                "10.0.0.0/33",
                "10.0.0.0/08",
                "10.0.0.0/+8",
                "10.0.0.1/8",
                "10.0.0.0/7/8",
                "10.0.0.0 /8",
                "10.0.0.0/8 ",
                "::/129",
                "::1/64",
                "::/0064",
                "10/8",
                "10.0.0.0/-1",
                "2001:db9::/31",
                "::ffff:0:0/90",
                "::ffff:10.0.0.1/104",
                "10.0.0.0/255.0.0.0",
                "10.0.0.0/4294967304",
                "10.128.0.0/8",
                "0.0.0.1/31",
        };
        struct tk_cidr parsed = {.family = 77};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                if (tk_cidr_parse(tk_str_from(cases[i]), &parsed))
                        fail_msg("%s is accepted", cases[i]);
                assert_int_equal(parsed.family, 77);
        }
}

static void what_a_block_contains(void **state)
{
        static const struct {
                const char *block, *address;
                bool contains;
        } cases[] = {
                {"10.0.0.0/8", "10.255.255.255", true},
                {"10.0.0.0/8", "11.0.0.0", false},
                {"10.0.0.0/8", "::ffff:10.1.2.3", true}, /* a dual-stack listener's form */
                {"::ffff:10.0.0.0/104", "10.1.2.3", true},
                {"0.0.0.0/0", "::ffff:1.2.3.4", true},
                {"0.0.0.0/0", "::1", false},
                {"::/0", "2001:db8::1", true},
                {"::/0", "::ffff:10.1.2.3", false}, /* that is IPv4 */
                {"::/0", "10.1.2.3", false},
                {"192.0.2.1", "192.0.2.1", true},
                {"192.0.2.1", "192.0.2.0", false},
                {"2001:db8::1", "2001:db8::1", true},
                {"2001:db8::/33", "2001:db8:7fff::", true},
                {"2001:db8::/33", "2001:db8:8000::", false},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tk_cidr block = cidr(cases[i].block);
                struct tk_ip address = ip(cases[i].address);
                assert_int_equal(tk_cidr_contains(&block, &address), cases[i].contains);
        }
        struct tk_cidr none = {0};
        struct tk_ip unknown = {0};
        assert_false(tk_cidr_contains(&none, &unknown)); /* an address that nobody knows is in no block */
}

/* Every prefix length: an address that differs in one bit is inside exactly when that bit is after the
 * prefix. */
static void every_prefix_length(void **state)
{
        uint64_t random = 9;

        (void)state;
        for (unsigned prefix = 0; prefix <= 160; prefix++) {
                bool four = prefix <= 32;
                unsigned bits = four ? 32 : 128, length = four ? prefix : prefix - 32;
                struct tk_cidr block = {.family = four ? 4 : 6, .prefix_bits = (uint8_t)length};
                for (unsigned bit = 0; bit < length; bit++)
                        block.bytes[bit / 8] |= (uint8_t)(prng_below(&random, 2) << (7 - bit % 8));
                for (unsigned bit = 0; bit < bits; bit++) {
                        struct tk_ip address = {.family = block.family};
                        memcpy(address.bytes, block.bytes, sizeof address.bytes);
                        assert_true(tk_cidr_contains(&block, &address));
                        address.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
                        assert_int_equal(tk_cidr_contains(&block, &address), bit >= length);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses_come_back_canonical), cmocka_unit_test(what_is_no_address),
                cmocka_unit_test(blocks_come_back_canonical),    cmocka_unit_test(what_is_no_block),
                cmocka_unit_test(what_a_block_contains),         cmocka_unit_test(every_prefix_length),
        };
        return cmocka_run_group_tests_name("cidr", tests, NULL, NULL);
}
