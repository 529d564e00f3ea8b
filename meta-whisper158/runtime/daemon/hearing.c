/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * There are two states. While nobody speaks, the last moments are kept; as soon as there is enough speech in the last
 * half second, an utterance has begun, a little before the first of it. While somebody speaks, everything is kept; when
 * there was no speech for long enough, the utterance is over. Two thresholds make sure that a voice which hovers about
 * one of them does not begin and end all the time; that speech must add up before it counts is what keeps clicks, and
 * moments of music, from being utterances.
 *
 * An utterance that becomes too long is cut where, in its last seconds, there was the least speech and sound.
 */
#include "hearing.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FRAME ((size_t)WHISPER158_VAD_FRAME)
#define RATE ((double)WHISPER158_SAMPLE_RATE)
#define ONSET 16u       /* frames, half a second, in which speech must add up */
#define LEVEL_FRAMES 3u /* 96 ms */
#define CUT_SEARCH 8.0  /* seconds, from the end backwards */
#define CUT_FRAMES 4u   /* that a cut lies in the middle of are looked at */
#define CUT_DB 0.02f    /* a dB of sound speaks against a cut as much as so much probability of speech */
#define SILENCE_DB (-100.0f)
#define FLOOR_FALLS 0.1f /* how far the noise floor follows a frame that is quieter, */
#define FLOOR_RISES 0.03f /* and one that is louder */

typedef struct Frame {
    float speech; /* its probability */
    float db;     /* level */
} Frame;

struct Hearing {
    HearingDetector detector;
    HearingListener listener;
    float on, off;
    size_t min_speech, pre_roll, end_silence, post_roll, max_length, interim; /* frames */
    uint64_t bridge;                                                          /* samples */

    uint64_t heard; /* samples that went in, lost ones included */
    uint64_t base;  /* the time of samples[0], in samples */
    float *samples; /* [max_length][FRAME] */
    Frame *frames;  /* [max_length] */
    size_t n;       /* frames in both */
    float pending[FRAME];
    size_t n_pending;

    bool speaking;
    size_t speech_end; /* frames up to the last one with speech; only while somebody speaks */
    size_t since_interim;

    float floor_db;
    bool floor_known;
    double level_power; /* of the LEVEL_FRAMES */
    float level_peak, level_speech;
    size_t level_frames;
};

const char *hearing_end_name(HearingEnd why) {
    static const char *const names[] = {"silence", "maximum", "input", "gap"};

    return names[why];
}

/* --------------------------------------------------------------------------------------------------------- options */

static size_t frames_of(double seconds) {
    return (size_t)lround(seconds * RATE / FRAME);
}

static bool between(double value, double low, double high) {
    return value >= low && value <= high; /* and a number */
}

static bool are_sound(const HearingOptions *o) {
    return between(o->on, 0, 1) && between(o->off, 0, o->on) && between(o->min_speech, 0, 0.5) &&
           between(o->pre_roll, 0, 2) && between(o->end_silence, 0.1, 5) && between(o->post_roll, 0, o->end_silence) &&
           between(o->max_length, 5, 30) && between(o->interim, 0, 3600) && between(o->bridge, 0, 1);
}

static float run_vad(void *vad, const float *frame) {
    return whisper158_vad_run(vad, frame);
}

static void reset_vad(void *vad) {
    whisper158_vad_reset(vad);
}

int hearing_new(Hearing **out, whisper158_vad *vad, const HearingOptions *options, const HearingListener *listener) {
    return hearing_new_with(out, &(HearingDetector){run_vad, reset_vad, vad}, options, listener);
}

