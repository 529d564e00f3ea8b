/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The stages of a transcription under the clock, with a fixed amount of work: what the model says is thrown away, so
 * nonsense weights do as well as real ones, and two runs do the same.
 */
#ifndef CLI_MEASURE_H
#define CLI_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"

enum {
    MEASURE_MAX_REPEATS = 1000,
    MEASURE_MAX_PROMPT = 4, /* what Whisper gives a multilingual model: start, language, task, no timestamps */
};

typedef enum Stage {
    STAGE_MEL,
    STAGE_ENCODE, /* the decoder's cross-attention keys and values included */
    STAGE_PROMPT, /* the tokens before the text, in one go */
    STAGE_TOKENS, /* one after the other, each with its logits */
    N_STAGES,
} Stage;

typedef struct Seconds {
    double cpu; /* of all threads of the process */
    double wall;
} Seconds;

typedef struct Job {
    const float *samples; /* [count] */
    size_t count;
    uint32_t frames; /* the encoder's context */
    uint32_t prompt; /* at most MEASURE_MAX_PROMPT */
    uint32_t tokens; /* with the prompt, at most n_text_ctx */
    uint32_t repeats; /* at most MEASURE_MAX_REPEATS */
    bool shown;       /* say on stderr how far it is */
} Job;

typedef struct Spread {
    Seconds min, median; /* each figure by itself over the repeats */
} Spread;

typedef struct Memory {
    uint64_t peak_rss, rss; /* bytes; 0: /proc/self/status does not say */
} Memory;

/* What the clocks show now. */
Seconds measure_clock(void);

/* The time since `start`. */
Seconds measure_since(Seconds start);

/* Runs the job. Returns 0, or a negative errno and a sentence. */
int measure(Spread out[N_STAGES], whisper158_context *context, const whisper158_model_info *info, const Job *job,
            whisper158_error *error);

/* Of this process: VmHWM and VmRSS of /proc/self/status. */
Memory measure_memory(void);

#endif
