/*
 * DATA/meters.journal as a file: where its last good frame ends, appending and syncing, and replacing it by a
 * new one without a moment in which there is none (docs/formats/meter-journal.md, file). One thread at a
 * time. Never looks into a record.
 */
#ifndef TK_SERVICE_METER_FILE_H
#define TK_SERVICE_METER_FILE_H

#include "core/error.h"
#include "core/fault.h"
#include "core/meter_journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TK_METER_FILE_NAME "meters.journal"

struct tk_meter_file {
        int dir_fd;
        uint8_t installation[16];
        int fd;              /* -1: there is none yet */
        uint64_t end;        /* where the next frame goes */
        uint64_t synced_end; /* what a power cut leaves */
        int new_fd;          /* -1: none is under construction */
        uint64_t new_end;
        bool dir_unsynced;          /* the file took its place, and a power cut may undo that */
        struct tk_meter_frame last; /* of the file as it was opened; sequence 0: it has none */
        uint64_t cut_bytes;         /* behind its last good frame */
};

/*
 * Open what is there, and find its end. An interrupted new file is removed. TK_OK also when there is none.
 * TK_CORRUPT: it is no journal, or of another version or installation; TK_IO, TK_NOMEM. With a fault, and
 * nothing left open.
 *   data_dir  the data directory
 */
enum tk_err tk_meter_file_open(const char *data_dir, const uint8_t installation[16],
                               struct tk_meter_file *ret_file, struct tk_fault *fault);
void tk_meter_file_close(struct tk_meter_file *file);

/* For a tk_meter_reader on the file that is open; context: the file. */
enum tk_err tk_meter_file_read_at(void *file, uint64_t offset, uint8_t *bytes, size_t len, size_t *ret_len);

/*
 * One frame, to the file and to the one under construction, which is given up when it cannot take it.
 * TK_FULL, TK_IO.
 */
enum tk_err tk_meter_file_append(struct tk_meter_file *file, const uint8_t *bytes, size_t len);
/* Make all that was appended durable. On failure all since the last sync is given up, and must be appended again. */
enum tk_err tk_meter_file_sync(struct tk_meter_file *file);
/* Give up what was appended since the last sync. */
void tk_meter_file_undo(struct tk_meter_file *file);

/* A new file beside the one there is: begin, fill, put it in its place. On failure it is given up. */
enum tk_err tk_meter_file_begin_new(struct tk_meter_file *file);
enum tk_err tk_meter_file_append_new(struct tk_meter_file *file, const uint8_t *bytes, size_t len);
enum tk_err tk_meter_file_commit_new(struct tk_meter_file *file);
void tk_meter_file_drop_new(struct tk_meter_file *file);

#endif
