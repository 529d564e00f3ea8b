/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "pace.h"

enum {
    FULL = WHISPER158_WINDOW_SECONDS * WHISPER158_FRAMES_PER_SECOND,
    FRAME = WHISPER158_SAMPLE_RATE / WHISPER158_FRAMES_PER_SECOND,
};

double pace_frames(const whisper158_model *model, uint32_t audio_context, size_t samples) {
    const bool fits = audio_context == WHISPER158_AUDIO_CONTEXT_AUTO;
    const size_t window = fits || audio_context > FULL ? FULL : audio_context;
    const size_t windows = samples / (window * FRAME), rest = samples % (window * FRAME);
    const size_t last = rest == 0 ? 0 : fits ? whisper158_model_fit_audio_context(model, rest) : window;

    return (double)(windows * window + last);
}

void pace_measure(Pace *pace, double frames, double work, double now) {
    const double per_frame = work / frames;

    if (!(frames > 0.0))
        return;
    /* One that the machine was busy in must not switch interim results off for long, nor one lucky one on. */
    pace->per_frame = pace->per_frame > 0.0 ? 0.7 * pace->per_frame + 0.3 * per_frame : per_frame;
    pace->rest = now + work;
}

double pace_expected(const Pace *pace, double frames) {
    return pace->per_frame * frames;
}

bool pace_allows_interim(const Pace *pace, double frames, double now) {
    return pace->per_frame > 0.0 && now >= pace->rest && pace_expected(pace, frames) <= PACE_INTERIM_SECONDS;
}
