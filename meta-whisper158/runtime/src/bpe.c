/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Text to tokens. It is done once for a transcription and for a text that is short, so the vocabulary's index is made anew
 * each time rather than kept: it takes less time than a token.
 */
#include "bpe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "error.h"

#define NONE UINT32_MAX

/* ------------------------------------------------------------------------------------------------- the vocabulary */

/* Open addressing: a token's number and 1 where it is, 0 where there is none. */
typedef struct Index {
    const whisper158_model *model;
    uint32_t *slots;
    size_t mask;
    size_t longest; /* token, in bytes */
} Index;

/* The slot of these bytes, or the one that they would get. */
static uint32_t *find_slot(const Index *x, const char *bytes, size_t length) {
    size_t at = (size_t)XXH64(bytes, length, 0) & x->mask;

    for (; x->slots[at]; at = (at + 1) & x->mask) {
        const char *word;
        const int n = whisper158_model_get_token(x->model, x->slots[at] - 1, &word);

        if (n >= 0 && (size_t)n == length && memcmp(word, bytes, length) == 0)
            break;
    }
    return &x->slots[at];
}

static int index_new(Index *x, const whisper158_model *model) {
    size_t size = 2;

    while (size < 2 * (size_t)model->n_words)
        size *= 2;
    *x = (Index){.model = model, .slots = calloc(size, sizeof *x->slots), .mask = size - 1};
    if (!x->slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < model->n_words; i++) {
        const char *word;
        const int n = whisper158_model_get_token(model, i, &word);
        uint32_t *const slot = n > 0 ? find_slot(x, word, (size_t)n) : NULL;

        if (!slot || *slot)
            continue;
        *slot = i + 1;
        if ((size_t)n > x->longest)
            x->longest = (size_t)n;
    }
    return 0;
}

/* NONE: no token is spelt so. */
static uint32_t find_token(const Index *x, const char *bytes, size_t length) {
    return length <= x->longest ? *find_slot(x, bytes, length) - 1 : NONE;
}

/* ------------------------------------------------------------------------------------------------------------ words */

typedef enum Kind { LETTER, DIGIT, SPACE, SIGN } Kind;

static Kind kind(char c) {
    const unsigned char u = (unsigned char)c;

    if (u >= 0x80 || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z'))
        return LETTER;
    if (u >= '0' && u <= '9')
        return DIGIT;
    return u == ' ' || (u >= '\t' && u <= '\r') ? SPACE : SIGN;
}

static size_t run(const char *text, size_t length) {
    size_t n = 1;

    while (n < length && kind(text[n]) == kind(text[0]))
        n++;
    return n;
}

/* Bytes of the word that a text begins with, after GPT-2's
 * 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t next_word(const char *text, size_t length) {
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    const size_t blank = *text == ' ';

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t n = strlen(endings[i]);

        if (n <= length && memcmp(text, endings[i], n) == 0)
            return n;
    }
    if (kind(*text) != SPACE)
        return run(text, length);
    if (blank && length > 1 && kind(text[1]) != SPACE)
        return 1 + run(text + 1, length - 1);
    /* The last of several belongs to what follows. */
    return run(text, length) < length && run(text, length) > 1 ? run(text, length) - 1 : run(text, length);
}

/* ------------------------------------------------------------------------------------------------------------ joins */

/* Pieces of a word, where they begin: at[n] is its end. join[i]: the token of pieces i and i + 1 together. */
typedef struct Pieces {
    uint32_t *at, *join;
    size_t n;
} Pieces;

static uint32_t find_join(const Index *x, const Pieces *p, const char *word, size_t i) {
    return i + 1 < p->n ? find_token(x, word + p->at[i], p->at[i + 2] - p->at[i]) : NONE;
}

static void join_pieces(const Index *x, Pieces *p, const char *word, size_t length) {
    p->n = length;
    for (size_t i = 0; i <= length; i++)
        p->at[i] = (uint32_t)i;
    for (size_t i = 0; i < length; i++)
        p->join[i] = find_join(x, p, word, i);
    for (;;) {
        size_t first = 0;

        for (size_t i = 1; i < p->n; i++)
            if (p->join[i] < p->join[first])
                first = i;
        if (p->n == 0 || p->join[first] == NONE)
            return;
        memmove(p->at + first + 1, p->at + first + 2, (p->n - first - 1) * sizeof *p->at);
        memmove(p->join + first, p->join + first + 1, (p->n - first - 1) * sizeof *p->join);
        p->n--;
        p->join[first] = find_join(x, p, word, first);
        if (first > 0)
            p->join[first - 1] = find_join(x, p, word, first - 1);
    }
}

static int encode_word(const Index *x, Pieces *p, const char *word, size_t length, uint32_t *tokens, size_t *n,
                       whisper158_error *error) {
    join_pieces(x, p, word, length);
    for (size_t i = 0; i < p->n; i++) {
        const uint32_t token = find_token(x, word + p->at[i], p->at[i + 1] - p->at[i]);

        if (token == NONE)
            return w158_fail(error, -EINVAL, "the model has no token for the byte %02x", (unsigned char)word[p->at[i]]);
        tokens[(*n)++] = token;
    }
    return 0;
}

int bpe_encode(const whisper158_model *model, const char *text, size_t length, uint32_t *tokens, size_t *n,
               whisper158_error *error) {
    Pieces pieces = {.at = malloc((length + 1) * sizeof *pieces.at), .join = malloc((length + 1) * sizeof *pieces.join)};
    Index x = {0};
    int r = pieces.at && pieces.join ? index_new(&x, model) : -ENOMEM;

    *n = 0;
    if (r == -ENOMEM)
        (void)w158_fail(error, r, "no memory for the tokens of a text of %zu bytes", length);
    for (size_t at = 0, size; r >= 0 && at < length; at += size) {
        size = next_word(text + at, length - at);
        r = encode_word(&x, &pieces, text + at, size, tokens, n, error);
    }
    free(x.slots);
    free(pieces.at);
    free(pieces.join);
    return r;
}
