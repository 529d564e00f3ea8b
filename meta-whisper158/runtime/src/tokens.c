/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Tokens to text. A token is a string of bytes and need not end where a character ends, so characters are put together
 * only after the bytes are. What a model says need not be UTF-8 at all; what leaves here is.
 */
#include "tokens.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD";

/*
 * Length of the character at p, of which n > 0 bytes are there, by the table of well-formed sequences (Unicode 3-7).
 * Where there is none, *valid is false and the length is that of the longest beginning of one, at least 1.
 */
static size_t character(const unsigned char *p, size_t n, bool *valid) {
    unsigned char low = 0x80, high = 0xBF;
    size_t length;

    *valid = false;
    if (p[0] < 0x80) {
        *valid = p[0] != 0;
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        length = 2;
    else if (p[0] >= 0xE0 && p[0] <= 0xEF)
        length = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        length = 4;
    else
        return 1;
    low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : low;   /* no longer than needed */
    high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : high; /* no surrogates, nothing beyond U+10FFFF */
    for (size_t i = 1; i < length; i++) {
        if (i >= n || p[i] < low || p[i] > high)
            return i;
        low = 0x80;
        high = 0xBF;
    }
    *valid = true;
    return length;
}

char *tokens_text(const whisper158_model *model, const uint32_t *tokens, size_t n) {
    size_t size = 0, at = 0;
    unsigned char *bytes;
    char *text;

    for (size_t i = 0; i < n; i++) {
        const char *word;
        int length = whisper158_model_get_token(model, tokens[i], &word);

        size += length > 0 ? (size_t)length : 0;
    }
    bytes = malloc(size + 1);
    text = malloc(size * (sizeof replacement - 1) + 1);
    if (!bytes || !text) {
        free(bytes);
        free(text);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const char *word;
        int length = whisper158_model_get_token(model, tokens[i], &word);

        if (length > 0) {
            memcpy(bytes + at, word, (size_t)length);
            at += (size_t)length;
        }
    }
    at = 0;
    for (size_t i = 0; i < size;) {
        bool valid;
        size_t length = character(bytes + i, size - i, &valid), written = valid ? length : sizeof replacement - 1;

        memcpy(text + at, valid ? (const char *)bytes + i : replacement, written);
        at += written;
        i += length;
    }
    text[at] = '\0';
    free(bytes);
    return text;
}
