/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * common/audio.c under hostile bytes: every file ends in finite samples within the limit, or in one sentence and nothing
 * held. The decoders are libsndfile's; only the formats that the manual names are let through to them.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audio.h"

enum {
    MAX_SIZE = 1 << 16,
    MAX_SECONDS = 8,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise) {
    if (!promise)
        abort();
}

static void require_sentence(const whisper158_error *error) {
    const size_t length = strnlen(error->text, sizeof error->text);

    require(length > 0 && length < sizeof error->text && !strchr(error->text, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const AudioLimits limits = {.max_seconds = MAX_SECONDS};
    whisper158_error error;
    Audio audio;
    int r;

    if (size > MAX_SIZE || (size >= 4 && memcmp(data, "RIFF", 4) != 0 && memcmp(data, "fLaC", 4) != 0))
        return 0;
    r = audio_read_memory(&audio, data, size, &limits, &error);
    if (r < 0) {
        require(r == -EBADMSG || r == -EFBIG || r == -ENOMEM);
        require(!audio.samples && audio.count == 0);
        require_sentence(&error);
        return 0;
    }
    require(r == 0 && audio.count <= (size_t)MAX_SECONDS * WHISPER158_SAMPLE_RATE);
    for (size_t i = 0; i < audio.count; i++)
        require(isfinite(audio.samples[i]));
    if (audio.warning.text[0])
        require_sentence(&audio.warning);
    audio_free(&audio);
    return 0;
}
