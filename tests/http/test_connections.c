/*
 * The bounds on connections: who is let in, who is known, and whose word is believed. Time is the machine's; what is overdue is
 * tested end to end (tests/e2e/test_http_crowd.py).
 */
#include "check.h"
#include "core/random.h"
#include "http/connections.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

union address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
};

static union address at(const char *text)
{
        union address address = {0};
        if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
                address.v4.sin_family = AF_INET;
        } else {
                address.v6.sin6_family = AF_INET6;
                assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
        }
        return address;
}

static struct tk_cidr peers[1], proxies[2];

static struct tk_connection_rules rules_of(unsigned most, unsigned per_address)
{
        assert_true(tk_cidr_parse(TK_STR("10.0.0.0/8"), &peers[0]));
        assert_true(tk_cidr_parse(TK_STR("192.0.2.1"), &proxies[0]));
        assert_true(tk_cidr_parse(TK_STR("2001:db8::1"), &proxies[1]));
        return (struct tk_connection_rules){.verify_peers = peers,
                                            .verify_peer_count = 1,
                                            .trusted_proxies = proxies,
                                            .trusted_proxy_count = 2,
                                            .connections_max = most,
                                            .connections_per_address = per_address,
                                            .request_timeout_s = 3600,
                                            .idle_timeout_s = 3600};
}

/* Open as many from the address as are let in, up to `want`. */
static unsigned open_from(struct tk_connections *connections, const char *text, unsigned want,
                          struct tk_connection_seat *seats)
{
        union address address = at(text);
        struct tk_peer peer;
        unsigned count = 0;
        while (count < want && tk_connections_admit(connections, &address.any))
                tk_connections_add(connections, &seats[count++], -1, &address.any, &peer);
        return count;
}

static void close_all(struct tk_connections *connections, struct tk_connection_seat *seats, unsigned count)
{
        for (unsigned i = 0; i < count; i++)
                tk_connections_remove(connections, &seats[i]);
}

static void each_address_has_its_own(void **state)
{
        static struct tk_connection_seat a[64], b[64], c[64], d[64], e[64];
        struct tk_connection_rules rules = rules_of(1000, 3);
        struct tk_connections *connections;
        (void)state;
        assert_int_equal(tk_connections_open(&rules, &connections), TK_OK);
        assert_int_equal(open_from(connections, "198.51.100.1", 64, a), 3);
        assert_int_equal(open_from(connections, "198.51.100.2", 64, b), 3);
        /* An IPv6 address is one of 2^64 that its holder has. */
        assert_int_equal(open_from(connections, "2001:db8:1::1", 2, c), 2);
        assert_int_equal(open_from(connections, "2001:db8:1::2", 64, c + 2), 1);
        assert_int_equal(open_from(connections, "2001:db8:2::1", 64, d), 3);
        /* On a list: not counted. */
        assert_int_equal(open_from(connections, "10.1.2.3", 64, e), 64);
        close_all(connections, e, 64);
        assert_int_equal(open_from(connections, "192.0.2.1", 64, e), 64);
        close_all(connections, a, 1);
        assert_int_equal(open_from(connections, "198.51.100.1", 64, a), 1);
        struct tk_connections_stats stats;
        tk_connections_stats(connections, &stats);
        assert_int_equal(stats.refused_address, 5);
        assert_int_equal(stats.refused_full, 0);
        close_all(connections, a, 3);
        close_all(connections, b, 3);
        close_all(connections, c, 3);
        close_all(connections, d, 3);
        close_all(connections, e, 64);
        tk_connections_close(connections);
}

static void an_eighth_is_kept(void **state)
{
        static struct tk_connection_seat strangers[64], listed[64];
        struct tk_connection_rules rules = rules_of(16, 1000);
        struct tk_connections *connections;
        (void)state;
        assert_int_equal(tk_connections_open(&rules, &connections), TK_OK);
        assert_int_equal(open_from(connections, "198.51.100.1", 64, strangers), 14);
        assert_int_equal(open_from(connections, "10.0.0.1", 64, listed), 2);
        assert_int_equal(open_from(connections, "198.51.100.9", 64, strangers + 14), 0);
        close_all(connections, listed, 2);
        assert_int_equal(open_from(connections, "198.51.100.9", 64, strangers + 14), 0);
        close_all(connections, strangers, 14);
        tk_connections_close(connections);
}

