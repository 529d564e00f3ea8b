/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Kernels: the few loops in which all the time is spent.
 *
 * A set of kernels is a struct of function pointers. `ref` is plain C; it defines what each function means, and its
 * asserts state every promise about shapes. The other sets are the same functions for a kind of processor; a set is
 * filled by starting from `ref` and overriding what it has (kernels_init). check-kernels holds each one against `ref`:
 * integer arithmetic must agree bit for bit, float arithmetic within a stated bound.
 *
 * Tiles. Where many frames go through the same weights, the frames lie in SIMD lanes: an activation is stored as
 * [tile][channel][TILE], a tile being TILE neighbouring frames. Everything between two matrix products (norms, GELU,
 * softmax, quantisation) then works lane by lane, and no kernel ever transposes. The lanes of the last tile beyond the
 * last frame hold finite numbers that nobody looks at.
 *
 * Alignment: every float and int8 array that holds tiles is aligned to 64 bytes. Matrices lie as the blob has them
 * (docs/blob-format.md).
 */
#ifndef W158_KERNELS_H
#define W158_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define TILE 16u             /* frames in a tile */
#define MAX_CHANNELS 8192u   /* widest input of a matrix: 4 x 2048, or 3 taps x 2048 */
#define MAX_HEAD_CHANNELS 64u

static inline size_t tiles(size_t frames) {
    return (frames + TILE - 1) / TILE;
}

typedef enum MatrixFormat { MATRIX_F16, MATRIX_I8, MATRIX_I4, MATRIX_T2, MATRIX_T4, MATRIX_T5, MATRIX_FORMATS } MatrixFormat;

#define I4_RUN 32u /* channels of a row that share 16 bytes: the first half in the low nibbles */
#define I4_MIDDLE 8

/* A weight matrix, y[row] = sum over channels of weight[row][channel] x[channel]. */
typedef struct Matrix {
    MatrixFormat format;
    uint32_t rows;      /* a multiple of 4 where format is ternary */
    uint32_t channels;  /* 1 to MAX_CHANNELS */
    uint32_t group;     /* channels that share a scale; divides channels; of MATRIX_I4 a multiple of I4_RUN */
    const void *codes;  /* packed as docs/blob-format.md says */
    const float *scale; /* [rows][channels / group]; NULL for MATRIX_F16 */
    /* Of MATRIX_I4: what is taken off a nibble, at most 15, [rows][channels / group]; NULL: I4_MIDDLE everywhere. */
    const uint8_t *zero;
} Matrix;

/* What becomes of a matrix product: it replaces y, replaces y after GELU, or is added to y (the residual). */
typedef enum Finish { FINISH_STORE, FINISH_GELU, FINISH_ADD } Finish;

/* y[tile][row][TILE] = finish(w x[tile][channel][TILE] + bias[row]) (bias NULL: none), float activations.
 * scratch: kernels_scratch(rows, channels) bytes, aligned to 64. */
typedef void GemmF32(const Matrix *w, const float *bias, Finish finish, const float *x, size_t n_tiles, float *y,
                     void *scratch);

/* The same for int8 activations q with a scale for each frame, x = q x_scale[tile][TILE]; MATRIX_F16 is not allowed.
 * Exact but for GELU: sum over groups, in order, of scale x (integer dot product), times x_scale, plus bias. */
typedef void GemmI8(const Matrix *w, const float *bias, Finish finish, const int8_t *q, const float *x_scale,
                    size_t n_tiles, float *y, void *scratch);

/* One frame: y[row] for first <= row < last, both multiples of 4 (last may be rows). x[channels]. */
typedef void GemvF32(const Matrix *w, const float *bias, const float *x, uint32_t first, uint32_t last, float *y);
typedef void GemvI8(const Matrix *w, const float *bias, const int8_t *q, float x_scale, uint32_t first, uint32_t last,
                    float *y);

/* The same for MATRIX_I8, in groups of at most MAX_I16_GROUP channels, and MATRIX_I4, and activations of 14 bits, |q| <= MAX_I16. It is
 * for where 8 bits are too few, the output head for one: nearly as fast, and as good as floats. */
