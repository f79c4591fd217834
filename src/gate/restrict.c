/*
 * Where a key may be used from and for: addresses, origins, methods, paths, and the scopes it must have. Runs
 * in the decision path, on any thread. A list that is empty restricts nothing; one that is not refuses a
 * request of which the matter is unknown. Never reads beyond the policy's record.
 */
#include "gate/request.h"

#include "core/path.h"

#include <string.h>

static bool address_allowed(const struct tk_policy_view *view, const struct tk_ip *ip)
{
        for (uint32_t i = 0; i < view->policy->cidr_count; i++) {
                struct tk_cidr cidr = {.family = view->cidrs[i].family,
                                       .prefix_bits = view->cidrs[i].prefix_bits};
                memcpy(cidr.bytes, view->cidrs[i].bytes, sizeof cidr.bytes);
                bool sound = cidr.prefix_bits <= (cidr.family == 4 ? 32 : 128);
                if (sound && ip->family && tk_cidr_contains(&cidr, ip))
                        return true;
        }
        return view->policy->cidr_count == 0;
}

static bool any_text(const struct tk_policy_view *view, const struct tk_format_text *texts, uint32_t count,
                     bool (*matches)(struct tk_str rule, struct tk_str value), struct tk_str value)
{
        for (uint32_t i = 0; i < count; i++) {
                struct tk_str rule;
                if (tk_policy_text(&view->policy->head, texts[i], &rule) && matches(rule, value))
                        return true;
        }
        return false;
}

/* One or more host labels: letters, digits and hyphens, separated by single dots. */
static bool is_labels(struct tk_str text)
{
        char before = '.';
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
                if (!letter && c != '-' && (c != '.' || before == '.'))
                        return false;
                before = c;
        }
        return before != '.';
}

/*
 * An origin is scheme, host and port as browsers send it (RFC 6454); ASCII case does not count. A host that begins with
 * `*.` matches one or more labels in place of the star: neither example.com itself nor evilexample.com.
 */
static bool origin_matches(struct tk_str rule, struct tk_str origin)
{
        const struct tk_str wildcard = TK_STR("://*.");
        const char *star = memmem(rule.ptr, rule.len, wildcard.ptr, wildcard.len);
        if (!star)
                return tk_str_equal_nocase(rule, origin);

        struct tk_str head = {rule.ptr, (size_t)(star - rule.ptr) + 3};
        struct tk_str tail = tk_str_skip(rule, head.len + 1); /* with its dot */
        if (origin.len <= head.len + tail.len)
                return false;

        struct tk_str its_head = {origin.ptr, head.len};
        struct tk_str its_tail = tk_str_skip(origin, origin.len - tail.len);
        struct tk_str labels = {origin.ptr + head.len, origin.len - head.len - tail.len};
        return tk_str_equal_nocase(head, its_head) && tk_str_equal_nocase(tail, its_tail) &&
               is_labels(labels);
}

/* Path rules judge the canonical path; one that some server would read differently is refused. NULL: allowed. */
static const char *why_path_refused(const struct tk_policy_view *view, struct tk_str raw)
{
        char canonical[TK_PATH_MAX];
        size_t len;
        bool ambiguous;
        if (raw.len == 0)
                return "the key is limited to paths, and none was given";
        if (!tk_path_canonical(raw, canonical, sizeof canonical, &len, &ambiguous))
                return "the key is limited to paths, and what was given is not a well-formed one";
        if (ambiguous && memchr(raw.ptr, '?', raw.len))
                return "the key is limited to paths, and this one has a query: give it without";
        if (ambiguous)
                return "the key is limited to paths, and this one is ambiguous: a server may read it as "
                       "another";
        if (!any_text(view, view->paths, view->policy->path_count, tk_path_template_match,
                      (struct tk_str){canonical, len}))
                return "the path is not allowed for this key";
        return NULL;
}

/*
 * Whose gateway does not tell what the key is limited by looks for the mistake in the key, unless the reason
 * says so.
 */
static const char *why_restricted(const struct tk_policy_view *view, const struct tk_ask *ask)
{
        const struct tk_format_policy *policy = view->policy;
        if (!address_allowed(view, &ask->ip))
                return ask->ip.family ? "the client address is not allowed for this key"
                                      : "the key is limited to client addresses, and none was given";
        if (policy->origin_count &&
            !any_text(view, view->origins, policy->origin_count, origin_matches, ask->origin))
                return ask->origin.len ? "the origin is not allowed for this key"
                                       : "the key is limited to origins, and none was given";
        if (policy->method_count &&
            !any_text(view, view->methods, policy->method_count, tk_str_equal, ask->method))
                return ask->method.len ? "the method is not allowed for this key"
                                       : "the key is limited to methods, and none was given";
        return policy->path_count ? why_path_refused(view, ask->path) : NULL;
}

bool tk_check_restrictions(struct tk_request *request)
{
        const char *reason = why_restricted(&request->key.view, request->ask);
        if (!reason)
                reason = request->ask->route_refusal;
        if (reason)
                request->answer->reason = reason;
        return !reason;
}

/* ---- scopes ---- */

static bool grants(const struct tk_policy_view *view, uint32_t bit)
{
        uint32_t word = bit / 64;
        return word < view->policy->scope_words && (view->scope_words[word] >> bit % 64 & 1);
}

static bool has_pattern(const struct tk_request *request, struct tk_str text)
{
        const struct tk_format_policy *policy = request->key.view.policy;
        struct tk_area *area = tk_gate_area(request->gate, TK_FILE_POLICY);
        uint32_t ref = tk_policy_find_pattern(area, policy->api_id, text);
        if (!ref)
                return false;

        const struct tk_format_pattern *pattern = tk_area_at(area, ref, 1);
        if (grants(&request->key.view, pattern->bit))
                return true;
        for (uint32_t i = 0; i < request->answer->role_count; i++)
                if (grants(&request->roles[i], pattern->bit))
                        return true;
        return false;
}

/* A name is granted by itself, by `resource:*`, or by `*`: the patterns that tk_scope_covers() covers it with. */
bool tk_request_has_scope(const struct tk_request *request, struct tk_str name)
{
        if (has_pattern(request, name) || has_pattern(request, TK_STR("*")))
                return true;

        char wildcard[TK_SCOPE_MAX + 2];
        const char *colon = memchr(name.ptr, ':', name.len);
        size_t head = colon ? (size_t)(colon - name.ptr) + 1 : 0;
        if (head == 0 || head > TK_SCOPE_MAX)
                return false;
        memcpy(wildcard, name.ptr, head);
        wildcard[head] = '*';
        return has_pattern(request, (struct tk_str){wildcard, head + 1});
}

static bool has_scope(void *context, struct tk_str name)
{
        return tk_request_has_scope(context, name);
}

static bool meets(struct tk_request *request, const struct tk_scope_expr *scope)
{
        return !scope || scope->op_count == 0 || tk_scope_expr_eval(scope, has_scope, request);
}

bool tk_check_scope(struct tk_request *request)
{
        return meets(request, request->ask->scope) && meets(request, request->ask->route_scope);
}
