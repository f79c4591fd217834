/*
 * Writes and reads public ids (id.h). Pure; any thread. Never uses printf: each verification writes several.
 */
#include "core/id.h"

#include "core/key.h"

#include <string.h>

static const char *const id_prefixes[] = {
        [TK_ID_KEY] = "key_",   [TK_ID_CONSUMER] = "con_", [TK_ID_SUBSCRIPTION] = "sub_",
        [TK_ID_ROUTE] = "rte_", [TK_ID_IMPORT] = "imp_",
};

void tk_id_format(enum tk_id_kind kind, uint64_t number, char ret_text[TK_ID_BYTES])
{
        char digits[20];
        size_t at = sizeof(digits);
        do {
                digits[--at] = (char)('0' + number % 10);
                number /= 10;
        } while (number > 0);
        size_t prefix_len = strlen(id_prefixes[kind]);
        memcpy(ret_text, id_prefixes[kind], prefix_len);
        memcpy(ret_text + prefix_len, digits + at, sizeof(digits) - at);
        ret_text[prefix_len + sizeof(digits) - at] = '\0';
}

bool tk_id_parse(enum tk_id_kind kind, struct tk_str text, uint64_t *ret_number)
{
        struct tk_str prefix = tk_str_from(id_prefixes[kind]);
        if (!tk_str_starts_with(text, prefix))
                return false;
        struct tk_str digits = tk_str_skip(text, prefix.len);
        uint64_t value;
        if (digits.len == 0 || digits.ptr[0] == '0' || !tk_str_to_u64(digits, &value) ||
            value > TK_KEY_NUMBER_MAX)
                return false;
        *ret_number = value;
        return true;
}
