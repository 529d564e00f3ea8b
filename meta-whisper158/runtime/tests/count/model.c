/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Takes noise through a whole model, each stage in a region of its own (region.h), so that its instructions can be
 * counted:
 *
 *     count-model FILE.w158 NAME FRAMES TOKENS
 *
 * NAME is what the model is called in the output. FRAMES is the encoder's context, and TOKENS how many tokens are
 * decoded before the one that is counted. The lines are those of count-kernels.
 */
#undef NDEBUG
#include "region.h"
#include "whisper158.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_PER_FRAME (WHISPER158_COLUMNS_PER_SECOND / WHISPER158_FRAMES_PER_SECOND)
#define SAMPLES_PER_FRAME (WHISPER158_SAMPLE_RATE / WHISPER158_FRAMES_PER_SECOND)

enum { MEL = 2, ENCODE, TOKEN };

typedef struct Run {
    whisper158_model *model;
    whisper158_context *context;
    whisper158_model_info info;
    uint32_t frames, tokens;
    float *samples, *mel, *logits;
} Run;

static void fail(const whisper158_error *error) {
    fprintf(stderr, "count-model: %s\n", error->text);
    exit(EXIT_FAILURE);
}

/* ---------------------------------------------------------------------------- multiplications with an addition */

/* Convolutions, linear layers, attention, and the keys and values that the decoder makes of the result. */
static uint64_t encode_work(const Run *r) {
    const uint64_t f = r->frames, d = r->info.n_audio_state;
    const uint64_t convolutions = 3 * (COLUMNS_PER_FRAME * f * d * r->info.n_mels + f * d * d);
    const uint64_t block = f * 12 * d * d + 2 * f * f * d;

    return convolutions + r->info.n_audio_layer * block + r->info.n_text_layer * 2 * f * d * d;
}

/* The token that follows r->tokens others. */
static uint64_t token_work(const Run *r) {
    const uint64_t d = r->info.n_text_state;

    return r->info.n_text_layer * (14 * d * d + 2 * (r->tokens + 1 + r->frames) * d) + r->info.n_vocab * d;
}

/* ------------------------------------------------------------------------------------------------------- stages */

static void make_noise(float *samples, size_t n) {
    uint32_t state = 158;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        samples[i] = (float)(state >> 8) * 0x1p-24f - 0.5f;
    }
}

static void open_run(Run *r, const char *path, uint32_t frames, uint32_t tokens) {
    const whisper158_context_options options = {.threads = 1};
    whisper158_error error;

    *r = (Run){.frames = frames, .tokens = tokens};
    if (whisper158_model_open(&r->model, path, &error) < 0 ||
        whisper158_context_new(&r->context, r->model, &options, &error) < 0)
        fail(&error);
    whisper158_model_get_info(r->model, &r->info);
    r->samples = malloc((size_t)frames * SAMPLES_PER_FRAME * sizeof *r->samples);
    r->mel = malloc((size_t)frames * COLUMNS_PER_FRAME * r->info.n_mels * sizeof *r->mel);
    r->logits = malloc(r->info.n_vocab * sizeof *r->logits);
    assert(r->samples && r->mel && r->logits);
    make_noise(r->samples, (size_t)frames * SAMPLES_PER_FRAME);
}

static void close_run(Run *r) {
    free(r->samples);
    free(r->mel);
    free(r->logits);
    whisper158_context_free(r->context);
    whisper158_model_close(r->model);
}

static void count_stages(const Run *r) {
    const uint32_t token = 17, columns = r->frames * COLUMNS_PER_FRAME;
    whisper158_error error;
    int result;

    region(MEL);
    result = whisper158_mel(r->context, r->samples, (size_t)r->frames * SAMPLES_PER_FRAME, columns, r->mel, &error);
    region(ENCODE);
    if (result >= 0)
        result = whisper158_encode(r->context, r->mel, r->frames, NULL, &error);
    region(0);
    for (uint32_t i = 0; result >= 0 && i < r->tokens; i++)
        result = whisper158_decode(r->context, &token, 1, r->logits, &error);
    region(TOKEN);
    if (result >= 0)
        result = whisper158_decode(r->context, &token, 1, r->logits, &error);
    region(0);
    if (result < 0)
        fail(&error);
}

static void print_line(int number, const char *stage, const char *name, const char *shape, uint64_t work) {
    printf("%d %s %s %s %llu\n", number, stage, name, shape, (unsigned long long)work);
}

int main(int argc, char **argv) {
    char shape[32];
    Run r;

    if (argc != 5) {
        fprintf(stderr, "usage: count-model FILE.w158 NAME FRAMES TOKENS\n");
        return EXIT_FAILURE;
    }
    open_run(&r, argv[1], (uint32_t)strtoul(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10));
    count_stages(&r);
    print_line(MEL, "mel", argv[2], argv[3], (uint64_t)r.frames * COLUMNS_PER_FRAME * r.info.n_mels);
    print_line(ENCODE, "encode", argv[2], argv[3], encode_work(&r));
    snprintf(shape, sizeof shape, "%u+%u", r.frames, r.tokens);
    print_line(TOKEN, "token", argv[2], shape, token_work(&r));
    close_run(&r);
    return 0;
}
