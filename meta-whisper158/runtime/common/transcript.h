/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What was heard in one file, collected while the library transcribes it, and the forms in which it is written.
 *
 * Text is written in lines, so control characters, which a model could produce, become spaces.
 */
#ifndef COMMON_TRANSCRIPT_H
#define COMMON_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "whisper158.h"

typedef enum Form {
    FORM_TEXT,       /* one line for the file */
    FORM_TIMESTAMPS, /* [00:00:01.000 --> 00:00:02.500] one line for each segment */
    FORM_JSON,       /* one object on one line */
    FORM_SRT,
    FORM_VTT,
    FORM_VERBOSE, /* one object on one line, as OpenAI's servers answer to verbose_json */
} Form;

typedef struct Segment {
    double start, end;            /* seconds */
    size_t first_byte, n_bytes;   /* of Transcript.text, without spaces at both ends */
    size_t first_token, n_tokens; /* of Transcript.tokens */
    float avg_logprob, no_speech_prob;
    bool repetition;
} Segment;

typedef struct Transcript {
    const char *file;     /* as on the command line; borrowed */
    const char *language; /* NULL: nothing was said; owned by the model */
    double duration;      /* seconds of audio */
    double seconds;       /* it took to transcribe */
    whisper158_timings timings;
    char *text; /* [n_bytes], of all segments */
    size_t n_bytes;
    uint32_t *tokens; /* [n_tokens] */
    size_t n_tokens;
    Segment *segments; /* [n_segments] */
    size_t n_segments;
} Transcript;

/* Appends a copy of the segment. Returns 0 or -ENOMEM. */
int transcript_add(Transcript *transcript, const whisper158_segment *segment);

/* The whole text without spaces at both ends; *length bytes, not NUL-terminated, "" where nothing was said. */
const char *transcript_text(const Transcript *transcript, size_t *length);

/* Writes one segment in FORM_TIMESTAMPS, the form that does not wait for the end of the file. */
void transcript_write_line(FILE *stream, const Transcript *transcript, const Segment *segment);

/* Writes the whole in any other form. Returns 0 or -ENOMEM; errors of the stream stay with the stream. */
int transcript_write(FILE *stream, const Transcript *transcript, Form form, const whisper158_model *model);

/* Frees what was added. */
void transcript_free(Transcript *transcript);

#endif
