/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 from where it can't be trusted: a model's vocabulary, a blob's provenance. By the table of well-formed sequences
 * (The Unicode Standard, table 3-7).
 */
#include "utf8.h"

size_t utf8_character(const unsigned char *p, size_t n, bool *printable) {
    unsigned char low = 0x80, high = 0xBF;
    size_t length;

    *printable = false;
    if (p[0] < 0x80) {
        *printable = (p[0] >= 0x20 && p[0] != 0x7F) || p[0] == '\n' || p[0] == '\t';
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
    *printable = p[0] != 0xC2 || p[1] >= 0xA0; /* U+0080 to U+009F are control characters too */
    return length;
}
