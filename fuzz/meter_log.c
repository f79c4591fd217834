/*
 * Fuzz target: the meters' journal (core/meter_journal.h). The bytes are a file's, without its header. Where they begin with a
 * mark, their checksums are put right first, so that the records behind them are reached.
 */
#include "fuzz.h"

#include "core/crc32.h"
#include "core/little.h"
#include "core/meter_journal.h"
#include "core/meter_record.h"

#include <string.h>

struct file {
        uint8_t *bytes;
        size_t len;
};

static enum tk_err read_at(void *context, uint64_t offset, uint8_t *bytes, size_t len, size_t *ret_len)
{
        const struct file *file = context;
        uint64_t begun = offset - TK_METER_FILE_HEADER_BYTES;
        size_t left = begun < file->len ? file->len - (size_t)begun : 0;

        *ret_len = left < len ? left : len;
        if (*ret_len > 0)
                memcpy(bytes, file->bytes + begun, *ret_len);
        return TK_OK;
}

/* The checksums of the frames at the front. */
static void mend(struct file *file)
{
        for (size_t at = 0; at + TK_METER_FRAME_HEADER_BYTES <= file->len;) {
                uint8_t *bytes = file->bytes + at;
                size_t payload = tk_get_u32(bytes + 32);
                if (payload % 8 != 0 || payload > file->len - at - TK_METER_FRAME_HEADER_BYTES)
                        return;
                tk_put_u32(bytes + 40, tk_crc32(bytes + TK_METER_FRAME_HEADER_BYTES, payload));
                tk_put_u32(bytes + 60, tk_crc32(bytes, 60));
                at += TK_METER_FRAME_HEADER_BYTES + payload;
        }
}

/* Every record of a frame that counts is one that can be written, to the same bytes. */
static void check_frame(const struct tk_meter_frame *frame, const uint8_t *payload)
{
        size_t at = 0, used;

        for (uint32_t i = 0; i < frame->record_count; i++) {
                struct tk_meter_record record;
                uint8_t again[TK_METER_RECORD_BYTES_MAX];
                CHECK(tk_meter_record_decode(payload + at, frame->payload_bytes - at, &record, &used));
                CHECK(tk_meter_record_encode(&record, again) == used);
                CHECK(memcmp(again, payload + at, used) == 0);
                at += used;
        }
        CHECK(at == frame->payload_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct tk_meter_reader reader;
        struct tk_meter_frame frame;
        const uint8_t *payload;
        uint64_t last_sequence = 0;
        bool marked = len > 0 && bytes[0] == '!';
        struct file file = {malloc(len + 1), len - marked};

        CHECK(file.bytes != NULL);
        if (file.len > 0)
                memcpy(file.bytes, bytes + marked, file.len);
        if (marked)
                mend(&file);
        CHECK(tk_meter_reader_init(&reader, read_at, &file) == TK_OK);
        while (tk_meter_reader_next(&reader, &frame, &payload) == TK_OK) {
                CHECK(frame.sequence > last_sequence);
                CHECK(reader.end <= TK_METER_FILE_HEADER_BYTES + file.len);
                last_sequence = frame.sequence;
                check_frame(&frame, payload);
        }
        tk_meter_reader_fini(&reader);
        free(file.bytes);
        return 0;
}
