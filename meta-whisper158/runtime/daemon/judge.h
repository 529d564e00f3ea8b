/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Tells within seconds that no speech can be understood in what a microphone delivers: it is dead or muted, clipped, or
 * far too quiet; and when that is over. Ordinary pauses, and headsets that send zeros while nobody speaks, are no cause
 * for alarm.
 *
 * It looks at slots of half a second, before channels are averaged and rates converted, since both hide clipping.
 */
#ifndef DAEMON_JUDGE_H
#define DAEMON_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source_listener.h"

typedef struct Judge {
    uint32_t rate;   /* frames in a second */
    uint32_t frames; /* of the slot so far */
    uint32_t clipped_frames;
    float low, high; /* extremes of the slot so far */
    uint32_t dead, quiet, unclipped; /* slots in a row, now */
    uint32_t clipped;                /* bit i: i slots ago, the slot was clipped */
    bool alive;                      /* since it was opened, it has moved */
    SourceState state;               /* SOURCE_FINE, or what is wrong */
} Judge;

/* Begins anew, for a microphone that was just opened; its input counts as fine. */
void judge_reset(Judge *judge, uint32_t rate);

/* Takes one channel. Returns true when judge->state has changed (at most once a call: give it half a second or less). */
bool judge_push(Judge *judge, const float *samples, size_t count);

/* A sentence about judge->state, static storage. */
const char *judge_sentence(SourceState state);

#endif
