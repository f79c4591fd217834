/*
 * Fuzz target: the policy arena (gate/policy.h), and decisions by it. The input is a table of references, of chains and of the lines that refer
 * to the arena, and then the arena itself, to the last byte of a heap block, so that a sanitizer sees a read past what is announced.
 * The two keys' lines and all meters are sound: what is found by them is decided, explained, read and checked.
 */
#include "fuzz.h"

#include "core/alloc.h"
#include "gate/publisher.h"
#include "gate/request.h"

#include <string.h>

#define LINES   4 /* of each other file */
#define ISSUED  1 /* the key's number */
#define SUBJECT 2 /* subscription */
#define NOW_NS  (UINT64_C(1795435200) * TK_NS_PER_S)

/* What the input begins with: references, lines of 16 bytes. */
struct refs {
        uint16_t environments, patterns, routes; /* first of every chain */
        uint16_t environment, policy, consumer, limits, route;
        uint8_t stranger; /* the line is another key's */
        uint8_t meter;    /* lines of meters that bindings name */
};

struct memory {
        struct tk_format_header headers[TK_FILE_COUNT];
        _Alignas(64) uint8_t lines[TK_FILE_COUNT][LINES * TK_RESERVATION_LINE_BYTES];
};

static struct memory memory;
static struct tk_publisher publisher;
static struct tk_gate gate;
static struct tk_pepper_set peppers;
static struct tk_key_mask mask;
static struct tk_secret key;
static struct tk_digest digest;

static struct tk_area *area_of(enum tk_file file)
{
        return &publisher.files.areas[file];
}

static void open_area(enum tk_file file, void *lines, uint32_t line_bytes, uint64_t used)
{
        struct tk_area *area = area_of(file);
        area->header = &memory.headers[file];
        area->lines = lines;
        area->line_bytes = line_bytes;
        area->reserve_lines = used;
        area->capacity_word = &memory.headers[file].capacity_lines;
        area->used_word = &memory.headers[file].used_lines;
        atomic_store(area->capacity_word, tk_seal(used));
        atomic_store(area->used_word, tk_seal(used));
        atomic_store(&area->known_lines, used);
        area->fd = -1;
}

/* A key of ours whose digest is what matters; it is not random, so that inputs can be run again. */
static void fill_zero(void *context, void *bytes, size_t len)
{
        (void)context;
        memset(bytes, 1, len);
}

static void begin(void)
{
        static const uint8_t pepper[TK_PEPPER_BYTES] = {7};
        static const struct tk_random random = {.fill = fill_zero};
        tk_pepper_set_init(&peppers);
        CHECK(tk_pepper_set_add(&peppers, 1, pepper) == TK_OK);
        CHECK(tk_key_mint(TK_STR("tk"), TK_STR("live"), ISSUED, 1, &mask, random, &key) == TK_OK);
        CHECK(tk_digest_key(&peppers, 1, tk_secret_view(&key), &digest));
        gate.peppers = &peppers;
        gate.mask = &mask;
}

static void set_lines(const struct refs *refs)
{
        struct tk_format_key *line = (void *)(memory.lines[TK_FILE_KEYS] + ISSUED * sizeof *line);
        struct tk_format_subscription *subscription =
                (void *)(memory.lines[TK_FILE_SUBSCRIPTIONS] + SUBJECT * sizeof *subscription);
        memcpy(line->digest, digest.bytes, sizeof line->digest);
        if (refs->stranger)
                atomic_fetch_xor(&line->digest[refs->stranger % 4], UINT64_C(1) << refs->stranger % 64);
        atomic_store(&line->validity, 0);
        atomic_store(&line->binding, tk_pair(refs->policy, refs->meter % 8));
        atomic_store(&line->owner, tk_pair(SUBJECT, refs->consumer));
        atomic_store(&line->control, tk_control(TK_LINE_ACTIVE, 1, refs->environment) | tk_control_pepper(1));
        atomic_store(&subscription->binding, tk_pair(refs->limits, refs->meter / 8 % 8));
        atomic_store(&subscription->consumer, refs->consumer);
        atomic_store(&subscription->credits_granted, 1000);
        atomic_store(&subscription->control, tk_control(TK_LINE_ACTIVE, 0, refs->environment));
}

static void set_chains(struct tk_format_chains *chains, const struct refs *refs)
{
        for (unsigned i = 0; i < TK_POLICY_ENVIRONMENT_BUCKETS; i++)
                atomic_store_explicit(&chains->environments[i], refs->environments, memory_order_relaxed);
        for (unsigned i = 0; i < TK_POLICY_PATTERN_BUCKETS; i++)
                atomic_store_explicit(&chains->patterns[i], refs->patterns, memory_order_relaxed);
        for (unsigned i = 0; i < TK_POLICY_ROUTE_BUCKETS; i++)
                atomic_store_explicit(&chains->routes[i], refs->routes, memory_order_relaxed);
}

static void open_files(const struct refs *refs, uint8_t *arena, uint64_t arena_lines)
{
        memset(&memory, 0, sizeof memory);
        tk_files_init(&publisher.files);
        for (int i = 0; i < TK_FILE_COUNT; i++)
                open_area((enum tk_file)i, memory.lines[i],
                          i == TK_FILE_RESERVATIONS ? TK_RESERVATION_LINE_BYTES : 64,
                          i == TK_FILE_FOREIGN || i == TK_FILE_EVENTS || i == TK_FILE_NAMED ? 0 : LINES);
        open_area(TK_FILE_POLICY, arena + sizeof(struct tk_format_chains), TK_POLICY_LINE_BYTES, arena_lines);
        atomic_store(&memory.headers[TK_FILE_KEYS].applied_seq, tk_seal(1));
        set_lines(refs);
        set_chains(tk_policy_chains(area_of(TK_FILE_POLICY)), refs);
        gate.files = publisher.files;
}

