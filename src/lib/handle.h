/*
 * What the files of src/lib share: the handle of libtollkeeper, its sets of files, and how the gate's errors
 * and words become those of the public header. Internal to the library; nothing here is exported.
 *
 * A handle has one current set, which deciding threads read once a decision, and sets that were current
 * before, which stay mapped until the handle is closed: a thread may be inside one at any time, and texts of
 * answers point into them.
 */
#ifndef TK_LIB_HANDLE_H
#define TK_LIB_HANDLE_H

#include "core/fault.h"
#include "gate/gate.h"
#include "gate/secrets_file.h"
#include "tollkeeper/tollkeeper.h"

#include <pthread.h>
#include <stdatomic.h>

/* Environments and routes that a handle can name. */
#define TK_LIB_NAMES_MAX 4096

/* The secrets of one reading of the pepper file. Those that a newer one replaced are kept, for who still reads them. */
struct tk_lib_secrets {
        struct tk_pepper_file file;
        struct tk_secrets_version version;
        struct tk_lib_secrets *older;
};

/* One set of the gate's files. */
struct tk_lib_set {
        struct tk_gate *gate;
        struct tk_gate_identity identity;
        struct tk_lib_secrets *secrets; /* the newest; never NULL */
        struct tk_lib_set *older;
        _Atomic uint32_t refs[TK_LIB_NAMES_MAX]; /* what the set calls each name of the handle; 0: nothing */
};

/* An environment, or a route of one. */
struct tk_lib_name {
        uint32_t environment; /* of a route; 0: this is an environment */
        char *first, *second; /* API and environment, or method and template */
};

struct tollkeeper_gate {
        _Atomic(struct tk_lib_set *) current;
        char *data_dir, *gate_dir, *pepper_path; /* gate_dir NULL: where DATA/gate points */

        /* All below is for the functions of configuration, one thread at a time. */
        pthread_mutex_t lock;
        uint32_t set_count;
        uint32_t name_count;
        struct tk_lib_name *names; /* room for TK_LIB_NAMES_MAX */
};

/* The set that a decision which starts now is made in. */
static inline struct tk_lib_set *tk_lib_current(const struct tollkeeper_gate *gate)
{
        return atomic_load_explicit(&((struct tollkeeper_gate *)gate)->current, memory_order_acquire);
}

/* What a set calls an environment or a route of the handle; 0: it does not know it. Any number is taken. */
static inline uint32_t tk_lib_ref(const struct tk_lib_set *set, uint32_t name)
{
        if (name == 0 || name > TK_LIB_NAMES_MAX)
                return 0;
        return atomic_load_explicit(&((struct tk_lib_set *)set)->refs[name - 1], memory_order_acquire);
}

/* sets.c: open what is in the directories now. The caller owns the set. */
enum tk_err tk_lib_set_open(const struct tollkeeper_gate *handle, struct tk_lib_set **ret_set,
                            struct tk_fault *fault);
/* NULL and half-open ones are taken. Not those that are older. */
void tk_lib_set_free(struct tk_lib_set *set);
/* Where the gate's files are now. The caller frees the path. */
enum tk_err tk_lib_gate_dir(const struct tollkeeper_gate *handle, char **ret_path, struct tk_fault *fault);
/* Read the pepper file; the caller owns the secrets. */
enum tk_err tk_lib_secrets_read(const struct tollkeeper_gate *handle, struct tk_lib_secrets **ret_secrets,
                                struct tk_fault *fault);
void tk_lib_secrets_free(struct tk_lib_secrets *secrets);

/* names.c: look up what the set does not know yet of all names of the handle, whose lock is held. */
void tk_lib_names_resolve(const struct tollkeeper_gate *handle, struct tk_lib_set *set);
void tk_lib_names_free(struct tollkeeper_gate *handle);

/* scope.c: what a compiled scope requires, and its names where all of them are required. NULL requires nothing. */
const struct tk_scope_expr *tk_lib_scope_expr(const struct tollkeeper_scope *scope);
struct tk_str tk_lib_scope_names(const struct tollkeeper_scope *scope);

/* question.c: a question in the gate's words. The set's environment and route, and room for limits. */
struct tk_lib_question {
        struct tk_ask ask;
        struct tk_named_limit named[TK_GATE_LIMITS_MAX];
        struct tk_limit_def defs[TK_GATE_LIMITS_MAX];
};
/* NULL, or what is wrong with it, and then the gate must not be asked (static storage). */
const char *tk_lib_question_read(const struct tk_lib_set *set, const struct tollkeeper_ask *ask,
                                 struct tk_lib_question *ret_question);

/* words.c: the codes of the header, and back; TK_CODE_COUNT: there is none. */
enum tollkeeper_code tk_lib_code(enum tk_code code);
enum tk_code tk_lib_gate_code(enum tollkeeper_code code);

/* answer.c: the gate's answer in the words of the header. Whether the caller's struct has its size. */
bool tk_lib_answer_sized(const struct tollkeeper_answer *answer);
void tk_lib_answer_write(const struct tk_lib_set *set, const struct tollkeeper_ask *ask,
                         const struct tk_answer *answer, struct tollkeeper_answer *ret_answer);
/* `unavailable`, and why: static storage. */
void tk_lib_answer_refuse(const char *why, struct tollkeeper_answer *ret_answer);

/*
 * error.c: an outcome in the words of the header, and its reason into the caller's struct, where it gave one.
 * Empty on success. tk_lib_error() is for what has no fault; its text is a sentence with its mend.
 */
enum tollkeeper_result tk_lib_result(enum tk_err err, const struct tk_fault *fault,
                                     struct tollkeeper_error *ret_error);
enum tollkeeper_result tk_lib_error(enum tollkeeper_result result, struct tollkeeper_error *ret_error,
                                    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The size that the caller's struct has; false: smaller than this version's, which was the first. */
#define TK_LIB_SIZED(it) ((it)->size >= sizeof *(it))

/*
 * The same of a struct that tells us what to do: what a later version of the header put behind ours must be zero, because we would
 * not do it.
 */
#define TK_LIB_SIZE_MAX 4096
static inline bool tk_lib_understood(const void *it, size_t size, size_t known)
{
        const unsigned char *bytes = it;
        unsigned char any = 0;
        if (size < known || size > TK_LIB_SIZE_MAX)
                return false;
        for (size_t i = known; i < size; i++)
                any |= bytes[i];
        return any == 0;
}

static inline struct tk_str tk_lib_str(struct tollkeeper_text text)
{
        return (struct tk_str){text.ptr, text.ptr ? text.len : 0};
}

static inline struct tollkeeper_text tk_lib_text(struct tk_str text)
{
        return (struct tollkeeper_text){text.ptr, text.len};
}

#endif
