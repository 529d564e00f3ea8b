/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* Softmax attention of a tile of queries and of a single one. */
#include "check.h"

static void check_shape(uint32_t channels, size_t frames, float deviation) {
    size_t heads = 2, stride = heads * channels * TILE, n = tiles(frames) * stride;
    float *k = floats(n), *v = floats(n), *q = floats(channels * TILE), *scratch = floats(tiles(frames) * TILE * TILE);
    float *a = floats(channels * TILE), *b = floats(channels * TILE);

    assert(k && v && q && scratch && a && b);
    fill_normal(k, n, 1);
    fill_normal(v, n, 1);
    fill_normal(q, channels * TILE, deviation);
    ref.attend_tile(q, k + channels * TILE, v + channels * TILE, stride, frames, channels, a, scratch);
    new.attend_tile(q, k + channels * TILE, v + channels * TILE, stride, frames, channels, b, scratch);
    assert_close("attend_tile", a, b, channels * TILE, 2e-5f);
    ref.attend(q, k, v, stride, frames, channels, a, scratch);
    new.attend(q, k, v, stride, frames, channels, b, scratch);
    assert_close("attend", a, b, channels, 2e-5f);
    if (frames == 500) {
        BENCH("attend_tile 64x500", 2 * channels * TILE * frames,
              new.attend_tile(q, k, v, stride, frames, channels, b, scratch));
        BENCH("attend 64x500", 2 * channels * frames, new.attend(q, k, v, stride, frames, channels, b, scratch));
    }
    free(k);
    free(v);
    free(q);
    free(scratch);
    free(a);
    free(b);
}

void check_attention(void) {
    static const size_t frames[] = {1, 3, 15, 16, 17, 33, 100};

    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        check_shape(32, frames[i], 1);
        check_shape(64, frames[i], 1);
        check_shape(64, frames[i], 50); /* one frame takes all */
    }
    check_shape(64, 500, 1);
}
