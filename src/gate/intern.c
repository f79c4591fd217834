/*
 * Writing the policy arena: each content is appended once and found again by its hash. One thread, the
 * publisher's. Order of every append: bytes, then used_lines, then the chain; so a daemon killed anywhere
 * leaves an arena that readers and its successor understand. Never changes a record but for its atomic words.
 */
#include "gate/publisher.h"

#include "core/alloc.h"

#include <string.h>

static struct tk_area *arena(const struct tk_publisher *publisher)
{
        return tk_publisher_area(publisher, TK_FILE_POLICY);
}

static struct tk_format_record *record_at(const struct tk_publisher *publisher, uint32_t ref)
{
        return (struct tk_format_record *)(arena(publisher)->lines + (uint64_t)ref * TK_POLICY_LINE_BYTES);
}

static uint32_t hash_ids(enum tk_record_kind kind, uint32_t id, struct tk_str text)
{
        uint32_t ids[2] = {kind, id};
        return tk_fnv_fold(tk_fnv(tk_fnv(TK_FNV_START, ids, sizeof ids), text.ptr, text.len));
}

/* ---- what there is, in the daemon's memory ---- */

/* The consumer of which this is the first record; 0: it is none of these. */
static uint32_t first_of(const struct tk_publisher *publisher, const struct tk_format_record *record)
{
        uint32_t consumer_id = ((const struct tk_format_consumer *)(const void *)record)->consumer_id;
        return record->kind == TK_RECORD_CONSUMER && !tk_ids_get(&publisher->consumers, consumer_id)
                       ? consumer_id
                       : 0;
}

static enum tk_err reserve_memory(struct tk_publisher *publisher, const struct tk_format_record *record)
{
        uint32_t consumer_id = first_of(publisher, record);
        return consumer_id ? tk_ids_reserve(&publisher->consumers, consumer_id)
                           : tk_index_reserve(&publisher->index, 1);
}

static void remember(struct tk_publisher *publisher, const struct tk_format_record *record, uint32_t ref)
{
        uint32_t consumer_id = first_of(publisher, record);
        if (consumer_id)
                tk_ids_set(&publisher->consumers, consumer_id, ref);
        else
                tk_index_add(&publisher->index, record->hash, ref);
}

/* ---- append ---- */

/* `record` is complete but for kind, hash and next. */
static enum tk_err append(struct tk_publisher *publisher, struct tk_format_record *record,
                          enum tk_record_kind kind, uint32_t hash, uint32_t *ret_ref)
{
        struct tk_area *area = arena(publisher);
        uint64_t line = tk_area_used(area);
        uint64_t end_line = line + record->size_bytes / TK_POLICY_LINE_BYTES;

        record->kind = (uint16_t)kind;
        record->hash = hash;
        enum tk_err err = reserve_memory(publisher, record);
        if (!err)
                err = tk_area_reserve(area, end_line);
        if (err)
                return err;

        memcpy(area->lines + line * TK_POLICY_LINE_BYTES, record, record->size_bytes);
        tk_area_use(area, end_line);
        remember(publisher, record, (uint32_t)line);
        *ret_ref = (uint32_t)line;
        return TK_OK;
}

static void link_into(_Atomic uint32_t *head, struct tk_format_record *record, uint32_t ref)
{
        uint32_t first = atomic_load_explicit(head, memory_order_relaxed);
        atomic_store_explicit(&record->next, first, memory_order_release);
        atomic_store_explicit(head, ref, memory_order_release);
}

/* Begin a record in scratch: `bytes` of structure, zeroed. */
static void *begin(struct tk_publisher *publisher, size_t bytes)
{
        struct tk_format_record *record = (void *)publisher->scratch;
        memset(record, 0, bytes);
        record->size_bytes = (uint32_t)bytes;
        return record;
}

