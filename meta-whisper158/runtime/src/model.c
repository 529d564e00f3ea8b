/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A model: the sections of a blob, found by name, checked against the dimensions and against each other, and bound to
 * the fields under which the forward pass knows them. After model_from_blob no index in the file can lead astray.
 */
#include "model.h"

#include "error.h"
#include "mel.h"
#include "utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What binding needs at hand; `result` stays at the first failure, so callers need not look after every line. */
typedef struct Binder {
    const Blob *blob;
    const whisper158_model_info *info;
    whisper158_error *error;
    uint32_t used; /* sections that were asked for, but for optional ones */
    int result;
} Binder;

static const BlobSection *find(Binder *b, const char *name) {
    const BlobSection *s = blob_find(b->blob, name);

    if (b->result < 0)
        return NULL;
    if (!s)
        b->result = w158_fail(b->error, -EBADMSG, "the blob lacks the section %s; make it again", name);
    else
        b->used += !s->optional;
    return s;
}

static void wrong_shape(Binder *b, const BlobSection *s, const uint32_t *expected, uint32_t rank) {
    char want[64], have[64];
    size_t n = 0, m = 0;

    for (uint32_t i = 0; i < rank; i++)
        n += (size_t)snprintf(want + n, sizeof want - n, "%s%u", i ? " x " : "", expected[i]);
    for (uint32_t i = 0; i < s->rank; i++)
        m += (size_t)snprintf(have + m, sizeof have - m, "%s%u", i ? " x " : "", s->shape[i]);
    b->result = w158_fail(b->error, -EBADMSG, "section %s has the shape %s, but its model needs %s", s->name, have, want);
}

/* A section with values of a known type and shape; a zero in shape stands for any length. */
static const void *plain(Binder *b, BlobDtype dtype, uint32_t rank, const uint32_t *shape, const char *name) {
    const BlobSection *s = find(b, name);

    if (!s)
        return NULL;
    if (s->dtype != dtype) {
        b->result = w158_fail(b->error, -EBADMSG, "section %s has the type %s, but must have %s", name,
                              blob_dtype_name(s->dtype), blob_dtype_name(dtype));
        return NULL;
    }
    for (uint32_t i = 0; i < rank || i < s->rank; i++)
        if (s->rank != rank || (shape[i] != 0 && s->shape[i] != shape[i])) {
            wrong_shape(b, s, shape, rank);
            return NULL;
        }
    return s->data;
}

__attribute__((format(printf, 2, 3))) static const char *print_name(char name[64], const char *format, ...) {
    va_list args;

    va_start(args, format);
    (void)vsnprintf(name, 64, format, args);
    va_end(args);
    return name;
}

static const float *vector(Binder *b, uint32_t n, const char *prefix, const char *suffix) {
    char name[64];

    return plain(b, BLOB_F32, 1, &n, print_name(name, "%s%s", prefix, suffix));
}

static Norm bind_norm(Binder *b, const char *prefix) {
    uint32_t d = b->info->n_audio_state;

    return (Norm){.weight = vector(b, d, prefix, ".weight"), .bias = vector(b, d, prefix, ".bias")};
}

MatrixFormat model_matrix_format(BlobDtype dtype, BlobPacking packing) {
    switch (dtype) {
    case BLOB_F16:
        return MATRIX_F16;
    case BLOB_I8:
        return MATRIX_I8;
    case BLOB_I4:
    case BLOB_U4:
        return MATRIX_I4;
    case BLOB_T158:
        return packing == BLOB_T2 ? MATRIX_T2 : packing == BLOB_T4 ? MATRIX_T4 : MATRIX_T5;
    default:
        return MATRIX_FORMATS;
    }
}

