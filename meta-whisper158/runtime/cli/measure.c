/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "report.h"

typedef struct Buffers {
    float *mel;     /* [n_mels][2 x frames] */
    float *logits;  /* [n_vocab] */
    double *sorted; /* [repeats] */
    Seconds *taken; /* [N_STAGES][repeats] */
} Buffers;

static double clock_now(clockid_t clock) {
    struct timespec t;

    return clock_gettime(clock, &t) == 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec : 0;
}

Seconds measure_clock(void) {
    return (Seconds){.cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID), .wall = clock_now(CLOCK_MONOTONIC)};
}

Seconds measure_since(Seconds start) {
    const Seconds end = measure_clock();

    return (Seconds){.cpu = end.cpu - start.cpu, .wall = end.wall - start.wall};
}

/* The ids follow from the position alone. */
static uint32_t token_at(const whisper158_model_info *info, uint32_t position) {
    return (1 + position) % info->n_vocab;
}

static int decode_prompt(whisper158_context *context, const whisper158_model_info *info, const Job *job, float *logits,
                         whisper158_error *error) {
    uint32_t ids[MEASURE_MAX_PROMPT];

    for (uint32_t i = 0; i < job->prompt; i++)
        ids[i] = token_at(info, i);
    return whisper158_decode(context, ids, job->prompt, logits, error);
}

static int decode_tokens(whisper158_context *context, const whisper158_model_info *info, const Job *job, float *logits,
                         whisper158_error *error) {
    int r = 0;

    for (uint32_t i = 0; r >= 0 && i < job->tokens; i++) {
        const uint32_t id = token_at(info, job->prompt + i);

        r = whisper158_decode(context, &id, 1, logits, error);
    }
    return r;
}

static int run_stage(Stage stage, const Buffers *b, whisper158_context *context, const whisper158_model_info *info,
                     const Job *job, whisper158_error *error) {
    switch (stage) {
    case STAGE_MEL:
        return whisper158_mel(context, job->samples, job->count, 2 * job->frames, b->mel, error);
    case STAGE_ENCODE:
        return whisper158_encode(context, b->mel, job->frames, NULL, error);
    case STAGE_PROMPT:
        return decode_prompt(context, info, job, b->logits, error);
    default:
        return decode_tokens(context, info, job, b->logits, error);
    }
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void spread_of(double *min, double *median, double *sorted, uint32_t n) {
    qsort(sorted, n, sizeof *sorted, compare);
    *min = sorted[0];
    *median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static Spread summarise_stage(const Seconds *taken, double *sorted, uint32_t repeats) {
    Spread spread;

    for (uint32_t i = 0; i < repeats; i++)
        sorted[i] = taken[i].cpu;
    spread_of(&spread.min.cpu, &spread.median.cpu, sorted, repeats);
    for (uint32_t i = 0; i < repeats; i++)
        sorted[i] = taken[i].wall;
    spread_of(&spread.min.wall, &spread.median.wall, sorted, repeats);
    return spread;
}

static int run_job(Spread out[N_STAGES], const Buffers *b, whisper158_context *context,
                   const whisper158_model_info *info, const Job *job, whisper158_error *error) {
    for (uint32_t i = 0; i < job->repeats; i++) {
        if (job->shown)
            report_transient("repeat %" PRIu32 " of %" PRIu32, i + 1, job->repeats);
        for (Stage stage = 0; stage < N_STAGES; stage++) {
            const Seconds start = measure_clock();
            const int r = run_stage(stage, b, context, info, job, error);

            if (r < 0)
                return r;
            b->taken[stage * job->repeats + i] = measure_since(start);
        }
    }
    for (Stage stage = 0; stage < N_STAGES; stage++)
        out[stage] = summarise_stage(b->taken + stage * job->repeats, b->sorted, job->repeats);
    return 0;
}

int measure(Spread out[N_STAGES], whisper158_context *context, const whisper158_model_info *info, const Job *job,
            whisper158_error *error) {
    const Buffers b = {
        .mel = calloc((size_t)info->n_mels * 2 * job->frames, sizeof *b.mel),
        .logits = calloc(info->n_vocab, sizeof *b.logits),
        .sorted = calloc(job->repeats, sizeof *b.sorted),
        .taken = calloc((size_t)N_STAGES * job->repeats, sizeof *b.taken),
    };
    int r = fail(error, -ENOMEM, "no memory for a spectrogram of %" PRIu32 " frames", job->frames);

    if (b.mel && b.logits && b.sorted && b.taken)
        r = run_job(out, &b, context, info, job, error);
    free(b.mel);
    free(b.logits);
    free(b.sorted);
    free(b.taken);
    return r;
}

Memory measure_memory(void) {
    Memory memory = {0};
    FILE *const status = fopen("/proc/self/status", "re");
    char line[256];
    uint64_t kib;

    while (status && fgets(line, sizeof line, status)) {
        if (sscanf(line, "VmHWM: %" SCNu64 " kB", &kib) == 1)
            memory.peak_rss = kib * 1024;
        else if (sscanf(line, "VmRSS: %" SCNu64 " kB", &kib) == 1)
            memory.rss = kib * 1024;
    }
    if (status)
        (void)fclose(status);
    return memory;
}
