/*
 * A SHA-256 as other systems write it. Pure; any thread.
 */
#ifndef TK_CORE_HASH_TEXT_H
#define TK_CORE_HASH_TEXT_H

#include "core/str.h"

/*
 * Read 32 bytes from hexadecimal (64 digits, of either case), base64 or base64url (RFC 4648, sections 4 and 5; 43 characters, with
 * or without the `=`). False, and ret_hash untouched, for anything else: also where the last character has bits that belong to
 * no byte, because two texts would then stand for one hash.
 */
bool tk_hash_parse(struct tk_str text, uint8_t ret_hash[32]);

#endif
