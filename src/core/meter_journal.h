/*
 * The bytes of the meters' journal: its header, its frames, and reading them from whatever holds them. The
 * format, and which frames count: docs/formats/meter-journal.md. Pure but for the function that the reader is
 * given; the file itself is service/meter_log.c's. What is read is taken for hostile: memory is bounded by
 * one frame, work by the file's length.
 */
#ifndef TK_CORE_METER_JOURNAL_H
#define TK_CORE_METER_JOURNAL_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TK_METER_FILE_HEADER_BYTES  64
#define TK_METER_FRAME_HEADER_BYTES 64
#define TK_METER_FRAME_BYTES_MAX    (UINT32_C(8) << 20) /* with its header */

void tk_meter_file_header(const uint8_t installation[16], uint8_t ret_bytes[TK_METER_FILE_HEADER_BYTES]);
/* TK_CORRUPT: it is no such header, or one of another version. */
enum tk_err tk_meter_file_header_check(const uint8_t *bytes, size_t len, uint8_t ret_installation[16]);

struct tk_meter_frame {
        uint64_t incarnation, sequence;
        uint64_t gate_ns;
        uint32_t payload_bytes, record_count;
};

/* Write the header in front of payload_bytes of records, which stand in `bytes` from TK_METER_FRAME_HEADER_BYTES on. */
void tk_meter_frame_seal(const struct tk_meter_frame *frame, uint8_t *bytes);

/*
 * Frames in their order.
 *   read_at  fill `bytes` with up to `len` bytes from `offset` on; fewer only at the end. TK_IO.
 */
struct tk_meter_reader {
        enum tk_err (*read_at)(void *context, uint64_t offset, uint8_t *bytes, size_t len, size_t *ret_len);
        void *context;

        uint8_t *buffer; /* of the file, from buffer_at on; grows to TK_METER_FRAME_BYTES_MAX */
        size_t buffer_room;
        uint64_t buffer_at;
        size_t buffer_len;
        bool at_end;  /* the buffer reaches the end of the file */
        uint64_t at;  /* where the next frame is looked for */
        uint64_t end; /* of the last frame that counted, or of the file's header */
        uint64_t last_sequence;
        uint64_t skipped_bytes; /* before frames that counted */
        uint32_t false_headers;
};

/* TK_NOMEM. Begins behind the file's header. */
enum tk_err tk_meter_reader_init(struct tk_meter_reader *ret_reader,
                                 enum tk_err (*read_at)(void *context, uint64_t offset, uint8_t *bytes,
                                                        size_t len, size_t *ret_len),
                                 void *context);
void tk_meter_reader_fini(struct tk_meter_reader *reader);

/*
 * The next frame that counts, and its records, valid until the next call. TK_NOT_FOUND: there is no more, and
 * `end` is where to go on writing. TK_NOMEM; TK_IO: what read_at said.
 */
enum tk_err tk_meter_reader_next(struct tk_meter_reader *reader, struct tk_meter_frame *ret_frame,
                                 const uint8_t **ret_payload);

#endif
