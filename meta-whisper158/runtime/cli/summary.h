/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What there is to tell about a model, counted from its sections: what is in the file, not what its provenance claims.
 */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"

enum { MAX_FORMATS = 32 };

/* Linear layers of one format. */
typedef struct LinearFormat {
    const char *dtype, *packing;
    uint32_t group; /* channels that share a scale; 0: no scales, WHOLE_ROW: all of a row */
    uint32_t count;
    uint64_t weights;
    uint64_t bytes; /* scales included */
} LinearFormat;

#define WHOLE_ROW UINT32_MAX

typedef enum Part { PART_ENCODER, PART_DECODER, PART_HEAD, PART_VOCABULARY, PART_DETECTOR, PART_OTHER, N_PARTS } Part;

typedef struct Summary {
    whisper158_model_info info;
    LinearFormat formats[MAX_FORMATS];
    uint32_t n_formats;
    LinearFormat linear;     /* the sum of the formats */
    uint64_t parameters;     /* of the network */
    uint64_t bytes[N_PARTS]; /* they add up to the size of the file */
} Summary;

void summarise(Summary *summary, const whisper158_model *model);

/* Scales included; 0 if there are no such layers. */
double bits_per_weight(const LinearFormat *format);

/* Of the whole file, over the parameters of the network. */
double bits_per_parameter(const Summary *summary);

/* A line of the provenance; nothing is NUL-terminated. */
typedef struct Line {
    const char *key, *value;
    size_t key_length, value_length;
} Line;

/* Takes the next "key=value" from *text, *left bytes long; false at its end. */
bool next_line(const char **text, size_t *left, Line *line);

#endif