static Matrix bind_matrix(Binder *b, uint32_t rows, uint32_t channels, const char *name) {
    const BlobSection *s = find(b, name), *scale, *zero;
    Matrix m = {.rows = rows, .channels = channels};
    char beside[64];

    if (!s)
        return m;
    if (s->rank != 2 || s->shape[0] != rows || s->shape[1] != channels) {
        wrong_shape(b, s, (const uint32_t[]){rows, channels}, 2);
        return m;
    }
    m.codes = s->data;
    m.group = s->group ? s->group : channels;
    m.format = model_matrix_format(s->dtype, s->packing);
    if (m.format == MATRIX_FORMATS)
        b->result = w158_fail(b->error, -EBADMSG, "section %s has the type %s, but weights are f16, i8, i4, u4 or t158", name,
                              blob_dtype_name(s->dtype));
    if (m.format == MATRIX_F16 || m.format == MATRIX_FORMATS)
        return m;
    scale = find(b, print_name(beside, "%s.scale", name)); /* its shape is the container's matter */
    m.scale = scale ? scale->data : NULL;
    if (s->dtype == BLOB_U4) {
        zero = find(b, print_name(beside, "%s.zero", name));
        m.zero = zero ? zero->data : NULL;
    }
    return m;
}

static Linear bind_linear(Binder *b, uint32_t rows, uint32_t channels, const char *prefix, bool bias) {
    char name[64];
    Linear l = {.weight = bind_matrix(b, rows, channels, print_name(name, "%s.weight", prefix))};

    if (bias)
        l.bias = vector(b, rows, prefix, ".bias");
    return l;
}

/* A convolution of three taps is a matrix over gathered frames: channels = taps x inputs, taps first. */
static Linear bind_conv(Binder *b, uint32_t inputs, const char *prefix) {
    uint32_t d = b->info->n_audio_state, shape[3] = {d, 3, inputs};
    char name[64];

    return (Linear){
        .weight = {.format = MATRIX_F16,
                   .rows = d,
                   .channels = 3 * inputs,
                   .group = 3 * inputs,
                   .codes = plain(b, BLOB_F16, 3, shape, print_name(name, "%s.weight", prefix))},
        .bias = vector(b, d, prefix, ".bias"),
    };
}

static Attention bind_attention(Binder *b, const char *block, const char *what) {
    uint32_t d = b->info->n_audio_state;
    char name[64];

    return (Attention){
        .norm = bind_norm(b, print_name(name, "%s.%s_ln", block, what)),
        .query = bind_linear(b, d, d, print_name(name, "%s.%s.query", block, what), true),
        .key = bind_linear(b, d, d, print_name(name, "%s.%s.key", block, what), false),
        .value = bind_linear(b, d, d, print_name(name, "%s.%s.value", block, what), true),
        .out = bind_linear(b, d, d, print_name(name, "%s.%s.out", block, what), true),
    };
}

static Mlp bind_mlp(Binder *b, const char *block) {
    uint32_t d = b->info->n_audio_state;
    char name[64];

    return (Mlp){
        .norm = bind_norm(b, print_name(name, "%s.mlp_ln", block)),
        .up = bind_linear(b, 4 * d, d, print_name(name, "%s.mlp.0", block), true),
        .down = bind_linear(b, d, 4 * d, print_name(name, "%s.mlp.2", block), true),
    };
}

static void bind_encoder(Binder *b, whisper158_model *m) {
    uint32_t positions[2] = {m->info.n_audio_ctx, m->info.n_audio_state};
    char block[64];

    m->conv1 = bind_conv(b, m->info.n_mels, "encoder.conv1");
    m->conv2 = bind_conv(b, m->info.n_audio_state, "encoder.conv2");
    m->encoder_positions = plain(b, BLOB_F16, 2, positions, "encoder.positional_embedding");
    for (uint32_t i = 0; i < m->info.n_audio_layer; i++) {
        print_name(block, "encoder.blocks.%u", i);
        m->encoder[i] = (EncoderBlock){.attn = bind_attention(b, block, "attn"), .mlp = bind_mlp(b, block)};
    }
    m->encoder_norm = bind_norm(b, "encoder.ln_post");
}

static void bind_decoder(Binder *b, whisper158_model *m) {
    uint32_t positions[2] = {m->info.n_text_ctx, m->info.n_text_state};
    char block[64];

    m->embedding = bind_matrix(b, m->info.n_vocab, m->info.n_text_state, "decoder.token_embedding.weight");
    if (b->result >= 0 && m->embedding.format > MATRIX_I4)
        b->result = w158_fail(b->error, -EBADMSG, "section decoder.token_embedding.weight is ternary, but must be f16, i8, i4 or u4");
    m->decoder_positions = plain(b, BLOB_F16, 2, positions, "decoder.positional_embedding");
    for (uint32_t i = 0; i < m->info.n_text_layer; i++) {
        print_name(block, "decoder.blocks.%u", i);
        m->decoder[i] = (DecoderBlock){.attn = bind_attention(b, block, "attn"),
                                       .cross = bind_attention(b, block, "cross_attn"),
                                       .mlp = bind_mlp(b, block)};
    }
    m->decoder_norm = bind_norm(b, "decoder.ln");
}

