/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the daemon makes of a sound before anything is transcribed: hear MODEL reads floats, 16 kHz and mono, from its
 * standard input and prints a line for each utterance: start, end, why it ended. For tools/tests/test_hearing.py.
 */
#include "hearing.h"

#include <stdio.h>

static void print_utterance(void *user, const float *samples, size_t count, double start, double end, HearingEnd why) {
    (void)user;
    (void)samples;
    (void)count;
    (void)printf("%.3f %.3f %s\n", start, end, hearing_end_name(why));
}

static void hear(Hearing *hearing, FILE *file) {
    float samples[1000];
    size_t n;

    while ((n = fread(samples, sizeof *samples, sizeof samples / sizeof *samples, file)) > 0)
        hearing_push(hearing, samples, n);
    hearing_flush(hearing);
}

int main(int argc, char **argv) {
    const HearingListener listener = {.utterance = print_utterance};
    whisper158_error error = {"usage: hear MODEL < SAMPLES"};
    whisper158_model *model = NULL;
    whisper158_vad *vad = NULL;
    Hearing *hearing = NULL;
    int r = -1;

    if (argc == 2)
        r = whisper158_model_open(&model, argv[1], &error);
    if (r >= 0)
        r = whisper158_vad_new(&vad, model, &error);
    if (r >= 0)
        r = hearing_new(&hearing, vad, NULL, &listener);
    if (r >= 0)
        hear(hearing, stdin);
    else
        (void)fprintf(stderr, "%s\n", error.text);
    hearing_free(hearing);
    whisper158_vad_free(vad);
    whisper158_model_close(model);
    return r < 0;
}
