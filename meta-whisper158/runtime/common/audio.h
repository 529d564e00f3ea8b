/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Audio files as the library wants them: floats at 16 kHz, one channel.
 *
 * libsndfile reads (WAV, FLAC and what else it was built for), libsamplerate converts. Headers are not believed: memory
 * grows with the samples that are really there. 16 kHz files of 8, 16 and 24 bits arrive exactly, as code / 2^(bits-1).
 */
#ifndef COMMON_AUDIO_H
#define COMMON_AUDIO_H

#include <stdatomic.h>
#include <stddef.h>

#include "whisper158.h"

#define AUDIO_MAX_SECONDS (4 * 3600)
#define AUDIO_MAX_STREAM_BYTES ((size_t)1 << 30) /* of standard input and pipes, which are read whole */

typedef struct Audio {
    float *samples; /* owned */
    size_t count;
    whisper158_error warning; /* empty, or a sentence: some of the file was lost, the rest is here */
} Audio;

/*
 * Reads the file at `path`, or standard input if it is "-". Channels are averaged. More than `max_seconds` of audio is
 * refused, so are samples that are no numbers or beyond the range of 32 bits, and files without a single sample.
 * Returns 0, or a negative errno and a sentence that does not name the file; then *audio is all zero. -EBADMSG: not
 * audio; -EFBIG: too much of it; -EISDIR; -ENOMEM; others as open(2) and read(2) give them.
 */
int audio_read(Audio *audio, const char *path, size_t max_seconds, whisper158_error *error);

typedef struct AudioLimits {
    size_t max_seconds;
    size_t max_rate;              /* samples a second, those of all channels counted; 0: any */
    const atomic_bool *cancelled; /* when it is set, what was begun is given up; NULL: never */
} AudioLimits;

/* The same for a file of `size` bytes in memory; -ECANCELED besides. Several threads may do so at a time; audio_read is for
 * one alone, since it takes the process's stderr away from the libraries that write to it. */
int audio_read_memory(Audio *audio, const void *data, size_t size, const AudioLimits *limits, whisper158_error *error);

/* Frees the samples. */
void audio_free(Audio *audio);

#endif