#define MAX_I16 8191
#define MAX_I16_GROUP 2048u /* 2048 x 127 x 8191 < 2^31, and so is MAX_CHANNELS x 15 x 8191 */
typedef void GemvI16(const Matrix *w, const float *bias, const int16_t *q, float x_scale, uint32_t first, uint32_t last,
                     float *y);

/* Several ways to the same bits; which one is fastest depends on the shape and on the processor. */
#define MAX_VARIANTS 8u
typedef struct GemmVariants {
    uint32_t count;
    struct {
        const char *name;
        GemmI8 *run;
    } at[MAX_VARIANTS];
} GemmVariants;

/* The variant to take for matrices of one format and shape. */
#define MAX_CHOICES 128u
typedef struct Choice {
    MatrixFormat format;
    uint32_t rows, channels, group;
    GemmI8 *run;
} Choice;

/* Attention of a tile of queries or of one, to keys and values in float tiles or in blocks of integers: see Kernels. */
typedef void AttendF32(const float *q, const float *k, const float *v, size_t stride, size_t frames,
                       uint32_t head_channels, float *y, float *scratch);
typedef void AttendI8(const float *q, const void *keys, size_t key_stride, const void *values, size_t value_stride,
                      size_t frames, uint32_t head_channels, float *y);

typedef struct Kernels {
    const char *name;

    /* Matrix products have one function for each format of the weights. */
    GemmF32 *gemm_f32[MATRIX_FORMATS];
    GemmI8 *gemm_i8[MATRIX_FORMATS]; /* the variant that is a good choice anywhere */
    GemvF32 *gemv_f32[MATRIX_FORMATS];
    GemvI8 *gemv_i8[MATRIX_FORMATS];
    GemvI16 *gemv_i16[MATRIX_FORMATS]; /* NULL where there is none */
    GemmVariants gemm_i8_variants[MATRIX_FORMATS]; /* all of them; none in the reference */
    uint32_t n_choices;                            /* none in a set as kernels_init leaves it */
    Choice choices[MAX_CHOICES];

    /* Row `row` of w as floats: out[channels]. */
    void (*dequantise_row)(const Matrix *w, uint32_t row, float *out);

    /* Per frame: scale = max|x| / 127, q = x / scale rounded half to even; all zero where max|x| is zero.
     * The tile form takes one tile, x[channels][TILE], scale[TILE]. */
    void (*quantise_tile)(const float *x, uint32_t channels, int8_t *q, float *scale);
    void (*quantise)(const float *x, uint32_t channels, int8_t *q, float *scale);

    /* The same with MAX_I16 instead of 127, for one frame. */
    void (*quantise_i16)(const float *x, uint32_t channels, int16_t *q, float *scale);

    /* LayerNorm over channels, epsilon 1e-5 (torch.nn.LayerNorm): one tile, or one frame. x and y may be the same. */
    void (*norm_tile)(const float *x, const float *weight, const float *bias, uint32_t channels, float *y);
    void (*norm)(const float *x, const float *weight, const float *bias, uint32_t channels, float *y);

    /* norm_tile into y, and y quantised as quantise_tile does it. */
    void (*norm_quantise_tile)(const float *x, const float *weight, const float *bias, uint32_t channels, float *y,
                               int8_t *q, float *scale);

    /* x[i] = x[i] (1 + erf(x[i] / sqrt 2)) / 2, in place; n a multiple of TILE or, for a single frame, of 4. */
    void (*gelu)(float *x, size_t n);

    /*
     * Softmax attention of one head. k and v are [tile][...][TILE] with `stride` floats from tile to tile, pointing at
     * the head's first channel; `frames` of them count. head_channels: a multiple of 8, at most MAX_HEAD_CHANNELS.
     *   y = sum over frames of softmax(q k / sqrt head_channels) v
     * attend_tile: TILE queries, q and y [head_channels][TILE]; scratch [frames rounded up to TILE][TILE] floats.
     * attend:      one query,    q and y [head_channels];       scratch [frames rounded up to TILE] floats.
     */
    AttendF32 *attend_tile;
    AttendF32 *attend;

    /*
     * The same in integers, over keys and values in packed blocks (see below). head_channels: 32 or 64.
     * pack_keys, pack_values: the first `frames` (1 to BLOCK) of k or v, laid out as above, into one block.
     * attend_tile_i8, attend_i8: the blocks of the head lie key_stride and value_stride bytes apart, multiples of 64.
     */
    void (*pack_keys)(const float *k, size_t stride, size_t frames, uint32_t head_channels, void *block);
    void (*pack_values)(const float *v, size_t stride, size_t frames, uint32_t head_channels, void *block);
    AttendI8 *attend_tile_i8;
    AttendI8 *attend_i8;
} Kernels;

