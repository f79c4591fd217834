/*
 * Unpacking an event (event.h). Every field is compared with what the writer can have meant: events.c says
 * what that is.
 */
#include "gate/event.h"

#include "core/limit.h"

#include <string.h>

#define FLAGS_OF_SETTLEMENTS (TK_EVENT_SETTLED | TK_EVENT_RELEASED)
#define FLAGS_OF_DECISIONS   (TK_EVENT_RESERVED | TK_EVENT_SHADOW_REFUSED | TK_EVENT_NAMED_OVERFLOW)
#define SUBJECT_ZERO         UINT64_C(0xf80000000000) /* bits 43 to 47 */

static bool flags_sound(const struct tk_event *event)
{
        if (event->flags & FLAGS_OF_SETTLEMENTS)
                return (event->flags == TK_EVENT_SETTLED || event->flags == TK_EVENT_RELEASED) &&
                       event->code == TK_CODE_valid && (event->flags == TK_EVENT_SETTLED || event->cost == 0);
        return !(event->flags & ~FLAGS_OF_DECISIONS) &&
               (!(event->flags & TK_EVENT_RESERVED) || event->code == TK_CODE_valid);
}

/* Whom it is about: nobody but a key that exists was ever admitted. */
static bool key_sound(const struct tk_event *event, const struct tk_event_bounds *bounds)
{
        if (event->key == 0)
                return event->code != TK_CODE_valid && event->subscription == 0 && event->generation == 0;
        return event->key < bounds->key_lines &&
               (event->subscription == 0 || event->subscription < bounds->subscription_lines) &&
               event->code != TK_CODE_missing_key && event->code != TK_CODE_malformed &&
               event->code != TK_CODE_unknown;
}

static bool ip_sound(const struct tk_ip *ip)
{
        static const uint8_t zero[16];
        switch (ip->family) {
        case 0:
                return memcmp(ip->bytes, zero, 16) == 0;
        case 4:
                return memcmp(ip->bytes + 4, zero, 12) == 0;
        case 6:
                return true;
        default:
                return false;
        }
}

bool tk_event_decode(const struct tk_format_event *event, const struct tk_event_bounds *bounds,
                     struct tk_event *ret_event)
{
        uint8_t code = (uint8_t)(event->subject >> TK_EVENT_CODE_SHIFT);
        if (code >= TK_CODE_COUNT || (event->subject & SUBJECT_ZERO) || event->zero_a || event->zero_b)
                return false;

        struct tk_event decoded = {
                .time_ns = event->time_ns,
                .key = event->subject & TK_EVENT_NUMBER_MASK,
                .cost = event->cost,
                .code = (enum tk_code)code,
                .flags = (uint8_t)(event->subject >> TK_EVENT_FLAGS_SHIFT),
                .generation = event->generation,
                .subscription = event->subscription,
                .environment = event->environment,
                .route = event->route,
                .ip = {.family = event->family},
        };
        memcpy(decoded.ip.bytes, event->ip, sizeof decoded.ip.bytes);
        if (decoded.time_ns == 0 || decoded.time_ns > bounds->latest_ns || decoded.cost > TK_LIMIT_COST_MAX ||
            !flags_sound(&decoded) || !key_sound(&decoded, bounds) || !ip_sound(&decoded.ip))
                return false;
        *ret_event = decoded;
        return true;
}
