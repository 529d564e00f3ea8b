/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The memory that a transcription will need, said before there is one.
 */
#ifndef CLI_NEED_H
#define CLI_NEED_H

#include <json-c/json.h>

#include "whisper158.h"

#define NEED_MAX_SECONDS (4 * 3600)
#define NEED_TOKENS_PER_SECOND 4 /* a lot, for ordinary speech */
#define NEED_PROMPT 4

typedef struct NeedOptions {
    whisper158_context_options machine;
    uint32_t audio_context; /* as in whisper158_options */
    double seconds;         /* of audio; 0: a full window */
    uint32_t tokens;        /* 0: as many as speech of such a length has */
} NeedOptions;

/* Bytes, of a program that transcribes `seconds` of audio in windows of `frames` frames and `tokens` tokens each. */
typedef struct Need {
    double seconds;
    uint32_t frames, tokens;
    whisper158_memory context;
    uint64_t file;    /* all of the model's */
    uint64_t samples; /* the audio */
    uint64_t program; /* this program and its libraries, as far as they are in memory now */
    uint64_t stacks;  /* of the threads */
    uint64_t peak;
} Need;

/* `program`: resident bytes of this process before it opened the model. Returns 0, or a negative errno and a sentence. */
int need_compute(Need *need, const whisper158_model *model, const NeedOptions *options, uint64_t program,
                 whisper158_error *error);

void need_print(const Need *need);

/* NULL: no memory. */
struct json_object *need_json(const Need *need);

#endif
