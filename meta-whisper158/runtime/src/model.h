/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_MODEL_H
#define W158_MODEL_H

#include "blob.h"
#include "kernels/kernels.h"
#include "vad_weights.h"
#include "whisper158.h"

#define MAX_TEXT_CTX 448u /* n_text_ctx at most */

/* Every pointer leads into the blob's mapping. d is n_audio_state or n_text_state, which are equal. */

typedef struct Linear {
    Matrix weight;     /* [rows][channels] */
    const float *bias; /* [rows]; NULL where Whisper has none (keys) */
} Linear;

typedef struct Norm {
    const float *weight, *bias; /* [d] */
} Norm;

typedef struct Attention {
    Norm norm; /* of what goes in: attn_ln, cross_attn_ln */
    Linear query, key, value, out;
} Attention;

typedef struct Mlp {
    Norm norm;
    Linear up, down; /* mlp.0 [4d][d], mlp.2 [d][4d] */
} Mlp;

typedef struct EncoderBlock {
    Attention attn;
    Mlp mlp;
} EncoderBlock;

typedef struct DecoderBlock {
    Attention attn, cross;
    Mlp mlp;
} DecoderBlock;

/* The blob's section "decoding": token ids and limits (docs/blob-format.md). */
typedef struct Decoding {
    uint32_t eot, sot, translate, transcribe, sot_lm, sot_prev, no_speech, no_timestamps, timestamp_begin;
    uint32_t first_language, n_languages;
    uint32_t max_initial_timestamp; /* in steps of 20 ms */
    uint32_t sample_length;         /* tokens sampled in one window at most */
    uint32_t space;
    uint32_t reserved[2];
} Decoding;

struct whisper158_model {
    Blob blob;
    whisper158_model_info info;

    const Decoding *decoding;
    const uint32_t *suppress;
    uint32_t n_suppress;
    char **languages; /* [n_languages, or 1], owned, in one allocation with their text */
    uint32_t n_codes; /* of languages */

    const uint32_t *vocab_offsets; /* [n_words + 1] */
    const char *vocab_bytes;
    uint32_t n_words;

    const float *mel_filters; /* [n_mels][MEL_BINS] */
    const char *provenance;
    size_t provenance_size;

    Linear conv1, conv2;                /* channels: tap-major, [3 x n_mels] and [3 x d] */
    const uint16_t *encoder_positions;  /* f16 [n_audio_ctx][d] */
    EncoderBlock *encoder;              /* [n_audio_layer], owned */
    Norm encoder_norm;                  /* ln_post */

    Matrix embedding;                  /* [n_vocab][d], also the head */
    const uint16_t *decoder_positions; /* f16 [n_text_ctx][d] */
    DecoderBlock *decoder;             /* [n_text_layer], owned */
    Norm decoder_norm;

    VadWeights vad;
};

/* Of a section of weights; MATRIX_FORMATS for a dtype that weights cannot have. */
MatrixFormat model_matrix_format(BlobDtype dtype, BlobPacking packing);

/* Sections that are needed in the same phases; in none where first is behind last. */
typedef struct ModelPart {
    const char *name; /* static storage */
    whisper158_phase first, last;
} ModelPart;

const ModelPart *model_part_of(const BlobSection *section);

/* Gives up the pages of all sections that a phase does not need. Others may be reading them: they come back. */
void model_release(const whisper158_model *model, whisper158_phase phase);

/* Whether attention to the audio is in integers (docs/blob-format.md, "What the arithmetic is"). */
static inline bool model_attends_in_integers(const whisper158_model *model) {
    return model->info.activation_bits == 8;
}

/* The checks of model.c on a blob that is open already; takes the blob over on success. Split off for the fuzzer. */
int model_from_blob(whisper158_model **out, Blob *blob, whisper158_error *error);

#endif