/* Put a text behind what the record has. The caller knows that it fits. */
static struct tk_format_text add_text(struct tk_format_record *record, struct tk_str text)
{
        struct tk_format_text place = {record->size_bytes, (uint32_t)text.len};
        memcpy((uint8_t *)record + record->size_bytes, text.ptr, text.len);
        record->size_bytes += (uint32_t)text.len;
        return place;
}

static void pad(struct tk_format_record *record)
{
        while (record->size_bytes % TK_POLICY_LINE_BYTES)
                ((uint8_t *)record)[record->size_bytes++] = 0;
}

static bool name_fits(struct tk_str name)
{
        return name.ptr && name.len > 0 && name.len <= TK_POLICY_NAME_MAX;
}

/* ---- environments ---- */

uint32_t tk_intern_find_environment(const struct tk_publisher *publisher, uint32_t environment_id)
{
        uint32_t hash = hash_ids(TK_RECORD_ENVIRONMENT, environment_id, TK_STR_NONE);
        size_t cursor = 0;
        uint32_t ref;
        while ((ref = tk_index_next(&publisher->index, hash, &cursor))) {
                const struct tk_format_environment *record = (const void *)record_at(publisher, ref);
                if (record->head.kind == TK_RECORD_ENVIRONMENT && record->environment_id == environment_id)
                        return ref;
        }
        return 0;
}

static void link_environment(struct tk_publisher *publisher, uint32_t ref)
{
        struct tk_format_environment *record = (void *)record_at(publisher, ref);
        struct tk_str api, name;
        if (!tk_policy_text(&record->head, record->api, &api) ||
            !tk_policy_text(&record->head, record->name, &name))
                return;
        uint32_t bucket = tk_policy_environment_bucket(api, name);
        link_into(&tk_policy_chains(arena(publisher))->environments[bucket], &record->head, ref);
}

enum tk_err tk_intern_environment(struct tk_publisher *publisher,
                                  const struct tk_publish_environment *environment)
{
        uint32_t state = environment->suspended ? TK_LINE_SUSPENDED : TK_LINE_ACTIVE;
        uint32_t ref = tk_intern_find_environment(publisher, environment->id);
        if (ref) {
                struct tk_format_environment *record = (void *)record_at(publisher, ref);
                atomic_store(&record->state, state);
                return TK_OK;
        }
        if (!name_fits(environment->api) || !name_fits(environment->name))
                return TK_INVALID;

        struct tk_format_environment *record = begin(publisher, sizeof *record);
        record->environment_id = environment->id;
        record->api_id = environment->api_id;
        atomic_init(&record->state, state);
        record->api = add_text(&record->head, environment->api);
        record->name = add_text(&record->head, environment->name);
        pad(&record->head);

        uint32_t hash = hash_ids(TK_RECORD_ENVIRONMENT, environment->id, TK_STR_NONE);
        enum tk_err err = append(publisher, &record->head, TK_RECORD_ENVIRONMENT, hash, &ref);
        if (!err)
                link_environment(publisher, ref);
        return err;
}

/* ---- consumers ---- */

/* The first record of a consumer, to which lines refer. */
uint32_t tk_intern_find_consumer(const struct tk_publisher *publisher, uint32_t consumer_id)
{
        return tk_ids_get(&publisher->consumers, consumer_id);
}

static bool has_name(const struct tk_publisher *publisher, uint32_t ref, uint32_t consumer_id,
                     struct tk_str name)
{
        const struct tk_format_consumer *record = (const void *)record_at(publisher, ref);
        struct tk_str its_name;
        return record->head.kind == TK_RECORD_CONSUMER && record->consumer_id == consumer_id &&
               tk_policy_text(&record->head, record->name, &its_name) && tk_str_equal(its_name, name);
}

