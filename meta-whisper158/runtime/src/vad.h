/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_VAD_H
#define W158_VAD_H

#include "vad_weights.h"
#include "whisper158.h"

/* whisper158_vad_new for weights from anywhere, which must outlive the detector; any finite numbers will do. */
int vad_new(whisper158_vad **out, const VadWeights *weights);

#endif