int hearing_new_with(Hearing **out, const HearingDetector *detector, const HearingOptions *options,
                     const HearingListener *listener) {
    const HearingOptions usual = HEARING_OPTIONS_DEFAULT, *o = options ? options : &usual;
    Hearing *h;

    if (!are_sound(o) || !listener->utterance)
        return -EINVAL;
    h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    *h = (Hearing){
        .detector = *detector,
        .listener = *listener,
        .on = o->on,
        .off = o->off,
        .min_speech = frames_of(o->min_speech) ? frames_of(o->min_speech) : 1,
        .pre_roll = frames_of(o->pre_roll),
        .end_silence = frames_of(o->end_silence),
        .post_roll = frames_of(o->post_roll),
        .max_length = (size_t)(o->max_length * RATE / FRAME),
        .interim = o->interim > 0 && frames_of(o->interim) == 0 ? 1 : frames_of(o->interim),
        .bridge = (uint64_t)(o->bridge * RATE),
    };
    h->samples = calloc(h->max_length, FRAME * sizeof *h->samples);
    h->frames = calloc(h->max_length, sizeof *h->frames);
    if (!h->samples || !h->frames) {
        hearing_free(h);
        return -ENOMEM;
    }
    assert(h->max_length > h->pre_roll + ONSET && h->min_speech <= ONSET);
    *out = h;
    return 0;
}

Hearing *hearing_free(Hearing *hearing) {
    if (!hearing)
        return NULL;
    free(hearing->samples);
    free(hearing->frames);
    free(hearing);
    return NULL;
}

/* ---------------------------------------------------------------------------------------------------------- levels */

static float decibels(double power) {
    return power > 1e-10 ? (float)(10 * log10(power)) : SILENCE_DB;
}

static void tell_level(Hearing *h) {
    const float peak_db = decibels((double)h->level_peak * h->level_peak);

    if (h->listener.level)
        h->listener.level(h->listener.user, decibels(h->level_power / LEVEL_FRAMES), peak_db, h->floor_db,
                          h->level_speech);
    h->level_power = h->level_peak = h->level_speech = 0;
    h->level_frames = 0;
}

/* Level of a frame; what nobody speaks in says how loud it is when nobody speaks. */
static float measure(Hearing *h, const float *samples, float speech) {
    double power = 0;
    float peak = 0, db;

    for (size_t i = 0; i < FRAME; i++) {
        power += (double)samples[i] * samples[i];
        peak = fabsf(samples[i]) > peak ? fabsf(samples[i]) : peak;
    }
    power /= FRAME;
    db = decibels(power);
    if (!h->floor_known)
        h->floor_db = db;
    else if (!h->speaking && speech < h->off)
        h->floor_db += (db - h->floor_db) * (db < h->floor_db ? FLOOR_FALLS : FLOOR_RISES);
    h->floor_known = true;
    h->level_power += power;
    h->level_peak = peak > h->level_peak ? peak : h->level_peak;
    h->level_speech = speech > h->level_speech ? speech : h->level_speech;
    if (++h->level_frames == LEVEL_FRAMES)
        tell_level(h);
    return db;
}

/* ------------------------------------------------------------------------------------------------------ utterances */

static double seconds(uint64_t samples) {
    return (double)samples / RATE;
}

/* Forgets the first `count` frames. */
static void forget(Hearing *h, size_t count) {
    assert(count <= h->n);
    h->n -= count;
    memmove(h->samples, h->samples + count * FRAME, h->n * FRAME * sizeof *h->samples);
    memmove(h->frames, h->frames + count, h->n * sizeof *h->frames);
    h->base += count * FRAME;
}

/* Hands the first `count` frames out, and forgets them. What was said ends with frame `end`. */
static void hand_out(Hearing *h, size_t count, size_t end, HearingEnd why) {
    const uint64_t there = h->heard - h->base; /* the last frame may have been filled up with zeros */
    const uint64_t samples = count * FRAME < there ? count * FRAME : there;
    const uint64_t speech = end * FRAME < there ? end * FRAME : there;

    h->speaking = false;
    h->listener.utterance(h->listener.user, h->samples, (size_t)samples, seconds(h->base), seconds(h->base + speech),
                          why);
    forget(h, count);
}

static void finish(Hearing *h, HearingEnd why) {
    const size_t with_roll = h->speech_end + h->post_roll;

    hand_out(h, with_roll < h->n ? with_roll : h->n, h->speech_end, why);
}

/* From here on, all that is kept is an utterance. */
static void begin(Hearing *h) {
    h->speaking = true;
    h->since_interim = 0;
    if (h->listener.speech_start)
        h->listener.speech_start(h->listener.user, seconds(h->base));
}

/* Enough of the frames in the last half second are speech: what is before the first of them, but for the pre-roll, is
 * none of the utterance. */
