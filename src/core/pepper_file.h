/*
 * The content of the pepper file (docs/formats/pepper.md): the secrets that live outside the registry, without which no
 * key can be verified. From bytes to a struct; who reads the file, and whose it must be, is gate/secrets_file.h. Pure.
 */
#ifndef TK_CORE_PEPPER_FILE_H
#define TK_CORE_PEPPER_FILE_H

#include "core/digest.h"
#include "core/key.h"

#define TK_PEPPER_FILE_MAX_BYTES 8191

struct tk_pepper_file {
        struct tk_pepper_set peppers;
        struct tk_key_mask mask;
};

void tk_pepper_file_init(struct tk_pepper_file *file);
void tk_pepper_file_fini(struct tk_pepper_file *file); /* wipes */

/*
 * Read the file's text, which the caller wipes. On success whoever has *ret_file ends it with tk_pepper_file_fini().
 * TK_CORRUPT: it is not of the format; ret_file then holds no secret, and *ret_why says what is wrong, as the
 * end of a sentence that begins with the file (static storage; never a part of the text).
 */
enum tk_err tk_pepper_file_parse(struct tk_str text, struct tk_pepper_file *ret_file, const char **ret_why);

/*
 * Whether `newer` has the same mask, and each pepper that `older` has: nothing that could be verified before
 * is lost.
 */
bool tk_pepper_file_extends(const struct tk_pepper_file *newer, const struct tk_pepper_file *older);

#endif
