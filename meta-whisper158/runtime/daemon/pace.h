/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * When an interim result is worth its cost. All of the policy stands here.
 *
 * A transcription of speech that goes on is thrown away when more of it has come, and whatever it takes is missing when
 * the speech ends. So there is one only where it is expected to take less than PACE_INTERIM_SECONDS, and the worker
 * rests afterwards as long as it worked, which leaves half of the processors to others. What a transcription takes is
 * measured: work is in proportion to the frames that the encoder is given.
 */
#ifndef DAEMON_PACE_H
#define DAEMON_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"

#define PACE_INTERIM_SECONDS 1.0

typedef struct Pace {
    double per_frame; /* seconds of work; 0: nothing was measured yet */
    double rest;      /* until then */
} Pace;

/* Frames that the encoder is given for so many samples. `audio_context` is as in whisper158_options. */
double pace_frames(const whisper158_model *model, uint32_t audio_context, size_t samples);

/* So many frames took `work` seconds, until `now`. */
void pace_measure(Pace *pace, double frames, double work, double now);

/* Seconds that a transcription of so many frames is expected to take. */
double pace_expected(const Pace *pace, double frames);

bool pace_allows_interim(const Pace *pace, double frames, double now);

#endif
