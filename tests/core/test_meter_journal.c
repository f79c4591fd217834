/*
 * Frames of the journal: written and read back, cut at every byte, with every bit flipped, with garbage between them.
 */
#include "meter_sample.h"

#include "core/alloc.h"
#include "core/meter_journal.h"

#define FRAMES 4

struct image {
        uint8_t bytes[16384];
        size_t len;
        size_t frame_end[FRAMES];
        uint64_t last_admitted[FRAMES]; /* of the last record of each */
        bool broken;                    /* reading it fails */
};

static enum tk_err read_image(void *context, uint64_t offset, uint8_t *bytes, size_t len, size_t *ret_len)
{
        const struct image *image = context;
        if (image->broken)
                return TK_IO;
        size_t left = offset < image->len ? image->len - (size_t)offset : 0;
        *ret_len = left < len ? left : len;
        memcpy(bytes, image->bytes + (left ? offset : 0), *ret_len);
        return TK_OK;
}

static void add_frame(struct image *image, unsigned number, uint64_t sequence, uint64_t *seed)
{
        uint8_t *frame_at = image->bytes + image->len;
        struct tk_meter_frame frame = {
                .incarnation = 77, .sequence = sequence, .gate_ns = 1000 + number, .record_count = 3};
        for (int i = 0; i < 3; i++) {
                struct tk_meter_record record = sample_record(seed);
                frame.payload_bytes += (uint32_t)tk_meter_record_encode(
                        &record, frame_at + TK_METER_FRAME_HEADER_BYTES + frame.payload_bytes);
                image->last_admitted[number] = record.admitted;
        }
        tk_meter_frame_seal(&frame, frame_at);
        image->len += TK_METER_FRAME_HEADER_BYTES + frame.payload_bytes;
        image->frame_end[number] = image->len;
}

static void make_image(struct image *image)
{
        static const uint8_t installation[16] = "journal test";
        uint64_t seed = 9;
        memset(image, 0, sizeof *image);
        tk_meter_file_header(installation, image->bytes);
        image->len = TK_METER_FILE_HEADER_BYTES;
        for (unsigned i = 0; i < FRAMES; i++)
                add_frame(image, i, 10 + i, &seed);
}

/* How many frames count; `seen` gets a bit for each gate_ns. */
static unsigned read_all(struct image *image, unsigned *ret_seen, uint64_t *ret_end)
{
        struct tk_meter_reader reader;
        struct tk_meter_frame frame;
        const uint8_t *payload;
        unsigned count = 0;
        *ret_seen = 0;
        assert_int_equal(tk_meter_reader_init(&reader, read_image, image), TK_OK);
        enum tk_err err;
        while ((err = tk_meter_reader_next(&reader, &frame, &payload)) == TK_OK) {
                unsigned number = (unsigned)(frame.gate_ns - 1000);
                assert_true(number < FRAMES);
                struct tk_meter_record record = {0};
                size_t at = 0, used;
                for (uint32_t i = 0; i < frame.record_count; i++, at += used)
                        assert_true(tk_meter_record_decode(payload + at, frame.payload_bytes - at, &record,
                                                           &used));
                assert_int_equal(record.admitted, image->last_admitted[number]);
                *ret_seen |= 1u << number;
                count++;
        }
        assert_int_equal(err, TK_NOT_FOUND);
        *ret_end = reader.end;
        tk_meter_reader_fini(&reader);
        return count;
}

static void test_all_frames(void **state)
{
        (void)state;
        static struct image image;
        unsigned seen;
        uint64_t end;
        make_image(&image);
        assert_int_equal(read_all(&image, &seen, &end), FRAMES);
        assert_int_equal(end, image.len);
}

static void test_cut_at_every_byte(void **state)
{
        (void)state;
        static struct image image;
        make_image(&image);
        size_t whole = image.len;
        for (size_t len = TK_METER_FILE_HEADER_BYTES; len <= whole; len++) {
                unsigned seen, expected = 0;
                uint64_t end, expected_end = TK_METER_FILE_HEADER_BYTES;
                for (unsigned i = 0; i < FRAMES && image.frame_end[i] <= len; i++) {
                        expected++;
                        expected_end = image.frame_end[i];
                }
                image.len = len;
                assert_int_equal(read_all(&image, &seen, &end), expected);
                assert_int_equal(end, expected_end);
        }
}

/* Costs the frame that it is in, and no other. */
static void test_every_bit_flipped(void **state)
{
        (void)state;
        static struct image image;
        make_image(&image);
        unsigned damaged = 0;
        for (size_t at = TK_METER_FILE_HEADER_BYTES; at < image.len; at++) {
                while (at >= image.frame_end[damaged])
                        damaged++;
                for (int bit = (int)(at % 3); bit < 8; bit += 3) {
                        unsigned seen;
                        uint64_t end;
                        image.bytes[at] ^= (uint8_t)(1 << bit);
                        assert_int_equal(read_all(&image, &seen, &end), FRAMES - 1);
                        assert_int_equal(seen, ((1u << FRAMES) - 1) & ~(1u << damaged));
                        image.bytes[at] ^= (uint8_t)(1 << bit);
                }
        }
}

/* What a failed write left behind the place where the next one began is no newer than that. */
static void test_older_sequence_behind(void **state)
{
        (void)state;
        static struct image image;
        unsigned seen;
        uint64_t end, seed = 5;
        make_image(&image);
        size_t len = image.len, before = image.frame_end[FRAMES - 2];
        image.len = before;
        add_frame(&image, FRAMES - 1, 12, &seed); /* as the one before it */
        (void)len;
        assert_int_equal(read_all(&image, &seen, &end), FRAMES - 1);
        assert_int_equal(end, before);
}

static void test_reading_fails(void **state)
{
        (void)state;
        static struct image image;
        struct tk_meter_reader reader;
        struct tk_meter_frame frame;
        const uint8_t *payload;
        make_image(&image);
        image.broken = true;
        assert_int_equal(tk_meter_reader_init(&reader, read_image, &image), TK_OK);
        assert_int_equal(tk_meter_reader_next(&reader, &frame, &payload), TK_IO);
        tk_meter_reader_fini(&reader);
        tk_alloc_fault_at(1);
        assert_int_equal(tk_meter_reader_init(&reader, read_image, &image), TK_NOMEM);
        tk_alloc_fault_at(0);
}

static void test_file_header(void **state)
{
        (void)state;
        static const uint8_t installation[16] = "journal test";
        uint8_t bytes[TK_METER_FILE_HEADER_BYTES], read[16];
        tk_meter_file_header(installation, bytes);
        assert_int_equal(tk_meter_file_header_check(bytes, sizeof bytes, read), TK_OK);
        assert_memory_equal(read, installation, sizeof read);
        assert_int_equal(tk_meter_file_header_check(bytes, sizeof bytes - 1, read), TK_CORRUPT);
        for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
                bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
                assert_int_equal(tk_meter_file_header_check(bytes, sizeof bytes, read), TK_CORRUPT);
                bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_frames),        cmocka_unit_test(test_cut_at_every_byte),
                cmocka_unit_test(test_every_bit_flipped), cmocka_unit_test(test_older_sequence_behind),
                cmocka_unit_test(test_reading_fails),     cmocka_unit_test(test_file_header),
        };
        return cmocka_run_group_tests_name("meter_journal", tests, NULL, NULL);
}