/* All of it or nothing. */
static void bind_vad(Binder *b, VadWeights *vad) {
    const uint32_t matrix[2] = {VAD_STATE, 4 * VAD_STATE};
    char name[64];
    bool any = false;

    for (uint32_t i = 0; i < b->blob->n_sections; i++)
        any = any || strncmp(b->blob->sections[i].name, "vad.", 4) == 0;
    if (!any)
        return;
    for (uint32_t i = 0; i < VAD_CONVS; i++) {
        const uint32_t shape[3] = {VAD_TAPS, vad_convs[i].inputs, vad_convs[i].outputs};

        vad->conv[i].weight = plain(b, BLOB_F32, 3, shape, print_name(name, "vad.conv%u.weight", i + 1));
        vad->conv[i].bias = vector(b, shape[2], print_name(name, "vad.conv%u", i + 1), ".bias");
    }
    vad->lstm_input = plain(b, BLOB_F32, 2, matrix, "vad.lstm.input.weight");
    vad->lstm_hidden = plain(b, BLOB_F32, 2, matrix, "vad.lstm.hidden.weight");
    vad->lstm_bias = vector(b, 4 * VAD_STATE, "vad.lstm", ".bias");
    vad->out_weight = vector(b, VAD_STATE, "vad.out", ".weight");
    vad->out_bias = vector(b, 1, "vad.out", ".bias");
}

/* ------------------------------------------------------------------------------------- dimensions and vocabulary */

static bool in_range(Binder *b, const char *field, uint32_t value, uint32_t low, uint32_t high) {
    if (b->result >= 0 && (value < low || value > high))
        b->result = w158_fail(b->error, -EBADMSG, "section config: %s is %u, but must be %u to %u", field, value, low, high);
    return b->result >= 0;
}

static void bind_config(Binder *b, whisper158_model_info *info) {
    const uint32_t n = 12, *c = plain(b, BLOB_U32, 1, &n, "config");

    if (!c)
        return;
    *info = (whisper158_model_info){
        .n_mels = c[0],
        .n_audio_ctx = c[1],
        .n_audio_state = c[2],
        .n_audio_head = c[3],
        .n_audio_layer = c[4],
        .n_vocab = c[5],
        .n_text_ctx = c[6],
        .n_text_state = c[7],
        .n_text_head = c[8],
        .n_text_layer = c[9],
        .min_audio_ctx = c[10],
        .activation_bits = c[11],
        .n_sections = b->blob->n_sections,
        .file_size = b->blob->size,
    };
    if (!in_range(b, "n_audio_ctx", info->n_audio_ctx, 4, 1500) || !in_range(b, "n_text_ctx", info->n_text_ctx, 4, MAX_TEXT_CTX) ||
        !in_range(b, "n_audio_state", info->n_audio_state, 32, 2048) ||
        !in_range(b, "n_text_state", info->n_text_state, info->n_audio_state, info->n_audio_state) ||
        !in_range(b, "n_audio_head", info->n_audio_head, 1, 64) || !in_range(b, "n_text_head", info->n_text_head, 1, 64) ||
        !in_range(b, "n_audio_layer", info->n_audio_layer, 1, 64) || !in_range(b, "n_text_layer", info->n_text_layer, 1, 64) ||
        !in_range(b, "n_vocab", info->n_vocab, 1, 65536) ||
        !in_range(b, "min_audio_ctx", info->min_audio_ctx, 1, info->n_audio_ctx))
        return;
    if (info->n_mels != 80 && info->n_mels != 128)
        b->result = w158_fail(b->error, -EBADMSG, "section config: n_mels is %u, but must be 80 or 128", info->n_mels);
    else if (info->activation_bits != 8 && info->activation_bits != 32)
        b->result = w158_fail(b->error, -EBADMSG, "section config: activation_bits is %u, but must be 8 or 32",
                              info->activation_bits);
    else if (info->n_audio_state % 32 != 0)
        b->result = w158_fail(b->error, -EBADMSG, "section config: n_audio_state is %u, but must be a multiple of 32",
                              info->n_audio_state);
    else if ((info->n_audio_head * 64 != info->n_audio_state && info->n_audio_head * 32 != info->n_audio_state) ||
             (info->n_text_head * 64 != info->n_text_state && info->n_text_head * 32 != info->n_text_state))
        b->result = w158_fail(b->error, -EBADMSG,
                              "section config: %u and %u heads do not divide %u channels into heads of 64 or 32",
                              info->n_audio_head, info->n_text_head, info->n_audio_state);
}

