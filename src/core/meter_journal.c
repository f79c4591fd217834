/*
 * Frames of the meters' journal (meter_journal.h). A CRC-32 for each header and for each frame's records: with the exact sizes and the
 * sequence around it, that is enough against torn writes and bad disks; who can write the data directory can do worse than forge one
 * (docs/decisions/0009).
 */
#include "core/meter_journal.h"

#include "core/alloc.h"
#include "core/crc32.h"
#include "core/little.h"
#include "core/meter_record.h"

#include <string.h>

#define VERSION           1
#define CRC_BYTES         60
#define PAYLOAD_BYTES_MAX (TK_METER_FRAME_BYTES_MAX - TK_METER_FRAME_HEADER_BYTES)
#define FALSE_HEADERS_MAX 64
#define BUFFER_BYTES      65536 /* to begin with: most frames are small */

static const char file_magic[8] = "TKMETERS", frame_magic[8] = "TKMFRAME";

/* ---- headers ---- */

void tk_meter_file_header(const uint8_t installation[16], uint8_t ret_bytes[TK_METER_FILE_HEADER_BYTES])
{
        memset(ret_bytes, 0, TK_METER_FILE_HEADER_BYTES);
        memcpy(ret_bytes, file_magic, sizeof file_magic);
        tk_put_u32(ret_bytes + 8, VERSION);
        tk_put_u32(ret_bytes + 12, TK_METER_FILE_HEADER_BYTES);
        memcpy(ret_bytes + 16, installation, 16);
        tk_put_u32(ret_bytes + CRC_BYTES, tk_crc32(ret_bytes, CRC_BYTES));
}

enum tk_err tk_meter_file_header_check(const uint8_t *bytes, size_t len, uint8_t ret_installation[16])
{
        if (len < TK_METER_FILE_HEADER_BYTES || memcmp(bytes, file_magic, sizeof file_magic) != 0 ||
            tk_get_u32(bytes + 8) != VERSION || tk_get_u32(bytes + 12) != TK_METER_FILE_HEADER_BYTES ||
            tk_get_u32(bytes + CRC_BYTES) != tk_crc32(bytes, CRC_BYTES))
                return TK_CORRUPT;
        memcpy(ret_installation, bytes + 16, 16);
        return TK_OK;
}

void tk_meter_frame_seal(const struct tk_meter_frame *frame, uint8_t *bytes)
{
        memset(bytes, 0, TK_METER_FRAME_HEADER_BYTES);
        memcpy(bytes, frame_magic, sizeof frame_magic);
        tk_put_u64(bytes + 8, frame->incarnation);
        tk_put_u64(bytes + 16, frame->sequence);
        tk_put_u64(bytes + 24, frame->gate_ns);
        tk_put_u32(bytes + 32, frame->payload_bytes);
        tk_put_u32(bytes + 36, frame->record_count);
        tk_put_u32(bytes + 40, tk_crc32(bytes + TK_METER_FRAME_HEADER_BYTES, frame->payload_bytes));
        tk_put_u32(bytes + CRC_BYTES, tk_crc32(bytes, CRC_BYTES));
}

static bool read_header(const uint8_t *bytes, struct tk_meter_frame *ret_frame)
{
        if (memcmp(bytes, frame_magic, sizeof frame_magic) != 0 ||
            tk_get_u32(bytes + CRC_BYTES) != tk_crc32(bytes, CRC_BYTES))
                return false;
        *ret_frame = (struct tk_meter_frame){
                .incarnation = tk_get_u64(bytes + 8),
                .sequence = tk_get_u64(bytes + 16),
                .gate_ns = tk_get_u64(bytes + 24),
                .payload_bytes = tk_get_u32(bytes + 32),
                .record_count = tk_get_u32(bytes + 36),
        };
        return ret_frame->payload_bytes >= 8 && ret_frame->payload_bytes <= PAYLOAD_BYTES_MAX &&
               ret_frame->payload_bytes % 8 == 0 && ret_frame->record_count >= 1 &&
               ret_frame->gate_ns / TK_NS_PER_S <= (uint64_t)TK_TIME_MAX_S;
}

static bool records_fit(const struct tk_meter_frame *frame, const uint8_t *payload)
{
        struct tk_meter_record record;
        size_t at = 0, used;

        for (uint32_t i = 0; i < frame->record_count; i++) {
                if (!tk_meter_record_decode(payload + at, frame->payload_bytes - at, &record, &used))
                        return false;
                at += used;
        }
        return at == frame->payload_bytes;
}