/* Of a consumer's records, one for each name that it ever had, the one with this; 0: there is none. */
static uint32_t find_named(const struct tk_publisher *publisher, uint32_t first, uint32_t consumer_id,
                           struct tk_str name)
{
        uint32_t hash = hash_ids(TK_RECORD_CONSUMER, consumer_id, TK_STR_NONE);
        uint32_t ref = first;
        size_t cursor = 0;
        while (ref && !has_name(publisher, ref, consumer_id, name))
                ref = tk_index_next(&publisher->index, hash, &cursor);
        return ref;
}

enum tk_err tk_intern_consumer(struct tk_publisher *publisher, const struct tk_publish_consumer *consumer)
{
        if (consumer->id == 0 || !name_fits(consumer->name))
                return TK_INVALID;
        uint32_t first = tk_intern_find_consumer(publisher, consumer->id);
        uint32_t named = find_named(publisher, first, consumer->id, consumer->name);

        if (!named) {
                struct tk_format_consumer *record = begin(publisher, sizeof *record);
                record->consumer_id = consumer->id;
                record->name = add_text(&record->head, consumer->name);
                pad(&record->head);
                uint32_t hash = hash_ids(TK_RECORD_CONSUMER, consumer->id, TK_STR_NONE);
                enum tk_err err = append(publisher, &record->head, TK_RECORD_CONSUMER, hash, &named);
                if (err)
                        return err;
        }
        if (first) {
                struct tk_format_consumer *record = (void *)record_at(publisher, first);
                atomic_store_explicit(&record->successor, named == first ? 0 : named, memory_order_release);
        }
        return TK_OK;
}

/* ---- roles ---- */

uint32_t tk_intern_find_role(const struct tk_publisher *publisher, uint32_t role_id, uint32_t api_id)
{
        uint32_t hash = hash_ids(TK_RECORD_ROLE, role_id, TK_STR_NONE);
        size_t cursor = 0;
        uint32_t ref;
        while ((ref = tk_index_next(&publisher->index, hash, &cursor))) {
                const struct tk_format_role *record = (const void *)record_at(publisher, ref);
                if (record->head.kind == TK_RECORD_ROLE && record->role_id == role_id)
                        return record->api_id == api_id ? ref : 0;
        }
        return 0;
}

enum tk_err tk_intern_role(struct tk_publisher *publisher, const struct tk_publish_role *role,
                           uint32_t policy)
{
        uint32_t ref = tk_intern_find_role(publisher, role->id, role->api_id);
        if (ref) {
                struct tk_format_role *record = (void *)record_at(publisher, ref);
                atomic_store(&record->policy, policy);
                return TK_OK;
        }
        if (role->id == 0 || !name_fits(role->name))
                return TK_INVALID;

        struct tk_format_role *record = begin(publisher, sizeof *record);
        record->role_id = role->id;
        record->api_id = role->api_id;
        atomic_init(&record->policy, policy);
        record->name = add_text(&record->head, role->name);
        pad(&record->head);
        return append(publisher, &record->head, TK_RECORD_ROLE,
                      hash_ids(TK_RECORD_ROLE, role->id, TK_STR_NONE), &ref);
}

/* ---- scope patterns ---- */

/* The API's counter of bits; NULL when out of memory. */
static struct tk_api_bits *bits_of(struct tk_publisher *publisher, uint32_t api_id)
{
        for (size_t i = 0; i < publisher->api_count; i++)
                if (publisher->api_bits[i].api_id == api_id)
                        return &publisher->api_bits[i];

        if (publisher->api_count == publisher->api_room) {
                size_t room = publisher->api_room ? publisher->api_room * 2 : 16;
                struct tk_api_bits *more = tk_realloc(publisher->api_bits, room * sizeof *more);
                if (!more)
                        return NULL;
                publisher->api_bits = more;
                publisher->api_room = room;
        }
        struct tk_api_bits *bits = &publisher->api_bits[publisher->api_count++];
        *bits = (struct tk_api_bits){.api_id = api_id};
        return bits;
}

