/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "resample.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <samplerate.h>

#include "whisper158.h"

enum { FETCHED = 4096 }; /* samples that are fetched at a time */

struct Resampler {
    float fetched[FETCHED];
    SRC_STATE *state; /* NULL for 16 kHz */
    double ratio;
    ResamplerSink *sink;
    void *user;
};

int resampler_new(Resampler **out, uint32_t rate, ResamplerSink *sink, void *user) {
    const double ratio = rate > 0 ? (double)WHISPER158_SAMPLE_RATE / rate : 0.0;
    Resampler *r;
    int error;

    *out = NULL;
    if (!src_is_valid_ratio(ratio))
        return -ERANGE;
    r = malloc(sizeof *r);
    if (!r)
        return -ENOMEM;
    r->state = NULL;
    r->ratio = ratio;
    r->sink = sink;
    r->user = user;
    if (rate != WHISPER158_SAMPLE_RATE) {
        /* BEST keeps 7.0 to 7.7 kHz too, at three times the cost and the same word error rate. */
        r->state = src_new(SRC_SINC_MEDIUM_QUALITY, 1, &error);
        if (!r->state) {
            free(r);
            return -ENOMEM;
        }
    }
    *out = r;
    return 0;
}

static int process(Resampler *r, const float *samples, size_t count, bool end) {
    SRC_DATA data = {
        .data_in = samples,
        .data_out = r->fetched,
        .input_frames = (long)count,
        .output_frames = FETCHED,
        .end_of_input = end,
        .src_ratio = r->ratio,
    };
    int error;

    do {
        if (src_process(r->state, &data) != 0)
            return -EBADMSG;
        if (data.output_frames_gen > 0) {
            error = r->sink(r->user, r->fetched, (size_t)data.output_frames_gen);
            if (error < 0)
                return error;
        }
        data.input_frames -= data.input_frames_used;
        /*
         * The end of the input may be where the output begins, as far as any allocator cares, and libsamplerate takes
         * that for an overlap, though it would read nothing there. So once all is read, go back to the beginning.
         */
        data.data_in = data.input_frames > 0 ? data.data_in + data.input_frames_used : samples;
    } while (data.output_frames_gen > 0 || (data.input_frames > 0 && data.input_frames_used > 0));
    return 0;
}

int resampler_push(Resampler *r, const float *samples, size_t count) {
    if (count == 0)
        return 0;
    return r->state ? process(r, samples, count, false) : r->sink(r->user, samples, count);
}

int resampler_flush(Resampler *r) {
    static const float nothing[1];

    return r->state ? process(r, nothing, 0, true) : 0;
}

void resampler_reset(Resampler *r) {
    if (r->state)
        (void)src_reset(r->state);
}

Resampler *resampler_free(Resampler *r) {
    if (r && r->state)
        (void)src_delete(r->state);
    free(r);
    return NULL;
}
