/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_REPACK_H
#define W158_REPACK_H

#include "kernels/kernels.h"

/*
 * The ternary codes of `w` (MATRIX_T2, _T4 or _T5) in another of these packings. out: as many bytes as such a section
 * has (blob_payload_size); scratch: [4][w->channels].
 */
void repack(const Matrix *w, MatrixFormat format, uint8_t *out, int8_t *scratch);

#endif
