/*
 * Bounds on connections (connections.h). One mutex for the list, the addresses and the rules: taken when a connection opens or
 * closes and twice a second, never by a request unless the rules have changed.
 */
#include "http/connections.h"

#include "core/alloc.h"
#include "core/calendar.h"
#include "core/random.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define BUCKETS     1024
#define WATCH_NS    UINT64_C(500000000)
#define PEERS_SHARE 8 /* one in so many connections is kept for those on the lists */

struct tk_connection_address {
        struct tk_connection_address *next;
        uint64_t bits; /* IPv4, or the first half of IPv6 */
        uint8_t family;
        unsigned count;
};

struct rules {
        struct tk_connection_rules is; /* its lists point into `cidrs` */
        struct tk_cidr *cidrs;
};

struct tk_connections {
        pthread_mutex_t lock;
        pthread_cond_t stop;
        pthread_t watcher;
        bool watching, stopping;
        struct rules rules; /* by lock, like the following */
        struct tk_connection_seat *first;
        struct tk_connection_address *buckets[BUCKETS];
        unsigned tcp_count;
        unsigned admitted;    /* and not added yet: several network threads admit at the same instant */
        uint64_t admitted_ns; /* since when there has been any */
        struct tk_connections_stats stats;
        uint64_t salt;
        _Atomic uint64_t rules_number;
        _Atomic uint64_t request_ns, idle_ns;
};

static uint64_t monotonic_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * TK_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- rules ---- */

static enum tk_err copy_rules(const struct tk_connection_rules *from, struct rules *ret_rules)
{
        uint32_t peers = from->verify_peer_count, proxies = from->trusted_proxy_count;
        struct tk_cidr *cidrs = tk_calloc((size_t)peers + proxies + 1, sizeof(*cidrs));
        if (!cidrs)
                return TK_NOMEM;
        if (peers > 0)
                memcpy(cidrs, from->verify_peers, peers * sizeof(*cidrs));
        if (proxies > 0)
                memcpy(cidrs + peers, from->trusted_proxies, proxies * sizeof(*cidrs));
        *ret_rules = (struct rules){.is = *from, .cidrs = cidrs};
        ret_rules->is.verify_peers = cidrs;
        ret_rules->is.trusted_proxies = cidrs + peers;
        return TK_OK;
}

static void use_rules(struct tk_connections *connections, const struct rules *rules)
{
        connections->rules = *rules;
        atomic_store(&connections->request_ns, rules->is.request_timeout_s * TK_NS_PER_S);
        atomic_store(&connections->idle_ns, rules->is.idle_timeout_s * TK_NS_PER_S);
        atomic_fetch_add(&connections->rules_number, 1);
}

enum tk_err tk_connections_change(struct tk_connections *connections, const struct tk_connection_rules *rules)
{
        struct rules fresh;
        enum tk_err err = copy_rules(rules, &fresh);
        if (err != TK_OK)
                return err;
        pthread_mutex_lock(&connections->lock);
        tk_free(connections->rules.cidrs);
        use_rules(connections, &fresh);
        pthread_mutex_unlock(&connections->lock);
        return TK_OK;
}

static bool is_listed(const struct tk_cidr *list, uint32_t count, const struct tk_ip *ip)
{
        for (uint32_t i = 0; i < count; i++)
                if (tk_cidr_contains(&list[i], ip))
                        return true;
        return false;
}

/* By lock. */
static void judge(const struct tk_connections *connections, struct tk_peer *inout_peer)
{
        const struct tk_connection_rules *rules = &connections->rules.is;
        inout_peer->known = is_listed(rules->verify_peers, rules->verify_peer_count, &inout_peer->ip);
        inout_peer->proxy = is_listed(rules->trusted_proxies, rules->trusted_proxy_count, &inout_peer->ip);
}

void tk_connections_judge(struct tk_connections *connections, struct tk_connection_seat *seat,
                          struct tk_peer *inout_peer)
{
        if (seat->rules == atomic_load_explicit(&connections->rules_number, memory_order_acquire) ||
            !seat->tcp)
                return;
        pthread_mutex_lock(&connections->lock);
        judge(connections, inout_peer);
        seat->rules = atomic_load(&connections->rules_number);
        pthread_mutex_unlock(&connections->lock);
}

/*
 * The client's address is the last one in X-Forwarded-For that no trusted proxy has: what stands before it the client may have
 * written itself. Without one, it is unknown, and known to nobody.
 */