#define LUT_SCRATCH 65536u /* bytes of lut.c's tables */
#define TBL_ROWS 512u      /* that tbl.c unpacks at a time */

/* Bytes of scratch that the gemm functions need for matrices of at most so many rows and channels: eight rows as
 * floats and four as codes (lanes.c), indices of TBL_ROWS rows and pairs of channels (tbl.c; dot.c needs less), or tables and three
 * kinds of sums for two tiles (lut.c). */
static inline size_t kernels_scratch(uint32_t rows, uint32_t channels) {
    size_t unpacked = (size_t)channels * (8 * sizeof(float) + 4 * sizeof(int8_t));
    size_t indices = (size_t)TBL_ROWS * (channels + 1) / 2;
    size_t looked_up = LUT_SCRATCH + (size_t)rows * 2 * TILE * (sizeof(int16_t) + sizeof(int32_t) + sizeof(float));

    indices = unpacked > indices ? unpacked : indices;
    return indices > looked_up ? indices : looked_up;
}

/*
 * Attention in integers (attention.c). Keys, queries and values are int8 codes of 7 bits, -63 to 63, and weights are
 * codes of 0 to 124, so that sums of some products fit into 16 bits: four neighbouring channels of a key, or four
 * neighbouring frames of a value, lie together.
 *
 * Keys of one head in BLOCK frames, key_block_bytes: codes [tile][channel / 4][TILE][4], floats centre[channel], scale.
 *   key = centre + code x scale; the centre of a channel is the middle between its least and its greatest number
 * Values of one head in BLOCK frames, value_block_bytes: codes [BLOCK / 4][channel][4], floats scale[channel].
 *   value = code x scale
 * Frames that are not there have codes of zero. A query's codes have a scale of their own: its largest number / 63.
 *
 * A score in steps of 1/32 octave, relative to what the block's centre gives, is a whole number of 16 bits:
 *   step[j] = round(32 log2(e) / sqrt(head_channels) x query scale x key scale x (query codes . key codes))
 * and a frame's weight, relative to the block's best, is 2^-((best - step) / 32) in whole 124ths:
 *   n = min(best - step, 255), weight = weight_mantissa[n % 32] / 2^(n / 32), rounded half up
 * Up to here, arithmetic is exact or rounded once, and the same in every set. The blocks' sums of weight x value, and
 * of weights, are added as floats, times e^(best / 32 ln 2 + query . centre / sqrt(head_channels)).
 */
#define BLOCK 64u
#define CODE_MAX 63 /* of keys, queries and values */

/* 124 x 2^(-i / 32), rounded. Of 124, four products with a value's code fit into 16 bits, and what is 255 steps below
 * the best rounds to zero. */
extern const uint8_t weight_mantissa[32];

static inline size_t blocks(size_t frames) {
    return (frames + BLOCK - 1) / BLOCK;
}

/* Frames in block number `block`: the last one may have fewer. */
static inline size_t block_frames(size_t frames, size_t block) {
    return frames - block * BLOCK < BLOCK ? frames - block * BLOCK : BLOCK;
}

static inline size_t key_at(uint32_t head_channels, size_t frame, uint32_t channel) {
    return frame / TILE * TILE * head_channels + channel / 4 * TILE * 4 + frame % TILE * 4 + channel % 4;
}

static inline size_t value_at(uint32_t head_channels, size_t frame, uint32_t channel) {
    return frame / 4 * 4 * head_channels + channel * 4 + frame % 4;
}

static inline size_t key_block_bytes(uint32_t head_channels) {
    return head_channels * BLOCK + (head_channels + 16) * sizeof(float);
}

static inline size_t value_block_bytes(uint32_t head_channels) {
    return head_channels * BLOCK + head_channels * sizeof(float);
}

static inline float *block_floats(void *block, uint32_t head_channels) {
    return (float *)((int8_t *)block + head_channels * BLOCK);
}

static inline const float *block_floats_of(const void *block, uint32_t head_channels) {
    return (const float *)((const int8_t *)block + head_channels * BLOCK);
}

