/*
 * The words of the public header for codes, and small helpers that need no handle: addresses, the key in a
 * request's headers, the version. Pure; any thread.
 */
#include "core/cidr.h"
#include "core/secret.h"
#include "lib/handle.h"

#include <netinet/in.h>
#include <sys/socket.h>

const char *tollkeeper_version(void)
{
        return TK_VERSION;
}

/* ---- codes ---- */

/* The numbers of the header never change; those of the table follow the order of the checks. */
static const enum tollkeeper_code public_codes[TK_CODE_COUNT] = {
        [TK_CODE_missing_key] = TOLLKEEPER_MISSING_KEY,
        [TK_CODE_malformed] = TOLLKEEPER_MALFORMED,
        [TK_CODE_unknown] = TOLLKEEPER_UNKNOWN,
        [TK_CODE_revoked] = TOLLKEEPER_REVOKED,
        [TK_CODE_suspended] = TOLLKEEPER_SUSPENDED,
        [TK_CODE_not_yet_valid] = TOLLKEEPER_NOT_YET_VALID,
        [TK_CODE_expired] = TOLLKEEPER_EXPIRED,
        [TK_CODE_wrong_environment] = TOLLKEEPER_WRONG_ENVIRONMENT,
        [TK_CODE_restricted] = TOLLKEEPER_RESTRICTED,
        [TK_CODE_insufficient_scope] = TOLLKEEPER_INSUFFICIENT_SCOPE,
        [TK_CODE_rate_limited] = TOLLKEEPER_RATE_LIMITED,
        [TK_CODE_quota_exceeded] = TOLLKEEPER_QUOTA_EXCEEDED,
        [TK_CODE_credits_exhausted] = TOLLKEEPER_CREDITS_EXHAUSTED,
        [TK_CODE_unavailable] = TOLLKEEPER_UNAVAILABLE,
        [TK_CODE_valid] = TOLLKEEPER_VALID,
};
_Static_assert(TK_CODE_COUNT == TOLLKEEPER_CREDITS_EXHAUSTED + 1,
               "a code has no number in the public header");

enum tollkeeper_code tk_lib_code(enum tk_code code)
{
        return (unsigned)code < TK_CODE_COUNT ? public_codes[code] : TOLLKEEPER_UNAVAILABLE;
}

enum tk_code tk_lib_gate_code(enum tollkeeper_code code)
{
        for (unsigned i = 0; i < TK_CODE_COUNT; i++)
                if (public_codes[i] == code)
                        return (enum tk_code)i;
        return TK_CODE_COUNT;
}

const char *tollkeeper_code_name(enum tollkeeper_code code)
{
        return tk_code_name(tk_lib_gate_code(code));
}

int tollkeeper_code_http_status(enum tollkeeper_code code)
{
        return tk_code_http_status(tk_lib_gate_code(code));
}

const char *tollkeeper_code_text(enum tollkeeper_code code)
{
        return tk_code_text(tk_lib_gate_code(code));
}

/* ---- what a request brought ---- */

static struct tollkeeper_ip ip_of(const struct tk_ip *ip)
{
        struct tollkeeper_ip result = {.family = ip->family};
        memcpy(result.bytes, ip->bytes, sizeof result.bytes);
        return result;
}

struct tollkeeper_ip tollkeeper_ip_of_text(struct tollkeeper_text text)
{
        struct tk_ip ip = {0};
        if (!text.ptr || !tk_ip_parse(tk_lib_str(text), &ip))
                ip = (struct tk_ip){0};
        return ip_of(&ip);
}

struct tollkeeper_ip tollkeeper_ip_of_socket(const struct sockaddr *address)
{
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        struct tollkeeper_ip ip = {0};
        if (address && address->sa_family == AF_INET) {
                ip.family = 4;
                memcpy(ip.bytes, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        } else if (address && address->sa_family == AF_INET6) {
                const uint8_t *bytes =
                        ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
                bool v4 = memcmp(bytes, mapped, sizeof mapped) == 0;
                ip.family = v4 ? 4 : 6;
                memcpy(ip.bytes, v4 ? bytes + sizeof mapped : bytes, v4 ? 4 : 16);
        }
        return ip;
}

static struct tk_str bearer(struct tollkeeper_text authorization)
{
        struct tk_str scheme, key;
        if (!authorization.ptr || !tk_str_cut(tk_str_trim(tk_lib_str(authorization)), ' ', &scheme, &key) ||
            !tk_str_equal_nocase(scheme, TK_STR("Bearer")))
                return TK_STR_NONE;
        return tk_str_trim(key);
}

struct tollkeeper_text tollkeeper_key_of_headers(struct tollkeeper_text authorization,
                                                 struct tollkeeper_text api_key)
{
        struct tk_str one = bearer(authorization);
        struct tk_str other = api_key.ptr ? tk_str_trim(tk_lib_str(api_key)) : TK_STR_NONE;
        if (one.len == 0)
                return tk_lib_text(other);
        bool same = other.len == 0 ||
                    (one.len == other.len && tk_equal_constant_time(one.ptr, other.ptr, one.len));
        return tk_lib_text(same ? one : TK_STR("two different keys"));
}