void tk_connections_forwarded(struct tk_connections *connections, struct tk_str forwarded_for,
                              struct tk_peer *inout_peer)
{
        struct tk_peer client = {.proxy = true, .source = "unknown"};
        struct tk_str rest = forwarded_for;
        pthread_mutex_lock(&connections->lock);
        const struct tk_connection_rules *rules = &connections->rules.is;
        while (rest.ptr) {
                const char *comma = memrchr(rest.ptr, ',', rest.len);
                size_t from = comma ? (size_t)(comma - rest.ptr) + 1 : 0;
                struct tk_ip ip;
                if (!tk_ip_parse(tk_str_trim(tk_str_skip(rest, from)), &ip))
                        break;
                if (!is_listed(rules->trusted_proxies, rules->trusted_proxy_count, &ip)) {
                        client.ip = ip;
                        client.known = is_listed(rules->verify_peers, rules->verify_peer_count, &ip);
                        tk_ip_format(&ip, client.source);
                        break;
                }
                rest = comma ? (struct tk_str){rest.ptr, from - 1} : TK_STR_NONE;
        }
        pthread_mutex_unlock(&connections->lock);
        *inout_peer = client;
}

/* ---- addresses ---- */

static uint64_t address_bits(const struct tk_ip *ip)
{
        uint64_t bits;
        memcpy(&bits, ip->bytes, sizeof(bits)); /* of IPv4 the rest is zero */
        return bits;
}

/* Where the address is, or would be. Salted: nobody can choose addresses that share a chain. */
static struct tk_connection_address **find_address(struct tk_connections *connections, const struct tk_ip *ip)
{
        uint64_t bits = address_bits(ip);
        uint64_t mixed = (bits ^ connections->salt) * UINT64_C(0x9e3779b97f4a7c15);
        mixed = (mixed ^ mixed >> 29) * (connections->salt | 1);
        struct tk_connection_address **at = &connections->buckets[mixed >> 54];
        while (*at && ((*at)->bits != bits || (*at)->family != ip->family))
                at = &(*at)->next;
        return at;
}

/* Without memory it is not counted: the limit on all of them still holds. */
static struct tk_connection_address *count_address(struct tk_connections *connections, const struct tk_ip *ip)
{
        struct tk_connection_address **at = find_address(connections, ip);
        if (!*at) {
                struct tk_connection_address *made = tk_calloc(1, sizeof(*made));
                if (!made)
                        return NULL;
                made->bits = address_bits(ip);
                made->family = ip->family;
                *at = made;
        }
        (*at)->count++;
        return *at;
}

static void release_address(struct tk_connections *connections, struct tk_connection_address *address)
{
        if (!address || --address->count > 0)
                return;
        struct tk_ip ip = {.family = address->family};
        memcpy(ip.bytes, &address->bits, sizeof(address->bits));
        struct tk_connection_address **at = find_address(connections, &ip);
        *at = address->next;
        tk_free(address);
}

/* ---- open and close ---- */

/* One that was admitted may never come, when libmicrohttpd has no memory for it: after a second its place is anybody's. */
static void forget_lost(struct tk_connections *connections)
{
        uint64_t now_ns = monotonic_ns();
        if (now_ns - connections->admitted_ns > TK_NS_PER_S)
                connections->admitted = 0;
        if (connections->admitted == 0)
                connections->admitted_ns = now_ns;
}

bool tk_connections_admit(struct tk_connections *connections, const struct sockaddr *address)
{
        struct tk_peer peer;
        tk_peer_from_address(address, NULL, 0, &peer);
        pthread_mutex_lock(&connections->lock);
        const struct tk_connection_rules *rules = &connections->rules.is;
        judge(connections, &peer);
        bool listed = peer.known || peer.proxy;
        unsigned most = rules->connections_max - (listed ? 0 : rules->connections_max / PEERS_SHARE);
        const struct tk_connection_address *found = listed ? NULL : *find_address(connections, &peer.ip);
        forget_lost(connections);
        bool full = connections->tcp_count + connections->admitted >= most;
        bool many = found && found->count >= rules->connections_per_address;
        connections->stats.refused_full += full;
        connections->stats.refused_address += !full && many;
        connections->admitted += !full && !many;
        pthread_mutex_unlock(&connections->lock);
        return !full && !many;
}

