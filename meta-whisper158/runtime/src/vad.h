/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_VAD_H
#define W158_VAD_H

#include <stdint.h>

#include "whisper158.h"

#define VAD_BINS 129u
#define VAD_STATE 128u
#define VAD_CONVS 4u
#define VAD_TAPS 3u

typedef struct VadShape {
    uint32_t inputs, outputs, stride;
} VadShape;

extern const VadShape vad_convs[VAD_CONVS];

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

/* whisper158_vad_new for weights from anywhere, which must outlive the detector; any finite numbers will do. */
int vad_new(whisper158_vad **out, const VadWeights *weights);

#endif
