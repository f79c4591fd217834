/*
 * Records gathered into frames: as many as fit, each frame sealed and handed on when it is full, and the last
 * one at the end. One buffer, of one frame, for ever. One thread.
 */
#ifndef TK_SERVICE_METER_FRAME_H
#define TK_SERVICE_METER_FRAME_H

#include "core/meter_journal.h"
#include "core/meter_record.h"
#include "gate/meter_read.h"

typedef enum tk_err tk_frame_sink_fn(void *context, const uint8_t *bytes, size_t len);

struct tk_frame_writer {
        uint8_t *buffer;
        size_t len; /* of the frame so far, with its header */
        struct tk_meter_frame frame;
        tk_frame_sink_fn *sink;
        void *context;
        enum tk_err err; /* the first that the sink gave; then nothing more is handed on */
};

/* Sequences go on from after_sequence. TK_NOMEM. */
enum tk_err tk_frame_writer_init(struct tk_frame_writer *ret_writer, uint64_t incarnation,
                                 uint64_t after_sequence);
void tk_frame_writer_fini(struct tk_frame_writer *writer);

/* Frames of readings that begin now. */
void tk_frame_writer_begin(struct tk_frame_writer *writer, const struct tk_moment *now,
                           tk_frame_sink_fn *sink, void *context);
enum tk_err tk_frame_writer_add(struct tk_frame_writer *writer, const struct tk_meter_record *record);
/* Hand on what there is. The first error since begin. */
enum tk_err tk_frame_writer_end(struct tk_frame_writer *writer);

#endif
