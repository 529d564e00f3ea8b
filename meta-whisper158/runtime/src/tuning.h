/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_TUNING_H
#define W158_TUNING_H

#include "kernels/kernels.h"
#include "machine.h"
#include "model.h"

#define MAX_LAYERS 64u                        /* kinds of them; those of a blob that has more are left as they are */
#define MAX_CANDIDATES (3u * MAX_VARIANTS)    /* three packings of ternary weights */
#define MAX_COUNTS 16u                        /* numbers of threads that are tried */
#define TUNING_TEXT (UINT32_C(1) << 18)       /* bytes of text at most */
#define TOKENS_OF_WINDOW 100u                 /* what is spoken in 30 s, for the share of decoding in the whole cost */

/* Frames at a time, or one token at a time. */
typedef enum Operation { OPERATION_GEMM, OPERATION_GEMV } Operation;

/* One way to multiply by a matrix. */
typedef struct Candidate {
    MatrixFormat format; /* that the matrix must have for it */
    const char *variant; /* static storage */
    GemmI8 *gemm;        /* of OPERATION_GEMM */
    uint64_t rate;       /* thousand multiply-accumulates in a second of one processor; 0: not measured */
    uint32_t runs;       /* how often it was measured */
} Candidate;

/* All matrices of one shape that are used in one way. */
typedef struct TunedLayer {
    Operation operation;
    uint32_t rows, channels, group;
    uint32_t matrices;   /* how many there are */
    MatrixFormat format; /* that most of them have in the model that was measured */
    uint32_t n_candidates;
    Candidate candidates[MAX_CANDIDATES];
} TunedLayer;

typedef struct ThreadCount {
    uint32_t threads;
    uint32_t runs;
    uint64_t microseconds; /* wall, of one run */
} ThreadCount;

typedef struct ThreadCounts {
    uint32_t n;
    ThreadCount at[MAX_COUNTS];
} ThreadCounts;

struct whisper158_tuning {
    Machine machine;
    uint64_t model;  /* whisper158_model_get_id */
    uint32_t frames; /* of a full window */
    Kernels kernels; /* the set that was measured */
    uint32_t n_layers;
    TunedLayer layers[MAX_LAYERS];
    ThreadCounts encode, decode;
};

/* The kinds of layers of a model and all candidates of this processor's best kernels for them, with nothing measured.
 * */
void tuning_init(whisper158_tuning *tuning, const whisper158_model *model, const Machine *machine);

/* The kind that a section of the tuning's model belongs to; NULL where there is nothing to choose. */
const TunedLayer *tuning_layer_of(const whisper158_tuning *tuning, const BlobSection *section);

/* Whether a candidate is what runs in `kernels` without a tuning, given a matrix in its format. */
bool tuning_is_default(const Candidate *candidate, const Kernels *kernels);

/* The fastest candidate of one format, or of all (MATRIX_FORMATS). One that is faster than the default by less than the
 * clock can be trusted does not take its place. */
const Candidate *tuning_fastest(const TunedLayer *layer, const Kernels *kernels, MatrixFormat format);

/* The number of threads that were fastest; `fallback` where nearly as fast, or nothing was measured. */
uint32_t tuning_threads(const ThreadCounts *counts, uint32_t fallback);

/* Whether it was measured with this set of kernels. */
bool tuning_fits(const whisper158_tuning *tuning, const Kernels *kernels);

/* Seconds of one processor that a layer takes of a full window, in the format that most of its matrices have. */
double tuning_cost(const whisper158_tuning *tuning, const TunedLayer *layer);

/* Makes a set of kernels take what was fastest in it. */
void tuning_apply(const whisper158_tuning *tuning, Kernels *kernels);

/* whisper158_tuning_read on a machine that is not asked, for tests. */
int tuning_read(whisper158_tuning **out, const whisper158_model *model, const Machine *machine, const char *text,
                size_t size, whisper158_error *error);

#endif
