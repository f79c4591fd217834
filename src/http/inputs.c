/*
 * Reads limits, restrictions and environments. See inputs.h.
 */
#include "http/inputs.h"

#include "service/service.h"

#include <stddef.h>

static const struct tk_json_member environment_members[] = {
        {"name", tk_json_read_text, offsetof(struct tk_input_environment, name), true},
        {"tag", tk_json_read_text, offsetof(struct tk_input_environment, tag), false},
        {"description", tk_json_read_text, offsetof(struct tk_input_environment, description), false},
};
const struct tk_json_shape tk_json_environment_shape = TK_JSON_SHAPE(environment_members);

/* A number that may be left out: the struct says whether it was given. */
static enum tk_err read_limit(struct tk_json_reader *reader, const json_t *value, void *ret_limit)
{
        struct tk_input_limit *limit = ret_limit;
        limit->limit_set = true;
        return tk_json_read_count(reader, value, &limit->limit);
}

static enum tk_err read_burst(struct tk_json_reader *reader, const json_t *value, void *ret_limit)
{
        struct tk_input_limit *limit = ret_limit;
        limit->burst_set = true;
        return tk_json_read_count(reader, value, &limit->burst);
}

static const struct tk_json_member limit_members[] = {
        {"name", tk_json_read_text, offsetof(struct tk_input_limit, name), false},
        {"kind", tk_json_read_text, offsetof(struct tk_input_limit, kind), false},
        {"limit", read_limit, 0, true},
        {"per", tk_json_read_text, offsetof(struct tk_input_limit, per), true},
        {"burst", read_burst, 0, false},
        {"anchor", tk_json_read_text, offsetof(struct tk_input_limit, anchor), false},
        {"shadow", tk_json_read_flag, offsetof(struct tk_input_limit, shadow), false},
};
static const struct tk_json_shape limit_shape = TK_JSON_SHAPE(limit_members);

enum tk_err tk_json_read_limits(struct tk_json_reader *reader, const json_t *value, void *ret_limits)
{
        void *items;
        size_t count;
        enum tk_err err =
                tk_json_read_list(reader, value, &limit_shape, sizeof(struct tk_input_limit), &items, &count);
        if (err != TK_OK)
                return err;
        *(struct tk_input_limits *)ret_limits =
                (struct tk_input_limits){.set = true, .items = items, .count = count};
        return TK_OK;
}

static const struct tk_json_member restriction_members[] = {
        {"cidrs", tk_json_read_texts, offsetof(struct tk_input_key, cidrs), false},
        {"origins", tk_json_read_texts, offsetof(struct tk_input_key, origins), false},
        {"methods", tk_json_read_texts, offsetof(struct tk_input_key, methods), false},
        {"paths", tk_json_read_texts, offsetof(struct tk_input_key, paths), false},
};
static const struct tk_json_shape restriction_shape = TK_JSON_SHAPE(restriction_members);

enum tk_err tk_json_read_restrictions(struct tk_json_reader *reader, const json_t *value, void *ret_key)
{
        return tk_json_read(reader, value, &restriction_shape, ret_key);
}