/* Many addresses, opened and closed in any order: the counts come out even. */
static void any_order(void **state)
{
        static struct tk_connection_seat seats[4000];
        static bool used[4000];
        struct tk_connection_rules rules = rules_of(1000000, 2);
        struct tk_connections *connections;
        unsigned seed = 7;
        (void)state;
        assert_int_equal(tk_connections_open(&rules, &connections), TK_OK);
        for (unsigned round = 0; round < 40000; round++) {
                unsigned place = (unsigned)rand_r(&seed) % 4000;
                char text[32];
                snprintf(text, sizeof(text), "198.51.%u.%u", place / 2 / 250, place / 2 % 250 + 1);
                if (used[place])
                        tk_connections_remove(connections, &seats[place]);
                else
                        assert_int_equal(open_from(connections, text, 1, &seats[place]), 1);
                used[place] = !used[place];
        }
        for (unsigned place = 0; place < 4000; place++)
                if (used[place])
                        tk_connections_remove(connections, &seats[place]);
        assert_int_equal(open_from(connections, "198.51.0.1", 3, seats), 2);
        close_all(connections, seats, 2);
        tk_connections_close(connections);
}

static void rules_that_change(void **state)
{
        struct tk_connection_rules rules = rules_of(1000, 3);
        struct tk_connections *connections;
        struct tk_connection_seat seat;
        struct tk_peer peer;
        union address address = at("10.0.0.1");
        (void)state;
        assert_int_equal(tk_connections_open(&rules, &connections), TK_OK);
        tk_connections_add(connections, &seat, -1, &address.any, &peer);
        assert_true(peer.known && !peer.proxy);
        rules.verify_peer_count = 0;
        rules.idle_timeout_s = 5;
        assert_int_equal(tk_connections_change(connections, &rules), TK_OK);
        assert_true(peer.known);
        tk_connections_judge(connections, &seat, &peer);
        assert_false(peer.known);
        assert_true(tk_connections_idle_ns(connections) == UINT64_C(5000000000));
        tk_connections_remove(connections, &seat);
        tk_connections_close(connections);
}

static void whose_word_is_believed(void **state)
{
        static const struct {
                const char *header, *source;
                bool known;
        } cases[] = {
                {"198.51.100.1", "198.51.100.1", false},
                {"10.1.1.1", "10.1.1.1", true},
                {"  10.1.1.1  ", "10.1.1.1", true},
                {"10.1.1.1, 192.0.2.1", "10.1.1.1", true},
                {"10.1.1.1,192.0.2.1 , 2001:db8::1", "10.1.1.1", true},
                {"10.1.1.1, 198.51.100.1", "198.51.100.1", false},
                {"10.1.1.1, 198.51.100.1, 192.0.2.1", "198.51.100.1", false},
                {"2001:db8::7", "2001:db8::7", false},
                {"", "unknown", false},
                {",", "unknown", false},
                {"10.1.1.1,", "unknown", false},
                {"10.1.1.1, me", "unknown", false},
                {"10.1.1.1:80", "unknown", false},
                {"192.0.2.1", "unknown", false},
                {"192.0.2.1, 192.0.2.1", "unknown", false},
        };
        struct tk_connection_rules rules = rules_of(1000, 3);
        struct tk_connections *connections;
        (void)state;
        assert_int_equal(tk_connections_open(&rules, &connections), TK_OK);
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tk_peer peer = {.proxy = true, .known = true, .trusted = true};
                tk_connections_forwarded(connections, tk_str_from(cases[i].header), &peer);
                assert_string_equal(peer.source, cases[i].source);
                assert_int_equal(peer.known, cases[i].known);
                assert_false(peer.trusted);
        }
        tk_connections_close(connections);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_address_has_its_own),
                cmocka_unit_test(an_eighth_is_kept),
                cmocka_unit_test(any_order),
                cmocka_unit_test(rules_that_change),
                cmocka_unit_test(whose_word_is_believed),
        };

        return tk_random_init() != 0 || cmocka_run_group_tests_name("http/connections", tests, NULL, NULL);
}
