/*
 * Fuzz target: the tree of routes (gate/route_table.h). The input is a reference, a path, and the arena that the reference leads into, to the last byte
 * of a heap block, so that a sanitizer sees a read past what is announced. A search ends, and what it finds can be used.
 */
#include "fuzz.h"

#include "gate/publisher.h"
#include "gate/request.h"
#include "gate/route_table.h"

#include <string.h>

/* What the input begins with; the path follows, then the arena. */
struct head {
        uint16_t environment; /* line of the arena */
        uint8_t method;
        uint8_t path_len;
};

static struct tk_format_header header;
static struct tk_gate gate;

static void open_arena(void *lines, uint64_t used)
{
        struct tk_area *area = &gate.files.areas[TK_FILE_POLICY];
        area->header = &header;
        area->lines = lines;
        area->line_bytes = TK_POLICY_LINE_BYTES;
        area->reserve_lines = used;
        area->capacity_word = &header.capacity_lines;
        area->used_word = &header.used_lines;
        atomic_store(area->capacity_word, tk_seal(used));
        atomic_store(area->used_word, tk_seal(used));
        atomic_store(&area->known_lines, used);
        area->fd = -1;
}

static size_t sum(struct tk_str text)
{
        size_t all = 0;
        for (size_t i = 0; i < text.len; i++)
                all += (unsigned char)text.ptr[i];
        return all;
}

static bool granted(void *context, struct tk_str name)
{
        *(size_t *)context += sum(name);
        return name.len % 2;
}

static void check_found(struct tk_area *policy, const struct tk_matched_route *found)
{
        size_t read = sum(found->method) + sum(found->path) + sum(found->scope_text);
        CHECK(tk_policy_route(policy, found->route) != NULL);
        CHECK(found->cost <= TK_LIMIT_COST_MAX && found->scope.op_count <= TK_SCOPE_EXPR_MAX_OPS);
        (void)tk_scope_expr_eval(&found->scope, granted, &read);
}

/* A tree that the daemon's check lets through is one in which no search is in trouble. */
static bool all_sound(struct tk_area *policy, uint64_t lines)
{
        for (uint64_t line = 1; line < lines; line++) {
                const struct tk_format_record *record = tk_area_at(policy, line, 1);
                bool node = record->kind == TK_RECORD_ROUTE_NODE, end = record->kind == TK_RECORD_ROUTE_END;
                if ((node && !tk_route_node_sound(policy, (uint32_t)line)) ||
                    (end && !tk_route_end_sound(policy, (uint32_t)line)))
                        return false;
        }
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        static const char *const methods[] = {"GET", "HEAD", "POST", "*", ""};
        struct tk_area *policy = &gate.files.areas[TK_FILE_POLICY];
        struct tk_matched_route found;
        struct head head;
        if (len < sizeof head)
                return 0;
        memcpy(&head, bytes, sizeof head);
        bytes += sizeof head, len -= sizeof head;
        if (len < head.path_len)
                return 0;
        struct tk_str path = fuzz_text(bytes, head.path_len);
        bytes += head.path_len, len -= head.path_len;

        uint64_t lines = len / TK_POLICY_LINE_BYTES;
        void *arena = aligned_alloc(16, (size_t)lines * TK_POLICY_LINE_BYTES + 16);
        CHECK(arena != NULL);
        uint8_t *first = (uint8_t *)arena + 16; /* to the block's last byte */
        memcpy(first, bytes, (size_t)lines * TK_POLICY_LINE_BYTES);
        open_arena(first, lines);
        const struct tk_format_environment *environment = tk_policy_environment(policy, head.environment);
        bool sound = all_sound(policy, lines) && environment &&
                     (!environment->routes || tk_route_node(policy, environment->routes));
        enum tk_route_result result = tk_gate_match_route(
                &gate, head.environment, tk_str_from(methods[head.method % 5]), path, &found);
        if (result == TK_ROUTE_MATCHED)
                check_found(policy, &found);
        CHECK(!sound || result != TK_ROUTE_UNAVAILABLE);
        free(arena);
        return 0;
}
