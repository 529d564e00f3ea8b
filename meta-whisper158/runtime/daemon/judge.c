/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <math.h>

enum {
    SLOTS_PER_SECOND = 2,
    DEAD_AT_FIRST = 2 * SLOTS_PER_SECOND, /* of a microphone that has not moved since it was opened */
    DEAD_LATER = 10 * SLOTS_PER_SECOND,   /* of one that has: noise gates send zeros between sentences */
    QUIET = 5 * SLOTS_PER_SECOND,
    CLIPPED_OF = 4 * SLOTS_PER_SECOND, /* a sentence, pauses included ... */
    CLIPPED = 3,                       /* ... of which so many slots are clipped */
    UNCLIPPED = 6 * SLOTS_PER_SECOND,
};

static const float full_scale = 0.999f;     /* 16-bit codes from 32735 on: some converters stop short of the last */
static const float clipped_share = 0.005f;  /* of a slot; loud speech touches full scale now and then */
static const float quiet_peak = 0.0005f;    /* -66 dB, 16 steps of 16 bits: below it is the noise of the worst rooms */
static const float audible_peak = 0.001f;   /* -60 dB */

void judge_reset(Judge *judge, uint32_t rate) {
    *judge = (Judge){.rate = rate, .low = INFINITY, .high = -INFINITY, .state = SOURCE_FINE};
}

const char *judge_sentence(SourceState state) {
    switch (state) {
    case SOURCE_SILENT:
        return "the input is nothing but zeros; is the microphone muted, or nothing plugged into it?";
    case SOURCE_CLIPPED:
        return "the input is clipped; turn the microphone's gain down, or move away from it";
    case SOURCE_QUIET:
        return "the input is far too quiet to hear speech in it; turn the microphone's gain up";
    default:
        return "the input's level is fine again";
    }
}

static SourceState verdict(const Judge *j, float peak) {
    const uint32_t dead = j->alive ? DEAD_LATER : DEAD_AT_FIRST;

    if (j->dead >= dead)
        return SOURCE_SILENT;
    if (__builtin_popcount(j->clipped & ((1u << CLIPPED_OF) - 1)) >= CLIPPED)
        return SOURCE_CLIPPED;
    if (j->quiet >= QUIET && j->dead < j->quiet)
        return SOURCE_QUIET;
    /* What was wrong needs more than a moment of doubt to be right again. */
    if (j->state == SOURCE_SILENT && j->dead > 0)
        return SOURCE_SILENT;
    if (j->state == SOURCE_QUIET && peak < audible_peak)
        return SOURCE_QUIET;
    if (j->state == SOURCE_CLIPPED && j->unclipped < UNCLIPPED)
        return SOURCE_CLIPPED;
    return SOURCE_FINE;
}

static void count_slot(Judge *j) {
    const float peak = 0.5f * (j->high - j->low); /* whatever constant the converter adds */
    const bool clipped = (float)j->clipped_frames >= clipped_share * (float)j->frames;
    const bool moved = j->high > j->low;

    j->dead = moved ? 0 : j->dead + 1;
    j->alive |= moved;
    j->quiet = peak < quiet_peak ? j->quiet + 1 : 0;
    j->clipped = j->clipped << 1 | (clipped && moved);
    j->unclipped = clipped ? 0 : j->unclipped + 1;
    j->state = verdict(j, peak);
    j->frames = 0;
    j->clipped_frames = 0;
    j->low = INFINITY;
    j->high = -INFINITY;
}

bool judge_push(Judge *judge, const float *samples, size_t count) {
    const SourceState before = judge->state;
    const uint32_t slot = judge->rate / SLOTS_PER_SECOND;

    for (size_t i = 0; i < count; i++) {
        judge->low = fminf(judge->low, samples[i]);
        judge->high = fmaxf(judge->high, samples[i]);
        judge->clipped_frames += fabsf(samples[i]) >= full_scale;
        if (++judge->frames >= slot)
            count_slot(judge);
    }
    return judge->state != before;
}
