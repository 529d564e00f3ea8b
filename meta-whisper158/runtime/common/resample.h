/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Brings one channel of sound to 16 kHz by libsamplerate, piece by piece, in as much memory as one piece takes.
 *
 * The result does not depend on how the sound was cut into pieces, but for rounding.
 */
#ifndef COMMON_RESAMPLE_H
#define COMMON_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* Takes `count` > 0 samples at 16 kHz, valid during the call. What is below 0 ends the call that they come from, which returns it. */
typedef int ResamplerSink(void *user, const float *samples, size_t count);

typedef struct Resampler Resampler;

/* For sound of `rate` Hz, 1/256 to 256 times 16 kHz; at 16 kHz it passes on what it gets. -ERANGE or -ENOMEM. */
int resampler_new(Resampler **out, uint32_t rate, ResamplerSink *sink, void *user);

/* Returns what the sink did, or -EBADMSG if libsamplerate refuses. */
int resampler_push(Resampler *resampler, const float *samples, size_t count);

/* No more will come: the last few milliseconds are passed on. Likewise. */
int resampler_flush(Resampler *resampler);

/* Forgets what it has heard. */
void resampler_reset(Resampler *resampler);

/* Returns NULL; NULL is fine. */
Resampler *resampler_free(Resampler *resampler);

#endif