static void link_pattern(struct tk_publisher *publisher, uint32_t ref)
{
        struct tk_format_pattern *record = (void *)record_at(publisher, ref);
        struct tk_str text;
        if (!tk_policy_text(&record->head, record->text, &text))
                return;
        uint32_t bucket = tk_policy_pattern_bucket(record->api_id, text);
        link_into(&tk_policy_chains(arena(publisher))->patterns[bucket], &record->head, ref);
}

enum tk_err tk_intern_pattern(struct tk_publisher *publisher, uint32_t api_id, struct tk_str text,
                              uint32_t *ret_bit)
{
        uint32_t ref = tk_policy_find_pattern(arena(publisher), api_id, text);
        if (ref) {
                *ret_bit = ((const struct tk_format_pattern *)(const void *)record_at(publisher, ref))->bit;
                return TK_OK;
        }
        if (!name_fits(text))
                return TK_INVALID;
        struct tk_api_bits *bits = bits_of(publisher, api_id);
        if (!bits)
                return TK_NOMEM;
        if (bits->next_bit == TK_POLICY_PATTERNS_MAX)
                return TK_FULL;

        struct tk_format_pattern *record = begin(publisher, sizeof *record);
        record->api_id = api_id;
        record->bit = bits->next_bit;
        record->text = add_text(&record->head, text);
        pad(&record->head);
        enum tk_err err = append(publisher, &record->head, TK_RECORD_PATTERN,
                                 hash_ids(TK_RECORD_PATTERN, api_id, text), &ref);
        if (err)
                return err;
        link_pattern(publisher, ref);
        *ret_bit = bits->next_bit++;
        return TK_OK;
}

/* ---- routes ---- */

static void link_route(struct tk_publisher *publisher, uint32_t ref)
{
        struct tk_format_route *record = (void *)record_at(publisher, ref);
        struct tk_str method, template;
        if (!tk_policy_text(&record->head, record->method, &method) ||
            !tk_policy_text(&record->head, record->template, &template))
                return;
        uint32_t bucket = tk_policy_route_bucket(record->environment_id, method, template);
        link_into(&tk_policy_chains(arena(publisher))->routes[bucket], &record->head, ref);
}

enum tk_err tk_intern_route(struct tk_publisher *publisher, const struct tk_publish_route *route,
                            struct tk_format_route **ret_route)
{
        uint32_t ref =
                tk_policy_find_route(arena(publisher), route->environment_id, route->method, route->template);
        /* A route that was deleted keeps its record, and its usage; the one that has its place now gets its own. */
        if (ref && ((const struct tk_format_route *)(const void *)record_at(publisher, ref))->route_id ==
                           route->id) {
                *ret_route = (void *)record_at(publisher, ref);
                return TK_OK;
        }
        if (!name_fits(route->method) || !name_fits(route->template))
                return TK_INVALID;

        struct tk_format_route *record = begin(publisher, sizeof *record);
        record->route_id = route->id;
        record->environment_id = route->environment_id;
        record->method = add_text(&record->head, route->method);
        record->template = add_text(&record->head, route->template);
        pad(&record->head);
        enum tk_err err = append(publisher, &record->head, TK_RECORD_ROUTE,
                                 hash_ids(TK_RECORD_ROUTE, route->environment_id, route->template), &ref);
        if (err)
                return err;
        *ret_route = (void *)record_at(publisher, ref);
        return TK_OK;
}

/* Nobody may find it before it has a meter. */
void tk_intern_link_route(struct tk_publisher *publisher, struct tk_format_route *route)
{
        struct tk_str method, template;
        tk_policy_text(&route->head, route->method, &method);
        tk_policy_text(&route->head, route->template, &template);
        uint32_t ref = (uint32_t)(((uint8_t *)route - arena(publisher)->lines) / TK_POLICY_LINE_BYTES);
        uint32_t found = tk_policy_find_route(arena(publisher), route->environment_id, method, template);
        if (found < ref) /* the newest is found first */
                link_route(publisher, ref);
}