/* The factor that makes codes of numbers up to `largest`; zero where they are too small to divide by. */
static inline float code_factor(float largest) {
    return largest >= 0x1p-100f ? CODE_MAX / largest : 0;
}

#define STEPS_PER_E 46.166241308446828f /* 32 log2(e): steps to a score of 1 */
#define MAX_FACTOR 8192.0f /* from a product of codes to steps, which stay below 2^31 until they are cut to 16 bits */

/* Codes of rows first .. first+3 of a matrix that is not MATRIX_F16: out[4][channels], zero for rows beyond the last
 * (the vocabulary is no multiple of 4). Shared by the sets. */
void matrix_codes4(const Matrix *w, uint32_t first, int8_t *out);

/* Asks for memory that is soon needed; it need not exist. */
static inline void prefetch(const void *p, size_t n) {
    for (size_t i = 0; i < n; i += 64)
        __builtin_prefetch((const char *)p + i);
}

/* Bits of a finite 16-bit float as a float. Exact, subnormals included; infinities and NaNs come out wrong. */
static inline float f16_to_f32(uint16_t h) {
    union {
        uint32_t u;
        float f;
    } v = {.u = (uint32_t)(h & 0x7fff) << 13};

    v.f *= 0x1p112f; /* rebias the exponent, which also normalises subnormals */
    v.u |= (uint32_t)(h & 0x8000) << 16;
    return v.f;
}

/* Fills *out with set `index` of those that this processor runs, from the reference (0) to the best; -ENOENT beyond. */
int kernels_init(Kernels *out, uint32_t index);

/* What a function is called in the variant that is being compiled: the build compiles some files once for each kind of
 * processor, with LANES_SUFFIX for all but the plainest. */
#ifdef LANES_SUFFIX
#define VARIANT__(name, suffix) name##_##suffix
#define VARIANT_(name, suffix) VARIANT__(name, suffix)
#define VARIANT(name) VARIANT_(name, LANES_SUFFIX)
#else
#define VARIANT(name) name
#endif

/* Whether there is a gemv_i16 for a matrix. */
static inline int kernels_have_i16(const Kernels *k, const Matrix *w) {
    return k->gemv_i16[w->format] && (w->format == MATRIX_I4 || w->group <= MAX_I16_GROUP);
}

/* The variant for a matrix: the one chosen for its format and shape, else the default. */
GemmI8 *kernels_gemm_i8(const Kernels *k, const Matrix *w);

/* Adds a choice; beyond MAX_CHOICES the default stays. */
void kernels_choose_gemm_i8(Kernels *k, Choice choice);

/* Adds a variant of gemm_i8, which also becomes the default. */
void kernels_add_gemm_i8(Kernels *k, MatrixFormat format, const char *name, GemmI8 *run);

/* The sets' parts; each fills all that it has. */
void kernels_init_ref(Kernels *k);
void kernels_init_ref_attention(Kernels *k); /* what kernels_init_ref calls */
void kernels_init_lanes(Kernels *k);      /* SIMD that every processor of the architecture has */
void kernels_init_lanes_avx2(Kernels *k);   /* x86 with AVX2, FMA, F16C and BMI2 */
void kernels_init_lanes_avx512(Kernels *k); /* x86 with AVX-512 F, BW, DQ and VL */
/* On top of them: what is better done in another way. */
void kernels_init_lut(Kernels *k);
void kernels_init_lut_avx2(Kernels *k);
void kernels_init_lut_avx512(Kernels *k);
void kernels_init_tbl(Kernels *k);
void kernels_init_tbl_avx2(Kernels *k);
void kernels_init_dot(Kernels *k);
void kernels_init_dot_avx2(Kernels *k);
void kernels_init_gemv(Kernels *k);
void kernels_init_gemv_avx2(Kernels *k);
void kernels_init_nibbles(Kernels *k);
void kernels_init_nibbles_avx2(Kernels *k);
void kernels_init_nibbles_vnni(Kernels *k); /* AVX2 with the products of bytes of AVX-512 VNNI and VL */
void kernels_init_attention(Kernels *k);
void kernels_init_attention_avx2(Kernels *k);
void kernels_init_attention_vnni(Kernels *k); /* likewise */

#endif
