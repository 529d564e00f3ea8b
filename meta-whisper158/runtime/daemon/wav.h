/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The header of a WAV stream that cannot be sought in, byte by byte as it comes. (libsndfile reads files; for a pipe it
 * would wait where nobody could call it back.)
 */
#ifndef DAEMON_WAV_H
#define DAEMON_WAV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convert.h"

#define WAV_MAX_HEADER ((uint32_t)1 << 20) /* bytes before the samples; there may be a picture among them */

typedef struct Wav {
    /* The result. */
    SampleFormat format;
    uint32_t rate, channels;
    uint64_t frames; /* that are promised; UINT64_MAX: who wrote it could not know */

    /* Where it stands. */
    uint32_t seen;     /* bytes in all */
    uint32_t left;     /* bytes until the next thing begins */
    uint32_t have;     /* bytes in `bytes` */
    bool formatted;    /* a "fmt " chunk was read */
    uint8_t bytes[40];
    int stage;
} Wav;

/* All zero is a fresh Wav. Takes one byte. Returns 1 when the samples begin with the next one, 0 when the header goes on,
 * or -EBADMSG and a sentence that does not name the stream. */
int wav_push(Wav *wav, uint8_t byte, whisper158_error *error);

#endif