static void bind_decoding(Binder *b, whisper158_model *m) {
    const uint32_t n = 16, any = 0;
    const Decoding *d = plain(b, BLOB_U32, 1, &n, "decoding");
    const BlobSection *s;

    m->decoding = d;
    m->suppress = plain(b, BLOB_U32, 1, &any, "decoding.suppress");
    s = blob_find(b->blob, "decoding.suppress");
    if (b->result < 0)
        return;
    m->n_suppress = s->shape[0];
    m->info.n_languages = d->n_languages;
    for (uint32_t i = 0; i < m->n_suppress; i++)
        if (m->suppress[i] >= m->info.n_vocab)
            b->result = w158_fail(b->error, -EBADMSG, "section decoding.suppress names token %u, but there are only %u",
                                  m->suppress[i], m->info.n_vocab);
    for (uint32_t i = 0; i < 9; i++) /* eot .. timestamp_begin */
        if (((const uint32_t *)d)[i] >= m->info.n_vocab)
            b->result = w158_fail(b->error, -EBADMSG, "section decoding names token %u, but there are only %u",
                                  ((const uint32_t *)d)[i], m->info.n_vocab);
    if (b->result < 0)
        return;
    if (d->space >= m->info.n_vocab || (uint64_t)d->first_language + d->n_languages > m->info.n_vocab ||
        (uint64_t)d->timestamp_begin + 1500 >= m->info.n_vocab || d->eot >= d->timestamp_begin || d->sample_length == 0 ||
        d->sample_length > m->info.n_text_ctx || d->max_initial_timestamp > 1500 || d->reserved[0] || d->reserved[1])
        b->result = w158_fail(b->error, -EBADMSG, "section decoding: token ids or limits do not fit the vocabulary of %u",
                              m->info.n_vocab);
}

static void bind_languages(Binder *b, whisper158_model *m) {
    const uint32_t any = 0, expected = m->info.n_languages ? m->info.n_languages : 1;
    const char *text = plain(b, BLOB_U8, 1, &any, "decoding.languages");
    size_t size;
    char *copy;

    if (!text)
        return;
    size = blob_find(b->blob, "decoding.languages")->size;
    m->n_codes = 1;
    for (size_t i = 0; i < size; i++)
        m->n_codes += text[i] == ',';
    if (m->n_codes != expected) {
        b->result = w158_fail(b->error, -EBADMSG, "section decoding.languages has %u codes, but needs %u", m->n_codes, expected);
        return;
    }
    m->languages = calloc(1, m->n_codes * sizeof *m->languages + size + 1);
    if (!m->languages) {
        b->result = w158_fail(b->error, -ENOMEM, "no memory for the language codes");
        return;
    }
    copy = (char *)(m->languages + m->n_codes);
    for (size_t i = 0; i < size; i++) {
        copy[i] = text[i] == ',' ? '\0' : text[i];
        if (text[i] != ',' && (text[i] < 'a' || text[i] > 'z'))
            b->result = w158_fail(b->error, -EBADMSG, "section decoding.languages has other characters than a to z and commas");
    }
    for (uint32_t i = 0; i < m->n_codes; i++, copy += strlen(copy) + 1)
        m->languages[i] = copy;
}

