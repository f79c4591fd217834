/*
 * Frames in the making (meter_frame.h).
 */
#include "service/meter_frame.h"

#include "core/alloc.h"

enum tk_err tk_frame_writer_init(struct tk_frame_writer *ret_writer, uint64_t incarnation,
                                 uint64_t after_sequence)
{
        uint8_t *buffer = tk_malloc(TK_METER_FRAME_BYTES_MAX);
        if (!buffer)
                return TK_NOMEM;
        *ret_writer = (struct tk_frame_writer){
                .buffer = buffer, .frame = {.incarnation = incarnation, .sequence = after_sequence}};
        return TK_OK;
}

void tk_frame_writer_fini(struct tk_frame_writer *writer)
{
        tk_free(writer->buffer);
        writer->buffer = NULL;
}

static void start_frame(struct tk_frame_writer *writer)
{
        writer->len = TK_METER_FRAME_HEADER_BYTES;
        writer->frame.record_count = 0;
}

void tk_frame_writer_begin(struct tk_frame_writer *writer, const struct tk_moment *now,
                           tk_frame_sink_fn *sink, void *context)
{
        writer->frame.gate_ns = now->gate_ns;
        writer->sink = sink;
        writer->context = context;
        writer->err = TK_OK;
        start_frame(writer);
}

enum tk_err tk_frame_writer_end(struct tk_frame_writer *writer)
{
        if (writer->frame.record_count > 0 && !writer->err) {
                writer->frame.sequence++;
                writer->frame.payload_bytes = (uint32_t)(writer->len - TK_METER_FRAME_HEADER_BYTES);
                tk_meter_frame_seal(&writer->frame, writer->buffer);
                writer->err = writer->sink(writer->context, writer->buffer, writer->len);
        }
        start_frame(writer);
        return writer->err;
}

enum tk_err tk_frame_writer_add(struct tk_frame_writer *writer, const struct tk_meter_record *record)
{
        if (writer->len + TK_METER_RECORD_BYTES_MAX > TK_METER_FRAME_BYTES_MAX)
                tk_frame_writer_end(writer);
        if (writer->err)
                return writer->err;
        writer->len += tk_meter_record_encode(record, writer->buffer + writer->len);
        writer->frame.record_count++;
        return TK_OK;
}
