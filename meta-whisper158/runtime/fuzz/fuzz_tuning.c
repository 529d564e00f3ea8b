/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The reader of tunings under hostile text, with the golden model and a machine that does not exist. Kernels differ
 * from processor to processor, and inputs should not, so an input is a list of edits to the text that would be right
 * here, which then gets a right checksum; or, where it begins with '!', it is the text. What is accepted must be a
 * tuning that a context takes, and that is written as it was read.
 */
#include "tuning.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { EDIT_SIZE = 4, MAX_EDITS = 32, ROOM = 1 << 16, CHECKSUM = sizeof "checksum 0123456789abcdef\n" - 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const Machine machine = {"a machine that does not exist"};
static whisper158_model *model;
static char right[ROOM]; /* a text that is accepted, without its checksum */
static size_t right_size;

static void require(bool promise) {
    if (!promise)
        abort();
}

static void prepare(void) {
    whisper158_tuning *t = malloc(sizeof *t);
    whisper158_error error;

    require(t && whisper158_model_open(&model, GOLDEN, &error) == 0);
    tuning_init(t, model, &machine);
    t->encode = t->decode = (ThreadCounts){2, {{1, 7, 2000}, {4, 9, 1500}}};
    for (uint32_t i = 0; i < t->n_layers; i++)
        for (uint32_t j = 0; j < t->layers[i].n_candidates; j++) {
            t->layers[i].candidates[j].rate = 1000 + 158 * j;
            t->layers[i].candidates[j].runs = 1 + j;
        }
    right_size = whisper158_tuning_write(t, right, sizeof right);
    require(right_size > CHECKSUM && right_size + MAX_EDITS < sizeof right);
    right_size -= CHECKSUM;
    whisper158_tuning_free(t);
}

/* Replaces, inserts or deletes. Returns the new size. */
static size_t edit(char *text, size_t size, const uint8_t bytes[EDIT_SIZE]) {
    const size_t at = size ? (bytes[0] + 256u * bytes[1]) % size : 0, most = size - at;
    const size_t gone = bytes[3] % 64u + 1 < most ? bytes[3] % 64u + 1 : most;

    switch (bytes[2] % 3) {
    case 0:
        text[at] = (char)bytes[3];
        return size ? size : 1;
    case 1:
        memmove(text + at + 1, text + at, most);
        text[at] = (char)bytes[3];
        return size + 1;
    default:
        memmove(text + at, text + at + gone, most - gone);
        return size - gone;
    }
}

static size_t make_text(char *text, const uint8_t *data, size_t size) {
    size_t length = right_size;

    if (size && data[0] == '!') {
        memcpy(text, data + 1, size - 1);
        return size - 1;
    }
    memcpy(text, right, right_size);
    for (size_t i = 0; i < size / EDIT_SIZE && i < MAX_EDITS; i++)
        length = edit(text, length, data + i * EDIT_SIZE);
    (void)snprintf(text + length, CHECKSUM + 1, "checksum %016llx\n", (unsigned long long)XXH64(text, length, 0));
    return length + CHECKSUM;
}

static void check_accepted(const whisper158_tuning *tuning, const char *text, size_t size) {
    const whisper158_context_options options = {.threads = 1, .tuning = tuning};
    const uint32_t threads = tuning_threads(&tuning->encode, 3);
    static char again[ROOM];
    whisper158_context *context = NULL;
    whisper158_error error;
    whisper158_tuned_layer layer;
    whisper158_tuned_candidate c;

    require(whisper158_tuning_write(tuning, again, sizeof again) == size && memcmp(again, text, size) == 0);
    for (uint32_t i = 0; whisper158_tuning_get_layer(tuning, i, &layer) >= 0; i++) {
        require(layer.share >= 0 && layer.share <= 1);
        for (uint32_t j = 0; whisper158_tuning_get_candidate(tuning, i, j, &c) >= 0; j++)
            require(c.gmacs > 0 && c.runs > 0 && strlen(c.variant) > 0);
    }
    require(threads >= 1 && threads <= WHISPER158_MAX_THREADS);
    require(whisper158_context_new(&context, model, &options, &error) == 0);
    whisper158_context_free(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    whisper158_error error = {""};
    whisper158_tuning *tuning = NULL;
    static char made[ROOM];
    size_t length;
    char *text;
    int r;

    if (!model)
        prepare();
    if (size > ROOM / 4)
        return 0;
    length = make_text(made, data, size);
    text = malloc(length ? length : 1); /* exactly as large, so that the sanitizer sees a step beyond the end */
    require(text);
    memcpy(text, made, length);
    r = tuning_read(&tuning, model, &machine, text, length, &error);
    require((r == 0) == (tuning != NULL));
    if (r == 0)
        check_accepted(tuning, text, length);
    else
        require((r == -EBADMSG || r == -ESTALE) && error.text[0] && !strchr(error.text, '\n'));
    whisper158_tuning_free(tuning);
    free(text);
    return 0;
}