static void bind_vocabulary(Binder *b, whisper158_model *m) {
    const uint32_t any = 0;
    const BlobSection *offsets, *bytes;

    m->vocab_offsets = plain(b, BLOB_U32, 1, &any, "vocab.offsets");
    m->vocab_bytes = plain(b, BLOB_U8, 1, &any, "vocab.bytes");
    if (b->result < 0)
        return;
    offsets = blob_find(b->blob, "vocab.offsets");
    bytes = blob_find(b->blob, "vocab.bytes");
    m->n_words = offsets->shape[0] - 1;
    if (m->n_words > m->info.n_vocab || m->vocab_offsets[0] != 0 || m->vocab_offsets[m->n_words] != bytes->size)
        b->result = w158_fail(b->error, -EBADMSG, "section vocab.offsets does not fit vocab.bytes or config");
    for (uint32_t i = 0; i < m->n_words && b->result >= 0; i++)
        if (m->vocab_offsets[i] > m->vocab_offsets[i + 1])
            b->result = w158_fail(b->error, -EBADMSG, "section vocab.offsets falls at token %u", i);
}

/* People read it on terminals. */
static void bind_provenance(Binder *b, whisper158_model *m) {
    const uint32_t any = 0;

    m->provenance = plain(b, BLOB_U8, 1, &any, "provenance");
    if (!m->provenance)
        return;
    m->provenance_size = blob_find(b->blob, "provenance")->size;
    for (size_t i = 0; i < m->provenance_size;) {
        bool printable;

        i += utf8_character((const unsigned char *)m->provenance + i, m->provenance_size - i, &printable);
        if (!printable) {
            b->result = w158_fail(b->error, -EBADMSG, "section provenance holds something else than printable UTF-8");
            return;
        }
    }
}

/* A section that nobody asked for has a meaning that this program does not know, unless it says that it may be ignored. */
static void refuse_unknown(Binder *b) {
    static const char *const roots[] = {"config", "decoding", "vocab.", "mel.", "provenance", "encoder.", "decoder.", "vad."};
    uint32_t required = 0;

    for (uint32_t i = 0; i < b->blob->n_sections; i++)
        required += !b->blob->sections[i].optional;
    if (b->result < 0 || required <= b->used)
        return;
    for (uint32_t i = 0; i < b->blob->n_sections; i++) {
        const BlobSection *s = &b->blob->sections[i];
        bool known = false;

        for (size_t j = 0; j < sizeof roots / sizeof *roots; j++)
            known = known || strncmp(s->name, roots[j], strlen(roots[j])) == 0;
        if (!known && !s->optional) {
            b->result = w158_fail(b->error, -ENOTSUP, "this program does not know the section %s; update whisper158", s->name);
            return;
        }
    }
    b->result = w158_fail(b->error, -ENOTSUP, "the blob has %u sections more than its dimensions call for; update whisper158",
                          required - b->used);
}