/* ---- what reads it ---- */

static void find_by_name(struct tk_area *policy, const struct refs *refs)
{
        uint32_t environment = 0, route = 0;
        if (tk_gate_environment(&gate, TK_STR("weather"), TK_STR("production"), &environment))
                CHECK(tk_policy_environment(policy, environment) != NULL);
        (void)tk_gate_has_api(&gate, TK_STR("weather"));
        uint32_t pattern = tk_policy_find_pattern(policy, 7, TK_STR("forecast:read"));
        CHECK(pattern == 0 ||
              tk_policy_record(policy, pattern, TK_RECORD_PATTERN, sizeof(struct tk_format_pattern)));
        if (tk_gate_route(&gate, refs->environment, TK_STR("GET"), TK_STR("/v1/forecast/{city}"), &route))
                CHECK(tk_policy_route(policy, route) != NULL);
}

static struct tk_ask ask_of(const struct refs *refs, const struct tk_scope_expr *scope)
{
        struct tk_ask ask = {.key = tk_secret_view(&key),
                             .environment = refs->environment,
                             .scope = scope,
                             .method = TK_STR("GET"),
                             .path = TK_STR("/v1/forecast/oslo"),
                             .origin = TK_STR("https://a.example.com"),
                             .cost = 1,
                             .route = refs->route,
                             .now_ns = NOW_NS};
        CHECK(tk_ip_parse(TK_STR("10.1.2.3"), &ask.ip));
        return ask;
}

static size_t sum(struct tk_str text)
{
        size_t total = 0;
        for (size_t i = 0; i < text.len; i++)
                total += (uint8_t)text.ptr[i];
        return total;
}

/* Every byte that an answer points to is there, and a key that is not ours was never admitted. */
static void check_answer(const struct tk_answer *answer, const struct refs *refs)
{
        CHECK(answer->code < TK_CODE_COUNT && answer->limit_count <= TK_GATE_LIMITS_MAX);
        CHECK(!refs->stranger || (answer->code != TK_CODE_valid && !answer->identified));
        if (!answer->identified)
                return;
        size_t total =
                sum(answer->api) + sum(answer->environment) + sum(answer->consumer) + sum(answer->scopes);
        for (uint32_t i = 0; i < answer->limit_count; i++)
                total += sum(answer->limits[i].name);
        CHECK(total < SIZE_MAX);
}

static void decide(const struct refs *refs)
{
        struct tk_scope_expr scope;
        size_t error_at;
        CHECK(tk_scope_expr_parse(TK_STR("forecast:read and (a:b or c)"), &scope, &error_at));
        struct tk_ask ask = ask_of(refs, &scope);
        struct tk_answer answer;
        static struct tk_explanation explanation;
        struct tk_usage usage;

        tk_gate_explain(&gate, &ask, &explanation);
        check_answer(&explanation.answer, refs);
        tk_gate_decide(&gate, &ask, &answer);
        check_answer(&answer, refs);
        ask.scope = NULL;
        ask.route = 0;
        tk_gate_decide(&gate, &ask, &answer);
        check_answer(&answer, refs);
        (void)tk_gate_key_usage(&gate, ISSUED, &usage);
        (void)tk_gate_subscription_usage(&gate, SUBJECT, &usage);
}

/* What a daemon does before it adopts an arena. What passes holds together for deciders, too. */
static void adopt(const struct refs *refs)
{
        const char *why = NULL;
        struct tk_found found;
        if (tk_publisher_verify(&publisher, &found, &why) != TK_OK)
                return;
        tk_index_init(&publisher.index);
        publisher.api_bits = NULL;
        publisher.api_count = publisher.api_room = 0;
        CHECK(tk_intern_rebuild(&publisher, found.indexed_count) == TK_OK);
        struct tk_ask ask = ask_of(refs, NULL);
        struct tk_answer answer;
        ask.route = 0;
        tk_gate_decide(&gate, &ask, &answer);
        CHECK(refs->stranger || answer.code != TK_CODE_unavailable);
        tk_index_fini(&publisher.index);
        tk_ids_fini(&publisher.consumers);
        tk_free(publisher.api_bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        static bool begun;
        struct refs refs;
        if (len < sizeof refs)
                return 0;
        if (!begun)
                begin();
        begun = true;

        memcpy(&refs, bytes, sizeof refs);
        uint64_t lines = (len - sizeof refs) / TK_POLICY_LINE_BYTES;
        size_t arena_bytes = (size_t)lines * TK_POLICY_LINE_BYTES;
        uint8_t *arena = aligned_alloc(16, sizeof(struct tk_format_chains) + arena_bytes);
        CHECK(arena != NULL);
        memcpy(arena + sizeof(struct tk_format_chains), bytes + sizeof refs, arena_bytes);
        open_files(&refs, arena, lines);
        find_by_name(area_of(TK_FILE_POLICY), &refs);
        decide(&refs);
        adopt(&refs);
        free(arena);
        return 0;
}
