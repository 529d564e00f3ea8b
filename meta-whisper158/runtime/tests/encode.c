/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * encode MODEL: the tokens of each line of standard input, in which the byte 1 stands for a newline. For
 * tools/tests/test_prompt.py.
 */
#include <stdio.h>
#include <string.h>

#include "bpe.h"

int main(int argc, char **argv) {
    static char line[WHISPER158_MAX_PROMPT + 2];
    static uint32_t tokens[sizeof line];
    whisper158_model *model;
    whisper158_error error;
    size_t n;

    if (argc != 2 || whisper158_model_open(&model, argv[1], &error) < 0)
        return 1;
    while (fgets(line, sizeof line, stdin)) {
        const size_t length = strcspn(line, "\n");

        for (size_t i = 0; i < length; i++)
            if (line[i] == '\1')
                line[i] = '\n';
        if (bpe_encode(model, line, length, tokens, &n, &error) < 0) {
            (void)puts(error.text);
            continue;
        }
        for (size_t i = 0; i < n; i++)
            (void)printf("%s%u", i ? " " : "", tokens[i]);
        (void)putchar('\n');
    }
    (void)whisper158_model_close(model);
    return 0;
}
