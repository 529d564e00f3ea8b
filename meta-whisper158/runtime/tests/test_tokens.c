/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Tokens of text, by a vocabulary that fits a page, and text of tokens: what is UTF-8 stays, what is not, or would command a terminal, becomes U+FFFD, and characters may be
 * split between tokens. Python's decode(errors="replace") is the model.
 */
#undef NDEBUG
#include "tokens.h"

#include "bpe.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAD "\xEF\xBF\xBD"

/* A vocabulary of all single bytes: token i is byte i. */
static uint32_t offsets[257];
static char bytes[256];
static whisper158_model model = {.vocab_offsets = offsets, .vocab_bytes = bytes, .n_words = 256};

static void expect_n(const char *input, size_t n, const char *wanted) {
    uint32_t tokens[64];
    char *text;

    assert(n <= 64);
    for (size_t i = 0; i < n; i++)
        tokens[i] = (unsigned char)input[i];
    text = tokens_text(&model, tokens, n);
    if (strcmp(text, wanted) != 0) {
        fprintf(stderr, "'%s' instead of '%s'\n", text, wanted);
        assert(!"wrong text");
    }
    free(text);
}

/* The tokens of a text. */
static void expect_tokens(const char *text, const uint32_t *wanted, size_t n_wanted) {
    uint32_t tokens[64];
    whisper158_error error;
    size_t n;

    assert(bpe_encode(&model, text, strlen(text), tokens, &n, &error) == 0);
    assert(n == n_wanted && memcmp(tokens, wanted, n * sizeof *tokens) == 0);
}

#define TOKENS(TEXT, ...)                                                                                              \
    expect_tokens(TEXT, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* The lower of two tokens is joined first, and nothing across the edge of a word. Some bytes have no token. */
static void check_encoding(void) {
    static const char *const words[] = {"l", "o", "w", "e", "r", " ", "'", "s", "1", "lo", "er", "low", " low", "ow", "w'", "s1", "  "};
    enum { WORDS = sizeof words / sizeof *words };
    const whisper158_model saved = model;
    static uint32_t starts[WORDS + 1];
    static char text[64];
    uint32_t tokens[8];
    whisper158_error error;
    size_t n;

    for (size_t i = 0; i < WORDS; i++) {
        memcpy(text + starts[i], words[i], strlen(words[i]));
        starts[i + 1] = starts[i] + (uint32_t)strlen(words[i]);
    }
    model.vocab_offsets = starts;
    model.vocab_bytes = text;
    model.n_words = WORDS;
    assert(bpe_encode(&model, "", 0, tokens, &n, &error) == 0 && n == 0);
    TOKENS("lower", 11, 10);
    TOKENS(" lower lower", 12, 10, 12, 10);
    TOKENS("low's1", 11, 6, 7, 8);
    TOKENS("low   low", 11, 16, 12);
    TOKENS("ow'", 13, 6);
    assert(bpe_encode(&model, "lox", 3, tokens, &n, &error) == -EINVAL && strstr(error.text, "the byte 78"));
    model = saved;
}

#define EXPECT(INPUT, WANTED) expect_n(INPUT, sizeof(INPUT) - 1, WANTED)

int main(void) {
    model.info.n_vocab = 300;
    for (uint32_t i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        offsets[i + 1] = i + 1;
    }
    EXPECT("", "");
    EXPECT(" hello\tthere\n", " hello\tthere\n");
    EXPECT("\xC3\xA9 \xE2\x99\xAA \xF0\x9F\x8E\xA4 \xED\x9F\xBF \xEE\x80\x80 \xF4\x8F\xBF\xBF",
           "\xC3\xA9 \xE2\x99\xAA \xF0\x9F\x8E\xA4 \xED\x9F\xBF \xEE\x80\x80 \xF4\x8F\xBF\xBF");
    EXPECT("a\0b", "a" BAD "b");
    EXPECT("\x1B[31m", BAD "[31m");
    EXPECT("\x7F", BAD);
    EXPECT("\xC2\x9B", BAD); /* a control character in two bytes */
    EXPECT("\xC2\xA0", "\xC2\xA0");
    EXPECT("\x80", BAD);
    EXPECT("\xFF\xFE", BAD BAD);
    EXPECT("\xC0\xAF", BAD BAD); /* a slash, made longer */
    EXPECT("\xE0\x80\xAF", BAD BAD BAD);
    EXPECT("\xED\xA0\x80", BAD BAD BAD);         /* half a surrogate pair */
    EXPECT("\xF4\x90\x80\x80", BAD BAD BAD BAD); /* beyond U+10FFFF */
    EXPECT("\xF5", BAD);
    EXPECT("\xE2\x99", BAD); /* the end is missing: one mark for all of it */
    EXPECT("\xE2\x99x", BAD "x");
    EXPECT("\xF0\x9F\x8E", BAD);
    EXPECT("\xF0\x9F\xC3\xA9", BAD "\xC3\xA9");

    check_encoding();

    /* Special tokens have no text. */
    {
        const uint32_t tokens[] = {'o', 256, 'k', 299};
        char *text = tokens_text(&model, tokens, 4);

        assert(strcmp(text, "ok") == 0);
        free(text);
    }
    return 0;
}
