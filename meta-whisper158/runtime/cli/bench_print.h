/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What "whisper158 bench" found, for people and for programs.
 */
#ifndef CLI_BENCH_PRINT_H
#define CLI_BENCH_PRINT_H

#include "measure.h"

typedef struct Findings {
    const whisper158_model *model;
    const char *kernels;
    uint32_t threads; /* 0: as many as the library saw fit */
    bool tuned;       /* a tuning was there */
    double seconds;   /* of the audio that the encoder hears */
    Job job;
    Seconds load; /* opening the model and making a context */
    Spread stages[N_STAGES];
    Memory memory;
} Findings;

/* To standard output; its errors stay with the stream. */
void bench_print(const Findings *findings);

/* One JSON object on one line. Returns 0 or -ENOMEM; errors as above. */
int bench_print_json(const Findings *findings);

#endif
