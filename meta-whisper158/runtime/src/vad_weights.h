/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* The weights of the detector of speech (vad.c), as they lie in a blob. */
#ifndef W158_VAD_WEIGHTS_H
#define W158_VAD_WEIGHTS_H

#include <stdint.h>

#define VAD_BINS 129u
#define VAD_STATE 128u
#define VAD_CONVS 4u
#define VAD_TAPS 3u

typedef struct VadShape {
    uint32_t inputs, outputs, stride;
} VadShape;

static const VadShape vad_convs[VAD_CONVS] = {{VAD_BINS, 128, 1}, {128, 64, 2}, {64, 64, 2}, {64, 128, 1}};

typedef struct VadConv {
    const float *weight; /* [VAD_TAPS][inputs][outputs] */
    const float *bias;   /* [outputs] */
} VadConv;

/* They lead into the blob; all are NULL where it has no detector. */
typedef struct VadWeights {
    VadConv conv[VAD_CONVS];
    const float *lstm_input, *lstm_hidden; /* [VAD_STATE][4 x VAD_STATE] */
    const float *lstm_bias;                /* [4 x VAD_STATE] */
    const float *out_weight;               /* [VAD_STATE] */
    const float *out_bias;                 /* [1] */
} VadWeights;

#endif
