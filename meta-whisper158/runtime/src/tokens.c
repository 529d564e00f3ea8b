/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Tokens to text. A token is a string of bytes and need not end where a character ends, so characters are put together
 * only after the bytes are. What a model says need not be UTF-8 at all; what leaves here is, and holds nothing that would
 * command a terminal.
 */
#include "tokens.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

static const char replacement[] = "\xEF\xBF\xBD";

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
        bool printable;
        size_t length = utf8_character(bytes + i, size - i, &printable);
        size_t written = printable ? length : sizeof replacement - 1;

        memcpy(text + at, printable ? (const char *)bytes + i : replacement, written);
        at += written;
        i += length;
    }
    text[at] = '\0';
    free(bytes);
    return text;
}
