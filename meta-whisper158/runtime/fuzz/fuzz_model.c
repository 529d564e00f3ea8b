/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A whole model under hostile contents. The input is a list of edits to the golden file, which is sealed again after
 * them: so inputs are small, and what the fuzzer changes is not always a weight. A model that opens is asked for
 * everything that the public header offers, and then transcribes two short windows of noise.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EDIT_SIZE = 12, MAX_EDITS = 32, SAMPLES = WHISPER158_SAMPLE_RATE / 5 };

static uint8_t *golden;
static size_t golden_size;

static void require(bool promise) {
    if (!promise)
        abort();
}

static void *allocate(size_t size) {
    void *memory = NULL;

    require(posix_memalign(&memory, 64, size) == 0);
    return memory;
}

static void read_golden(void) {
    FILE *file = fopen(GOLDEN, "rb");
    struct stat status;

    require(file && fstat(fileno(file), &status) == 0 && status.st_size > SEAL_HEADER);
    golden_size = (size_t)status.st_size;
    golden = allocate(golden_size);
    require(fread(golden, 1, golden_size, file) == golden_size);
    fclose(file);
}

/* What is edited: an entry's fields, or bytes of a payload. Neither changes the length of anything. */
static void edit(uint8_t *blob, const uint8_t bytes[EDIT_SIZE]) {
    const bool in_entry = bytes[0] & 1;
    const size_t width = bytes[0] & 2 ? 4 : 1;
    uint8_t *entry = golden + SEAL_HEADER + seal_get(bytes + 2, 2) % seal_count(golden, golden_size) * SEAL_ENTRY;
    const size_t start = in_entry ? (size_t)(entry - golden) : seal_get(entry + 104, 8);
    const size_t length = in_entry ? SEAL_ENTRY : seal_get(entry + 112, 8);
    const size_t at = seal_get(bytes + 4, 4) % length;

    if (width <= length - at)
        memcpy(blob + start + at, bytes + 8, width);
}

static int look_at(void *user, const whisper158_segment *segment) {
    const whisper158_model_info *info = user;

    require(segment->end >= segment->start && strlen(segment->text) < SIZE_MAX);
    for (size_t i = 0; i < segment->n_tokens; i++)
        require(segment->tokens[i] < info->n_vocab);
    return 0;
}

static void ask(const whisper158_model *model, const whisper158_model_info *info) {
    whisper158_section section;
    const char *text;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < info->n_sections; i++)
        require(whisper158_model_get_section(model, i, &section) == 0 && strlen(section.name) < 64);
    for (uint32_t i = 0; i <= info->n_languages; i++)
        if ((text = whisper158_model_get_language(model, i)))
            sum += strlen(text);
    for (uint32_t i = 0; i < info->n_vocab; i++) {
        const int length = whisper158_model_get_token(model, i, &text);

        require(length >= 0);
        for (int j = 0; j < length; j++)
            sum += (uint8_t)text[j];
    }
    for (size_t i = whisper158_model_get_provenance_text(model, &text); i > 0; i--)
        sum += (uint8_t)text[i - 1];
    for (int i = whisper158_model_get_provenance(model, "name", &text); i > 0; i--)
        sum += (uint8_t)text[i - 1];
    require(sum < UINT64_MAX); /* that is, read all of it */
}

static void transcribe(const whisper158_model *model, whisper158_model_info *info) {
    const whisper158_context_options one_thread = {.threads = 1, .kernels = NULL};
    static float noise[SAMPLES];
    whisper158_options options = WHISPER158_OPTIONS_DEFAULT;
    whisper158_context *context = NULL;
    whisper158_error error = {""};
    uint32_t state = 158;
    int r;

    for (size_t i = 0; i < SAMPLES; i++, state = state * 1664525u + 1013904223u)
        noise[i] = (float)state / 4294967296.0f - 0.5f;
    options.audio_context = 5; /* two windows, with timestamps */
    r = whisper158_context_new(&context, model, &one_thread, &error);
    if (r >= 0)
        r = whisper158_transcribe(context, noise, SAMPLES, &options, look_at, info, &error);
    require(r >= 0 || (error.text[0] && !strchr(error.text, '\n')));
    whisper158_context_free(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    whisper158_error error = {""};
    whisper158_model *model = NULL;
    whisper158_model_info info;
    uint8_t *copy;
    Blob blob;
    int r;

    if (!golden)
        read_golden();
    copy = allocate(golden_size);
    memcpy(copy, golden, golden_size);
    for (size_t i = 0; i < size / EDIT_SIZE && i < MAX_EDITS; i++)
        edit(copy, data + i * EDIT_SIZE);
    seal(copy, golden_size);

    r = blob_open_memory(&blob, copy, golden_size, "fuzz", &error);
    if (r >= 0) {
        r = model_from_blob(&model, &blob, &error);
        if (r >= 0) {
            whisper158_model_get_info(model, &info);
            ask(model, &info);
            transcribe(model, &info);
            whisper158_model_close(model);
        } else {
            blob_close(&blob);
        }
    }
    require(r >= 0 || (error.text[0] && !strchr(error.text, '\n')));
    free(copy);
    return 0;
}