int model_from_blob(whisper158_model **out, Blob *blob, whisper158_error *error) {
    whisper158_model *m = calloc(1, sizeof *m);
    Binder b = {.blob = blob, .error = error};

    if (!m)
        return w158_fail(error, -ENOMEM, "no memory for the model");
    b.info = &m->info;
    bind_config(&b, &m->info);
    if (b.result >= 0) {
        m->encoder = calloc(m->info.n_audio_layer, sizeof *m->encoder);
        m->decoder = calloc(m->info.n_text_layer, sizeof *m->decoder);
        if (!m->encoder || !m->decoder)
            b.result = w158_fail(error, -ENOMEM, "no memory for the model");
    }
    if (b.result >= 0) {
        bind_decoding(&b, m);
        bind_languages(&b, m);
        bind_vocabulary(&b, m);
        m->mel_filters = plain(&b, BLOB_F32, 2, (const uint32_t[]){m->info.n_mels, MEL_BINS}, "mel.filters");
        bind_provenance(&b, m);
        bind_encoder(&b, m);
        bind_decoder(&b, m);
        bind_vad(&b, &m->vad);
        refuse_unknown(&b);
    }
    if (b.result < 0) {
        whisper158_model_close(m);
        return b.result;
    }
    m->blob = *blob;
    *blob = (Blob){0};
    *out = m;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- pages */

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

const ModelPart *model_part_of(const BlobSection *section) {
    static const ModelPart encoder = {"encoder", WHISPER158_PHASE_STEM, WHISPER158_PHASE_BLOCKS};
    static const ModelPart cross = {"keys and values of the audio", WHISPER158_PHASE_CROSS, WHISPER158_PHASE_CROSS};
    static const ModelPart embedding = {"embedding, head", WHISPER158_PHASE_TEXT, WHISPER158_PHASE_TEXT};
    static const ModelPart decoder = {"decoder", WHISPER158_PHASE_TEXT, WHISPER158_PHASE_TEXT};
    /* Needed in no phase: whoever has a detector reads it besides, and gets given-up pages back from the cache of files. */
    static const ModelPart vad = {"detector of speech", WHISPER158_PHASE_TEXT, WHISPER158_PHASE_MEL};
    static const ModelPart rest = {"vocabulary, filters, other", WHISPER158_PHASE_MEL, WHISPER158_PHASE_TEXT};

    if (starts_with(section->name, "encoder."))
        return &encoder;
    if (starts_with(section->name, "vad."))
        return &vad;
    if (strstr(section->name, ".cross_attn.key.") || strstr(section->name, ".cross_attn.value."))
        return &cross;
    if (starts_with(section->name, "decoder.token_embedding."))
        return &embedding;
    return starts_with(section->name, "decoder.") ? &decoder : &rest;
}

/* Neighbours go together, for they share pages. */
void model_release(const whisper158_model *model, whisper158_phase phase) {
    const Blob *blob = &model->blob;
    uint64_t begin = 0, end = 0;

    for (uint32_t i = 0; i < blob->n_sections; i++) {
        const BlobSection *section = &blob->sections[i];
        const ModelPart *part = model_part_of(section);

        if (part->first <= phase && phase <= part->last) {
            (void)blob_release(blob, begin, end);
            begin = end = section->offset + section->size;
        } else {
            end = section->offset + section->size;
        }
    }
    (void)blob_release(blob, begin, end);
}

/* ----------------------------------------------------------------------------------------------------- public */

int whisper158_model_open(whisper158_model **out, const char *path, whisper158_error *error) {
    whisper158_error why = {{0}};
    Blob blob;
    int r;

    if (!out || !path)
        return w158_fail(error, -EINVAL, "whisper158_model_open needs a path and a place for the model");
    r = blob_open(&blob, path, error);
    if (r < 0)
        return r;
    r = model_from_blob(out, &blob, &why);
    if (r < 0) {
        blob_close(&blob);
        return w158_fail(error, r, "%s: %s", path, why.text);
    }
    return 0;
}

whisper158_model *whisper158_model_close(whisper158_model *model) {
    if (!model)
        return NULL;
    blob_close(&model->blob);
    free(model->languages);
    free(model->encoder);
    free(model->decoder);
    free(model);
    return NULL;
}

void whisper158_model_get_info(const whisper158_model *model, whisper158_model_info *out) {
    *out = model->info;
}

int whisper158_model_get_section(const whisper158_model *model, uint32_t index, whisper158_section *out) {
    const BlobSection *s;

    if (index >= model->blob.n_sections)
        return -EINVAL;
    s = &model->blob.sections[index];
    *out = (whisper158_section){
        .name = s->name,
        .dtype = blob_dtype_name(s->dtype),
        .packing = blob_packing_name(s->packing),
        .rank = s->rank,
        .group = s->group,
        .offset = s->offset,
        .size = s->size,
    };
    memcpy(out->shape, s->shape, sizeof out->shape);
    return 0;
}

int whisper158_model_get_provenance(const whisper158_model *model, const char *key, const char **value) {
    const char *line = model->provenance, *end = model->provenance + model->provenance_size;
    size_t length = strlen(key);

    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *next = newline ? newline : end;

        if ((size_t)(next - line) > length && memcmp(line, key, length) == 0 && line[length] == '=') {
            *value = line + length + 1;
            return (int)(next - *value);
        }
        line = next + 1;
    }
    return -ENOENT;
}

size_t whisper158_model_get_provenance_text(const whisper158_model *model, const char **text) {
    *text = model->provenance;
    return model->provenance_size;
}

const char *whisper158_model_get_language(const whisper158_model *model, uint32_t index) {
    return index < model->n_codes ? model->languages[index] : NULL;
}

int whisper158_model_get_token(const whisper158_model *model, uint32_t id, const char **bytes) {
    if (id >= model->info.n_vocab)
        return -EINVAL;
    if (id >= model->n_words)
        return 0;
    *bytes = model->vocab_bytes + model->vocab_offsets[id];
    return (int)(model->vocab_offsets[id + 1] - model->vocab_offsets[id]);
}
