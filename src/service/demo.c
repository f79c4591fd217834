/*
 * The demo of scripts/run: the API `weather`, two scopes, a consumer and a key limited to 100 requests a
 * minute, so that a newcomer has something to try. Made once; never touched again.
 */
#include "service/internal.h"

static const struct tk_str granted[] = {TK_STR("forecast:read")};

static const struct tk_input_limit per_minute = {
        .per = TK_STR("1m"),
        .limit_set = true,
        .limit = 100,
};

static const struct tk_input_key demo_key = {
        .api = TK_STR("weather"),
        .consumer = TK_STR("acme"),
        .name = TK_STR("demo"),
        .scopes = {.set = true, .items = granted, .count = 1},
        .limits = {.set = true, .items = &per_minute, .count = 1},
        .create_missing = true,
};

static const struct tk_input_scope demo_scopes[] = {
        {TK_STR("forecast:read"), TK_STR("read forecasts")},
        {TK_STR("alerts:read"), TK_STR("read weather alerts")},
};

static enum tk_err make_api(struct tk_service *service, const struct tk_caller *caller,
                            struct tk_arena *arena, struct tk_fault *fault)
{
        struct tk_api api;
        struct tk_input_api wanted = {.name = demo_key.api,
                                      .description = TK_STR("A demo: forecasts and alerts.")};
        enum tk_err err = tk_service_api_create(service, caller, &wanted, arena, &api, fault);
        for (size_t i = 0; err == TK_OK && i < sizeof(demo_scopes) / sizeof(demo_scopes[0]); i++) {
                struct tk_scope scope;
                err = tk_service_scope_create(service, caller, demo_key.api, &demo_scopes[i], arena, &scope,
                                              fault);
        }
        return err;
}

/* Whether somebody, this function in an earlier life perhaps, has issued a key of the API. */
static enum tk_err has_key(struct tk_service *service, struct tk_arena *arena, bool *ret_has,
                           struct tk_fault *fault)
{
        struct tk_input_key_filter filter = {.api = demo_key.api};
        struct tk_key **keys;
        size_t count;
        enum tk_err err = tk_service_key_list(service, &filter, (struct tk_page){.limit = 1}, arena, &keys,
                                              &count, fault);
        if (err == TK_OK)
                *ret_has = count > 0;
        return err;
}

/* In two steps: a daemon killed between them makes the key at its next start. */
enum tk_err tk_service_demo_create(struct tk_service *service, const struct tk_caller *caller,
                                   struct tk_arena *arena, struct tk_key_issued *ret_issued, bool *ret_made,
                                   struct tk_fault *fault)
{
        struct tk_api existing;
        bool has = false;
        enum tk_err err = tk_service_api_get(service, demo_key.api, arena, &existing, fault);
        if (err == TK_OK)
                err = has_key(service, arena, &has, fault);
        else if (err == TK_NOT_FOUND)
                err = make_api(service, caller, arena, fault);
        if (err == TK_OK && !has)
                err = tk_service_key_issue(service, caller, &demo_key, arena, ret_issued, fault);
        if (err == TK_OK)
                *ret_made = !has;
        return err;
}