static void look_for_begin(Hearing *h) {
    const size_t from = h->n > ONSET ? h->n - ONSET : 0;
    size_t first = h->n, count = 0;

    for (size_t i = h->n; i-- > from;)
        if (h->frames[i].speech >= h->on) {
            first = i;
            count++;
        }
    if (count >= h->min_speech) {
        forget(h, first > h->pre_roll ? first - h->pre_roll : 0);
        h->speech_end = h->n;
        begin(h);
    } else if (h->n > h->pre_roll + ONSET) {
        forget(h, h->n - h->pre_roll - ONSET);
    }
}

/* The frame before which a cut does the least harm; the last of equals. */
static size_t find_cut(const Hearing *h) {
    const size_t search = frames_of(CUT_SEARCH) < h->n / 2 ? frames_of(CUT_SEARCH) : h->n / 2;
    float least = INFINITY;
    size_t cut = h->n;

    for (size_t i = h->n - search; i + CUT_FRAMES / 2 <= h->n; i++) {
        float harm = 0;

        for (size_t j = i - CUT_FRAMES / 2; j < i + CUT_FRAMES / 2; j++)
            harm += h->frames[j].speech + CUT_DB * h->frames[j].db;
        if (harm <= least) {
            least = harm;
            cut = i;
        }
    }
    return cut;
}

/* What is behind the cut is the beginning of the next utterance, unless nobody speaks in it. */
static void cut(Hearing *h) {
    const size_t at = find_cut(h);
    size_t end = h->speech_end;

    hand_out(h, at, end < at ? end : at, HEARING_MAXIMUM);
    if (end <= at)
        return;
    h->speech_end = end - at;
    begin(h);
}

static void look_for_end(Hearing *h, float speech) {
    if (speech >= h->off)
        h->speech_end = h->n;
    if (h->n - h->speech_end >= h->end_silence)
        finish(h, HEARING_SILENCE);
    else if (h->n == h->max_length)
        cut(h);
    else if (h->listener.speech && h->interim && ++h->since_interim >= h->interim) {
        h->since_interim = 0;
        h->listener.speech(h->listener.user, h->samples, h->n * FRAME, seconds(h->base));
    }
}

/* The pending frame is complete. */
static void take_frame(Hearing *h) {
    const float said = h->detector.run(h->detector.user, h->pending), speech = said >= 0 ? said : 0;

    assert(h->n < h->max_length && h->n_pending == FRAME);
    memcpy(h->samples + h->n * FRAME, h->pending, sizeof h->pending);
    h->frames[h->n++] = (Frame){.speech = speech, .db = measure(h, h->pending, speech)};
    h->n_pending = 0;
    if (h->speaking)
        look_for_end(h, speech);
    else
        look_for_begin(h);
}

/* The end of a stretch of audio: the next one begins from nothing. */
static void stop(Hearing *h, HearingEnd why) {
    if (h->n_pending > 0) {
        memset(h->pending + h->n_pending, 0, (FRAME - h->n_pending) * sizeof *h->pending);
        h->n_pending = FRAME;
        take_frame(h);
    }
    if (h->speaking)
        finish(h, why);
    h->n = 0;
    h->detector.reset(h->detector.user);
}

void hearing_push(Hearing *h, const float *samples, size_t count) {
    while (count > 0) {
        const size_t room = FRAME - h->n_pending, n = count < room ? count : room;

        for (size_t i = 0; i < n; i++)
            h->pending[h->n_pending + i] = fabsf(samples[i]) <= WHISPER158_MAX_SAMPLE ? samples[i] : 0;
        h->n_pending += n;
        h->heard += n;
        samples += n;
        count -= n;
        if (h->n_pending == FRAME)
            take_frame(h);
    }
}

void hearing_flush(Hearing *h) {
    stop(h, HEARING_INPUT);
    h->base = h->heard;
}

void hearing_gap(Hearing *h, uint64_t lost_samples) {
    const float silence[FRAME] = {0};

    if (lost_samples <= h->bridge) {
        for (uint64_t n; lost_samples > 0; lost_samples -= n) {
            n = lost_samples < FRAME ? lost_samples : FRAME;
            hearing_push(h, silence, (size_t)n);
        }
        return;
    }
    stop(h, HEARING_GAP);
    h->heard += lost_samples;
    h->base = h->heard;
}
