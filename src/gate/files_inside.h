/*
 * The inside of files.c and new_files.c: what each file of a set is, and what both do with one. Called by
 * these two only, in their thread. Never seen by the rest of the gate, which has gate/files.h.
 */
#ifndef TK_GATE_FILES_INSIDE_H
#define TK_GATE_FILES_INSIDE_H

#include "gate/files.h"

#define TK_RESERVE_SHIFT_MAX 10

struct tk_file_spec {
        const char *name, *new_name;
        char magic[8];
        uint32_t line_bytes;
        uint32_t first_line;
        uint64_t reserve_bytes;
        uint64_t growth_lines;
        uint64_t start_lines; /* in use from the start, so that line 0 can mean none */
};

extern const struct tk_file_spec tk_file_specs[TK_FILE_COUNT];

/* The fault of a file, and `err` again. */
enum tk_err tk_files_fault(struct tk_fault *fault, enum tk_err err, const char *name, const char *why);
/* The same by errno. */
enum tk_err tk_files_system_fault(struct tk_fault *fault, const char *name);

/* Map a file and lay its area over it. The descriptor stays the caller's, who may put it into the area. */
enum tk_err tk_files_map(struct tk_files *files, enum tk_file file, int fd, uint64_t reserve_bytes,
                         enum tk_file_access access, struct tk_fault *fault);

#endif
