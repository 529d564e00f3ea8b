/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Cuts what a microphone hears into utterances: where somebody begins to speak, where it is over, and what to do with
 * somebody who does not stop.
 *
 * Audio goes in in pieces of any size, and what comes out does not depend on them. All callbacks are made by the call
 * that brings the audio, in its thread. All memory is taken in hearing_new. Times are seconds since the source began,
 * audio that was lost included.
 */
#ifndef DAEMON_HEARING_H
#define DAEMON_HEARING_H

#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"

typedef struct Hearing Hearing;

/* Why an utterance ended. */
typedef enum HearingEnd {
    HEARING_SILENCE, /* nobody spoke for long enough */
    HEARING_MAXIMUM, /* it became too long and was cut; what follows the cut is an utterance too if it is speech */
    HEARING_INPUT,   /* there is no more audio */
    HEARING_GAP,     /* audio was lost */
} HearingEnd;

/* "silence", "maximum", "input", "gap"; static storage. */
const char *hearing_end_name(HearingEnd why);

typedef struct HearingListener {
    /* Somebody speaks, since `at`. Exactly one utterance with that start follows. May be NULL. */
    void (*speech_start)(void *user, double at);
    /* All of the utterance so far, for an interim result; now and then while it goes on. May be NULL. */
    void (*speech)(void *user, const float *samples, size_t count, double start);
    /* An utterance: `start` is the time of its first sample, `end` that at which the speech was over. A little of what
     * followed may be among the samples. */
    void (*utterance)(void *user, const float *samples, size_t count, double start, double end, HearingEnd why);
    /* Ten times a second: level and peak of the last tenth in dB of full scale, the level when nobody speaks, and the
     * highest probability of speech. May be NULL. */
    void (*level)(void *user, float rms_db, float peak_db, float noise_floor_db, float speech_probability);
    void *user;
} HearingListener;

/* Durations are seconds, and rounded to frames of 32 ms. */
typedef struct HearingOptions {
    float on;           /* a frame with this probability of speech can begin an utterance, */
    float off;          /* one with less than this, which is no more than `on`, can end it */
    double min_speech;  /* so much speech within half a second begins one; at most 0.5 */
    double pre_roll;    /* of what was before is part of it; at most 2 */
    double end_silence; /* so much without speech ends it, */
    double post_roll;   /* so much of which is part of it */
    double max_length;  /* rolls included: 5 to 30 */
    double interim;     /* from one call of `speech` to the next; 0: never */
    double bridge;      /* so much lost audio is silence; more ends an utterance. At most 1 */
} HearingOptions;

#define HEARING_OPTIONS_DEFAULT                                                                                        \
    {                                                                                                                  \
        .on = 0.5f, .off = 0.35f, .min_speech = 0.22, .pre_roll = 0.3, .end_silence = 0.5, .post_roll = 0.2,           \
        .max_length = 28, .interim = 0, .bridge = 0.1                                                                  \
    }

/* What hearing_new needs of a detector of speech: the functions whisper158_vad_run and whisper158_vad_reset. */
typedef struct HearingDetector {
    float (*run)(void *user, const float *frame); /* of WHISPER158_VAD_FRAME samples */
    void (*reset)(void *user);
    void *user;
} HearingDetector;

/* `vad` is borrowed, `options` (NULL: the default) and `listener` are copied. -EINVAL: options out of their range. */
int hearing_new(Hearing **out, whisper158_vad *vad, const HearingOptions *options, const HearingListener *listener);

/* The same with any detector; for tests. */
int hearing_new_with(Hearing **out, const HearingDetector *detector, const HearingOptions *options,
                     const HearingListener *listener);

/* Drops what is not finished. NULL is allowed. Returns NULL. */
Hearing *hearing_free(Hearing *hearing);

/* Audio, in order. What is no number, or larger than any sample, is silence. */
void hearing_push(Hearing *hearing, const float *samples, size_t count);

/* There is no more audio for now: what somebody was saying is an utterance. */
void hearing_flush(Hearing *hearing);

/* Between what was pushed and what will be, so many samples are missing. */
void hearing_gap(Hearing *hearing, uint64_t lost_samples);

#endif