/* ---- the reader ---- */

enum tk_err tk_meter_reader_init(struct tk_meter_reader *ret_reader,
                                 enum tk_err (*read_at)(void *context, uint64_t offset, uint8_t *bytes,
                                                        size_t len, size_t *ret_len),
                                 void *context)
{
        uint8_t *buffer = tk_malloc(BUFFER_BYTES);

        if (!buffer)
                return TK_NOMEM;
        *ret_reader = (struct tk_meter_reader){.read_at = read_at,
                                               .context = context,
                                               .buffer = buffer,
                                               .buffer_room = BUFFER_BYTES,
                                               .at = TK_METER_FILE_HEADER_BYTES,
                                               .end = TK_METER_FILE_HEADER_BYTES};
        return TK_OK;
}

void tk_meter_reader_fini(struct tk_meter_reader *reader)
{
        tk_free(reader->buffer);
        reader->buffer = NULL;
}

static enum tk_err grow(struct tk_meter_reader *reader, size_t room)
{
        uint8_t *grown = tk_realloc(reader->buffer, room);

        if (!grown)
                return TK_NOMEM;
        reader->buffer = grown;
        reader->buffer_room = room;
        return TK_OK;
}

/* Read on from `at`; what the buffer has of it is kept, so that a run of small frames is read once. */
static enum tk_err refill(struct tk_meter_reader *reader)
{
        uint64_t held_end = reader->buffer_at + reader->buffer_len;
        bool inside = reader->at >= reader->buffer_at && reader->at < held_end;
        size_t kept = inside ? (size_t)(held_end - reader->at) : 0, more = 0;

        memmove(reader->buffer, reader->buffer + reader->buffer_len - kept, kept);
        reader->buffer_at = reader->at;
        reader->buffer_len = kept;
        enum tk_err err = reader->read_at(reader->context, reader->at + kept, reader->buffer + kept,
                                          reader->buffer_room - kept, &more);
        if (err)
                return err;
        reader->at_end = more < reader->buffer_room - kept;
        reader->buffer_len += more;
        return TK_OK;
}

static bool holds(const struct tk_meter_reader *reader, size_t len)
{
        return reader->at >= reader->buffer_at && reader->at + len <= reader->buffer_at + reader->buffer_len;
}

/* Have the buffer hold `len` bytes from `at` on; *ret_bytes is NULL where the file has not so many. */
static enum tk_err need(struct tk_meter_reader *reader, size_t len, const uint8_t **ret_bytes)
{
        enum tk_err err = TK_OK;

        if (!holds(reader, len) && !reader->at_end && len > reader->buffer_room)
                err = grow(reader, TK_METER_FRAME_BYTES_MAX);
        if (!err && !holds(reader, len) && !reader->at_end)
                err = refill(reader);
        if (!err)
                *ret_bytes = holds(reader, len) ? reader->buffer + (reader->at - reader->buffer_at) : NULL;
        return err;
}

enum tk_err tk_meter_reader_next(struct tk_meter_reader *reader, struct tk_meter_frame *ret_frame,
                                 const uint8_t **ret_payload)
{
        struct tk_meter_frame frame;
        const uint8_t *bytes;

        for (; reader->false_headers < FALSE_HEADERS_MAX; reader->at += 8) {
                enum tk_err err = need(reader, TK_METER_FRAME_HEADER_BYTES, &bytes);
                if (err)
                        return err;
                if (!bytes)
                        return TK_NOT_FOUND;
                if (!read_header(bytes, &frame))
                        continue;
                uint32_t payload_crc = tk_get_u32(bytes + 40);
                err = need(reader, TK_METER_FRAME_HEADER_BYTES + frame.payload_bytes, &bytes);
                if (err)
                        return err;
                const uint8_t *payload = bytes ? bytes + TK_METER_FRAME_HEADER_BYTES : NULL;
                if (frame.sequence > reader->last_sequence && payload &&
                    tk_crc32(payload, frame.payload_bytes) == payload_crc && records_fit(&frame, payload)) {
                        reader->skipped_bytes += reader->at - reader->end;
                        reader->at += TK_METER_FRAME_HEADER_BYTES + frame.payload_bytes;
                        reader->end = reader->at;
                        reader->last_sequence = frame.sequence;
                        *ret_frame = frame;
                        *ret_payload = payload;
                        return TK_OK;
                }
                reader->false_headers++;
        }
        return TK_NOT_FOUND;
}