void tk_connections_add(struct tk_connections *connections, struct tk_connection_seat *seat, int fd,
                        const struct sockaddr *address, struct tk_peer *ret_peer)
{
        *seat = (struct tk_connection_seat){.fd = fd, .tcp = address != NULL};
        atomic_init(&seat->deadline_ns, monotonic_ns() + tk_connections_request_ns(connections));
        if (address)
                tk_peer_from_address(address, NULL, 0, ret_peer);
        else
                tk_peer_from_socket(fd, ret_peer);
        pthread_mutex_lock(&connections->lock);
        if (address) {
                judge(connections, ret_peer);
                connections->tcp_count++;
                connections->admitted -= connections->admitted > 0;
                if (!ret_peer->known && !ret_peer->proxy)
                        seat->address = count_address(connections, &ret_peer->ip);
        }
        seat->rules = atomic_load(&connections->rules_number);
        seat->next = connections->first;
        if (seat->next)
                seat->next->previous = seat;
        connections->first = seat;
        pthread_mutex_unlock(&connections->lock);
}

void tk_connections_remove(struct tk_connections *connections, struct tk_connection_seat *seat)
{
        pthread_mutex_lock(&connections->lock);
        connections->tcp_count -= seat->tcp;
        release_address(connections, seat->address);
        if (seat->next)
                seat->next->previous = seat->previous;
        if (seat->previous)
                seat->previous->next = seat->next;
        else
                connections->first = seat->next;
        pthread_mutex_unlock(&connections->lock);
}

/* ---- those that take too long ---- */

/* The socket stays the connection's until it is removed, so nobody else's can be shut. By lock. */
static void shut_overdue(struct tk_connections *connections)
{
        uint64_t now_ns = monotonic_ns();
        for (struct tk_connection_seat *seat = connections->first; seat; seat = seat->next) {
                if (atomic_load_explicit(&seat->deadline_ns, memory_order_relaxed) > now_ns)
                        continue;
                atomic_store_explicit(&seat->deadline_ns, TK_NO_DEADLINE, memory_order_relaxed);
                shutdown(seat->fd, SHUT_RDWR);
                connections->stats.overdue++;
        }
}

static void *watch(void *context)
{
        struct tk_connections *connections = context;
        pthread_mutex_lock(&connections->lock);
        while (!connections->stopping) {
                uint64_t until_ns = monotonic_ns() + WATCH_NS;
                struct timespec until = {.tv_sec = (time_t)(until_ns / TK_NS_PER_S),
                                         .tv_nsec = (long)(until_ns % TK_NS_PER_S)};
                pthread_cond_timedwait(&connections->stop, &connections->lock, &until);
                shut_overdue(connections);
        }
        pthread_mutex_unlock(&connections->lock);
        return NULL;
}

static void init_locks(struct tk_connections *connections)
{
        pthread_condattr_t monotonic;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&connections->stop, &monotonic);
        pthread_condattr_destroy(&monotonic);
        pthread_mutex_init(&connections->lock, NULL);
}

enum tk_err tk_connections_open(const struct tk_connection_rules *rules,
                                struct tk_connections **ret_connections)
{
        struct tk_connections *connections = tk_calloc(1, sizeof(*connections));
        struct tk_random random = tk_random_system();
        struct rules first;
        if (!connections)
                return TK_NOMEM;
        init_locks(connections);
        random.fill(random.context, &connections->salt, sizeof(connections->salt));
        enum tk_err err = copy_rules(rules, &first);
        if (err == TK_OK)
                use_rules(connections, &first);
        if (err == TK_OK && pthread_create(&connections->watcher, NULL, watch, connections) != 0)
                err = TK_IO;
        connections->watching = err == TK_OK;
        if (err != TK_OK) {
                tk_connections_close(connections);
                return err;
        }
        *ret_connections = connections;
        return TK_OK;
}

void tk_connections_close(struct tk_connections *connections)
{
        if (!connections)
                return;
        pthread_mutex_lock(&connections->lock);
        connections->stopping = true;
        pthread_cond_signal(&connections->stop);
        pthread_mutex_unlock(&connections->lock);
        if (connections->watching)
                pthread_join(connections->watcher, NULL);
        pthread_cond_destroy(&connections->stop);
        pthread_mutex_destroy(&connections->lock);
        tk_free(connections->rules.cidrs);
        tk_free(connections);
}

/* ---- what others ask ---- */

uint64_t tk_connections_request_ns(const struct tk_connections *connections)
{
        return atomic_load_explicit(&connections->request_ns, memory_order_relaxed);
}

uint64_t tk_connections_idle_ns(const struct tk_connections *connections)
{
        return atomic_load_explicit(&connections->idle_ns, memory_order_relaxed);
}

void tk_connections_stats(struct tk_connections *connections, struct tk_connections_stats *ret_stats)
{
        pthread_mutex_lock(&connections->lock);
        *ret_stats = connections->stats;
        pthread_mutex_unlock(&connections->lock);
}