/* ---- nodes and ends of routes ---- */

enum tk_err tk_intern_append(struct tk_publisher *publisher, enum tk_record_kind kind, uint32_t id,
                             struct tk_str text, uint32_t *ret_ref)
{
        struct tk_format_record *record = (void *)publisher->scratch;
        pad(record);
        return append(publisher, record, kind, hash_ids(kind, id, text), ret_ref);
}

/* ---- policies ---- */

enum tk_err tk_intern_policy(struct tk_publisher *publisher, enum tk_record_kind kind, uint32_t *ret_ref)
{
        struct tk_format_record *record = (void *)publisher->scratch;
        pad(record);
        size_t content = record->size_bytes - sizeof *record;
        uint32_t hash = tk_fnv_fold(tk_fnv(TK_FNV_START, record + 1, content));

        size_t cursor = 0;
        uint32_t ref;
        while ((ref = tk_index_next(&publisher->index, hash, &cursor))) {
                const struct tk_format_record *other = record_at(publisher, ref);
                if (other->kind == kind && other->size_bytes == record->size_bytes &&
                    memcmp(other + 1, record + 1, content) == 0) {
                        *ret_ref = ref;
                        return TK_OK;
                }
        }
        return append(publisher, record, kind, hash, ret_ref);
}

/* ---- at open ---- */

static enum tk_err take_pattern(struct tk_publisher *publisher, uint32_t ref)
{
        const struct tk_format_pattern *record = (const void *)record_at(publisher, ref);
        struct tk_api_bits *bits = bits_of(publisher, record->api_id);
        struct tk_str text;
        if (!bits)
                return TK_NOMEM;

        if (record->bit >= bits->next_bit)
                bits->next_bit = record->bit + 1;
        if (tk_policy_text(&record->head, record->text, &text) &&
            !tk_policy_find_pattern(arena(publisher), record->api_id, text))
                link_pattern(publisher, ref);
        return TK_OK;
}

static void take_environment(struct tk_publisher *publisher, uint32_t ref)
{
        const struct tk_format_environment *record = (const void *)record_at(publisher, ref);
        struct tk_str api, name;
        if (tk_policy_text(&record->head, record->api, &api) &&
            tk_policy_text(&record->head, record->name, &name) &&
            !tk_policy_find_environment(arena(publisher), api, name))
                link_environment(publisher, ref);
}

/*
 * One that a killed daemon made and did not bind stays unlinked: nobody refers to it, and the next one like
 * it is another.
 */
static void take_route(struct tk_publisher *publisher, uint32_t ref)
{
        struct tk_format_route *record = (void *)record_at(publisher, ref);
        if (atomic_load_explicit(&record->binding, memory_order_relaxed))
                tk_intern_link_route(publisher, record);
}

static enum tk_err take_record(struct tk_publisher *publisher, const struct tk_format_record *record,
                               uint32_t ref)
{
        enum tk_err err = reserve_memory(publisher, record);
        if (err)
                return err;
        remember(publisher, record, ref);
        if (record->kind == TK_RECORD_PATTERN)
                return take_pattern(publisher, ref);
        if (record->kind == TK_RECORD_ENVIRONMENT)
                take_environment(publisher, ref);
        if (record->kind == TK_RECORD_ROUTE)
                take_route(publisher, ref);
        return TK_OK;
}

enum tk_err tk_intern_rebuild(struct tk_publisher *publisher, uint64_t indexed_count)
{
        uint64_t used = tk_area_used(arena(publisher));
        enum tk_err err = tk_index_reserve(&publisher->index, indexed_count);
        for (uint64_t line = 1; line < used && !err;) {
                const struct tk_format_record *record = record_at(publisher, (uint32_t)line);
                err = take_record(publisher, record, (uint32_t)line);
                line += record->size_bytes / TK_POLICY_LINE_BYTES;
        }
        return err;
}
