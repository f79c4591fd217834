/*
 * Who is at the other end: addresses, listed peers, and the Unix socket.
 */
#include "check.h"
#include "http/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

static struct tk_peer peer_at(const char *address, const char *listed)
{
        struct tk_cidr block = {0};
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        struct tk_peer peer;

        assert_true(tk_cidr_parse(tk_str_from(listed), &block));
        if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
                tk_peer_from_address((const struct sockaddr *)&v4, &block, 1, &peer);
        } else {
                assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
                tk_peer_from_address((const struct sockaddr *)&v6, &block, 1, &peer);
        }
        return peer;
}

static void addresses(void **state)
{
        static const struct {
                const char *address, *listed, *source;
                bool known;
        } cases[] = {
                {"127.0.0.1", "127.0.0.0/8", "127.0.0.1", true},
                {"127.9.8.7", "10.0.0.0/8", "127.9.8.7", false},
                {"10.1.2.3", "10.0.0.0/8", "10.1.2.3", true},
                {"10.1.2.3", "127.0.0.0/8", "10.1.2.3", false},
                {"::1", "::1/128", "::1", true},
                {"::2", "::1/128", "::2", false},
                {"2001:db8::7", "2001:db8::/32", "2001:db8::7", true},
                /* An IPv4 client on a dual-stack listener. */
                {"::ffff:10.1.2.3", "10.0.0.0/8", "10.1.2.3", true},
                {"::ffff:127.0.0.1", "127.0.0.0/8", "127.0.0.1", true},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct tk_peer peer = peer_at(cases[i].address, cases[i].listed);
                assert_string_equal(peer.source, cases[i].source);
                assert_int_equal(peer.known, cases[i].known);
                assert_false(peer.trusted);
        }
}

static void the_unix_socket(void **state)
{
        int pair[2];
        struct tk_peer peer;
        char actor[32];

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        tk_peer_from_socket(pair[0], &peer);
        snprintf(actor, sizeof(actor), "socket:%u", (unsigned)geteuid());
        assert_true(peer.trusted && peer.known);
        assert_string_equal(peer.actor, actor);
        assert_string_equal(peer.source, "local");
        assert_int_equal(peer.ip.family, 0);
        close(pair[0]);
        close(pair[1]);
}

static void what_is_no_socket_is_not_trusted(void **state)
{
        struct tk_peer peer;

        (void)state;
        tk_peer_from_socket(-1, &peer);
        assert_false(peer.trusted || peer.known);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses),
                cmocka_unit_test(the_unix_socket),
                cmocka_unit_test(what_is_no_socket_is_not_trusted),
        };

        return cmocka_run_group_tests_name("http/peer", tests, NULL, NULL);
}
