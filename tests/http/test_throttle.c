/*
 * Sign-in attempts: when an address must wait and for how long, that others never do, and that the table
 * cannot be made to hold anybody else up.
 */
#include "http/throttle.h"

#include "core/calendar.h"

#include <sodium.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define S TK_NS_PER_S

static const uint8_t seed[16] = {1, 2, 3};

static struct tk_ip ip_of(const char *text)
{
        struct tk_ip ip;
        assert_true(tk_ip_parse(tk_str_from(text), &ip));
        return ip;
}

static int setup(void **state)
{
        struct tk_throttle *throttle;
        if (sodium_init() < 0 || tk_throttle_new(seed, &throttle) != TK_OK)
                return -1;
        *state = throttle;
        return 0;
}

static int teardown(void **state)
{
        tk_throttle_free(*state);
        return 0;
}

static void fail_often(struct tk_throttle *throttle, const struct tk_ip *ip, unsigned times, uint64_t now_ns)
{
        for (unsigned i = 0; i < times; i++)
                tk_throttle_failed(throttle, ip, now_ns);
}

static void twenty_a_minute_and_then_it_waits(void **state)
{
        struct tk_throttle *throttle = *state;
        struct tk_ip ip = ip_of("192.0.2.7"), other = ip_of("192.0.2.8");
        fail_often(throttle, &ip, TK_THROTTLE_FAILURES - 1, 100 * S);
        assert_int_equal(tk_throttle_wait_s(throttle, &ip, 100 * S), 0);
        fail_often(throttle, &ip, 1, 110 * S);
        assert_int_equal(tk_throttle_wait_s(throttle, &ip, 110 * S), 60);
        assert_int_equal(tk_throttle_wait_s(throttle, &ip, 169 * S + 1), 1);
        assert_int_equal(tk_throttle_wait_s(throttle, &ip, 170 * S), 0);
        assert_int_equal(tk_throttle_wait_s(throttle, &other, 110 * S), 0);
        struct tk_throttle_stats stats;
        tk_throttle_stats(throttle, &stats);
        assert_int_equal(stats.failures, 20);
        assert_int_equal(stats.refusals, 2);
}

static void slow_failures_are_slips(void **state)
{
        struct tk_throttle *throttle = *state;
        struct tk_ip ip = ip_of("192.0.2.7");
        for (unsigned i = 0; i < 100; i++) {
                uint64_t now_ns = (100 + 61 * i) * S;
                fail_often(throttle, &ip, TK_THROTTLE_FAILURES - 1, now_ns);
                assert_int_equal(tk_throttle_wait_s(throttle, &ip, now_ns), 0);
        }
}

static void each_wait_is_twice_the_one_before(void **state)
{
        struct tk_throttle *throttle = *state;
        struct tk_ip ip = ip_of("192.0.2.7");
        const uint64_t waits[] = {60, 120, 240, 480, 960, 1920, 3600, 3600, 3600};
        uint64_t now_ns = 1000 * S;
        for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
                fail_often(throttle, &ip, TK_THROTTLE_FAILURES, now_ns);
                assert_int_equal(tk_throttle_wait_s(throttle, &ip, now_ns), waits[i]);
                now_ns += waits[i] * S;
                assert_int_equal(tk_throttle_wait_s(throttle, &ip, now_ns), 0);
        }
        now_ns += 3601 * S; /* an hour of peace */
        fail_often(throttle, &ip, TK_THROTTLE_FAILURES, now_ns);
        assert_int_equal(tk_throttle_wait_s(throttle, &ip, now_ns), 60);
}

static void an_ipv6_network_is_one_client(void **state)
{
        struct tk_throttle *throttle = *state;
        struct tk_ip a = ip_of("2001:db8:1:2::1"), b = ip_of("2001:db8:1:2:ffff::9");
        struct tk_ip other = ip_of("2001:db8:1:3::1");
        fail_often(throttle, &a, 10, 100 * S);
        fail_often(throttle, &b, 10, 100 * S);
        assert_int_equal(tk_throttle_wait_s(throttle, &a, 100 * S), 60);
        assert_int_equal(tk_throttle_wait_s(throttle, &b, 100 * S), 60);
        assert_int_equal(tk_throttle_wait_s(throttle, &other, 100 * S), 0);
}

static void the_socket_has_no_address(void **state)
{
        struct tk_throttle *throttle = *state;
        struct tk_ip none = {0};
        fail_often(throttle, &none, 1000, 100 * S);
        assert_int_equal(tk_throttle_wait_s(throttle, &none, 100 * S), 0);
}

/* A flood from a million addresses pushes itself out; nobody who has not failed ever waits. */
static void a_flood_of_addresses_holds_up_nobody_else(void **state)
{
        struct tk_throttle *throttle = *state;
        unsigned waiting = 0;
        struct tk_ip first =
                ip_of("192.0.2.9"); /* from now on somebody waits, so that everybody is looked up */
        fail_often(throttle, &first, TK_THROTTLE_FAILURES, 100 * S);
        for (uint32_t i = 0; i < 1000000; i++) {
                struct tk_ip ip = {.family = 4,
                                   .bytes = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
                struct tk_ip good = ip;
                good.bytes[0] = 11;
                fail_often(throttle, &ip, 1, (100 + i / 100000) * S);
                waiting += tk_throttle_wait_s(throttle, &good, 100 * S) != 0;
        }
        assert_int_equal(waiting, 0);
        struct tk_ip ip = ip_of("192.0.2.7"); /* and it still counts */
        fail_often(throttle, &ip, TK_THROTTLE_FAILURES, 200 * S);
        assert_int_equal(tk_throttle_wait_s(throttle, &ip, 200 * S), 60);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
                T(twenty_a_minute_and_then_it_waits), T(slow_failures_are_slips),
                T(each_wait_is_twice_the_one_before), T(an_ipv6_network_is_one_client),
                T(the_socket_has_no_address),         T(a_flood_of_addresses_holds_up_nobody_else),
        };
        return cmocka_run_group_tests_name("http/throttle", tests, NULL, NULL);
}
