/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The detector of speech with made-up weights, next to the same network written down once more, in doubles, as its
 * definition reads: whole transforms, padded convolutions, one output at a time. (That it is Silero's network is what
 * tools/tests/test_vad.py shows.) The path of the golden file, which has no detector, is the argument.
 */
#undef NDEBUG
#include "vad.h"

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRAME WHISPER158_VAD_FRAME
#define FRAMES 40

static uint32_t state = 158;

/* Evenly spread in [-1, 1). */
static float any_number(void) {
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / (1 << 23) - 1;
}

static float *numbers(size_t n, double scale) {
    float *x = malloc(n * sizeof *x);

    assert(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(any_number() * scale);
    return x;
}

/* Of such a size that activations are neither lost nor saturated. */
static VadWeights made_up(double scale) {
    VadWeights w = {
        .lstm_input = numbers(VAD_STATE * 4 * VAD_STATE, 0.2 * scale),
        .lstm_hidden = numbers(VAD_STATE * 4 * VAD_STATE, 0.2 * scale),
        .lstm_bias = numbers(4 * VAD_STATE, scale),
        .out_weight = numbers(VAD_STATE, scale),
        .out_bias = numbers(1, scale),
    };

    for (size_t i = 0; i < VAD_CONVS; i++) {
        const VadShape *s = &vad_convs[i];

        const size_t channels = (size_t)VAD_TAPS * s->inputs;

        w.conv[i].weight = numbers(channels * s->outputs, scale * sqrt(3.0 / (double)channels));
        w.conv[i].bias = numbers(s->outputs, 0.1 * scale);
    }
    return w;
}

static void drop(VadWeights *w) {
    for (size_t i = 0; i < VAD_CONVS; i++) {
        free((void *)w->conv[i].weight);
        free((void *)w->conv[i].bias);
    }
    free((void *)w->lstm_input);
    free((void *)w->lstm_hidden);
    free((void *)w->lstm_bias);
    free((void *)w->out_weight);
    free((void *)w->out_bias);
}

/* -------------------------------------------------------------------------------------------- the network, slowly */

typedef struct Slow {
    const VadWeights *w;
    double context[64], hidden[VAD_STATE], cell[VAD_STATE];
} Slow;

static double logistic(double x) {
    return 1 / (1 + exp(-x));
}

static void magnitudes(const double *sound, double out[4][VAD_BINS]) {
    const double turn = 2 * acos(-1);

    for (int place = 0; place < 4; place++)
        for (int k = 0; k < (int)VAD_BINS; k++) {
            double re = 0, im = 0;

            for (int n = 0; n < 256; n++) {
                double x = sound[128 * place + n] * (0.5 - 0.5 * cos(turn * n / 256));

                re += x * cos(turn * k * n / 256);
                im -= x * sin(turn * k * n / 256);
            }
            out[place][k] = hypot(re, im);
        }
}

static int slow_conv(const VadShape *s, const VadConv *c, double in[4][VAD_BINS], int places) {
    double out[4][VAD_BINS] = {0};
    int n = 0;

    for (int p = 0; p < places; p += (int)s->stride, n++)
        for (size_t o = 0; o < s->outputs; o++) {
            out[n][o] = c->bias[o];
            for (int tap = 0; tap < 3; tap++)
                for (size_t i = 0; i < s->inputs && p + tap - 1 >= 0 && p + tap - 1 < places; i++)
                    out[n][o] += in[p + tap - 1][i] * c->weight[((size_t)tap * s->inputs + i) * s->outputs + o];
            out[n][o] = fmax(out[n][o], 0);
        }
    memcpy(in, out, sizeof out);
    return n;
}

static double slow_run(Slow *v, const float *samples) {
    const VadWeights *w = v->w;
    double sound[640], x[4][VAD_BINS], gates[4][VAD_STATE], sum = w->out_bias[0];
    int places = 4;

    memcpy(sound, v->context, sizeof v->context);
    for (int i = 0; i < FRAME; i++)
        sound[64 + i] = samples[i];
    for (int i = 0; i < 64; i++)
        sound[576 + i] = sound[574 - i];
    memcpy(v->context, sound + 512, sizeof v->context);
    magnitudes(sound, x);
    for (size_t i = 0; i < VAD_CONVS; i++)
        places = slow_conv(&vad_convs[i], &w->conv[i], x, places);
    assert(places == 1);
    for (size_t i = 0; i < 4 * VAD_STATE; i++) {
        double *gate = &gates[i / VAD_STATE][i % VAD_STATE];

        *gate = w->lstm_bias[i];
        for (size_t j = 0; j < VAD_STATE; j++)
            *gate += x[0][j] * w->lstm_input[j * 4 * VAD_STATE + i] +
                     v->hidden[j] * w->lstm_hidden[j * 4 * VAD_STATE + i];
    }
    for (size_t i = 0; i < VAD_STATE; i++) {
        v->cell[i] = logistic(gates[1][i]) * v->cell[i] + logistic(gates[0][i]) * tanh(gates[2][i]);
        v->hidden[i] = logistic(gates[3][i]) * tanh(v->cell[i]);
        sum += fmax(v->hidden[i], 0) * w->out_weight[i];
    }
    return logistic(sum);
}

/* ------------------------------------------------------------------------------------------------------ the tests */

static void fill(float *samples, int frame) {
    for (int i = 0; i < FRAME; i++) /* loud and quiet, silent at times */
        samples[i] = frame % 7 == 3 ? 0 : any_number() * (float)pow(0.1, frame % 4);
}

static void test_against_the_definition(double scale) {
    VadWeights weights = made_up(scale);
    Slow slow = {.w = &weights};
    double least = 1, most = 0;
    whisper158_vad *vad;
    float samples[FRAME];

    assert(vad_new(&vad, &weights) == 0);
    for (int frame = 0; frame < FRAMES; frame++) {
        double expected, got;

        fill(samples, frame);
        expected = slow_run(&slow, samples);
        got = whisper158_vad_run(vad, samples);
        assert(fabs(got - expected) < 1e-5);
        least = fmin(least, expected);
        most = fmax(most, expected);
    }
    assert(most - least > 0.01); /* else it would not matter what goes in */
    assert(!whisper158_vad_free(vad));
    drop(&weights);
}

static void test_reset_makes_it_new(void) {
    VadWeights weights = made_up(1);
    whisper158_vad *vad;
    float samples[3][FRAME], first[3];
    bool remembered = false;

    assert(vad_new(&vad, &weights) == 0);
    for (int i = 0; i < 3; i++) {
        fill(samples[i], i);
        first[i] = whisper158_vad_run(vad, samples[i]);
    }
    for (int i = 0; i < 3; i++)
        remembered = remembered || whisper158_vad_run(vad, samples[i]) != first[i];
    assert(remembered);
    whisper158_vad_reset(vad);
    for (int i = 0; i < 3; i++)
        assert(whisper158_vad_run(vad, samples[i]) == first[i]);
    whisper158_vad_free(vad);
    drop(&weights);
}

/* What is no number is heard as a zero, and leaves nothing behind. */
static void test_samples_that_are_no_numbers(void) {
    const float odd[] = {NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 2 * WHISPER158_MAX_SAMPLE};
    VadWeights weights = made_up(1);
    whisper158_vad *vad, *other;
    float samples[FRAME], zeroed[FRAME];

    assert(vad_new(&vad, &weights) == 0 && vad_new(&other, &weights) == 0);
    for (int frame = 0; frame < 6; frame++) {
        fill(samples, frame);
        memcpy(zeroed, samples, sizeof zeroed);
        for (int i = frame; i < FRAME; i += 50) {
            samples[i] = odd[frame];
            zeroed[i] = 0;
        }
        assert(whisper158_vad_run(vad, samples) == whisper158_vad_run(other, zeroed));
    }
    whisper158_vad_free(vad);
    whisper158_vad_free(other);
    drop(&weights);
}

/* Finite weights whose sums are not, with the loudest sound there is: some probability, every time. */
static void test_weights_beyond_reason(void) {
    VadWeights weights = made_up(1e37);
    whisper158_vad *vad;
    float samples[FRAME];

    assert(vad_new(&vad, &weights) == 0);
    for (int frame = 0; frame < 10; frame++) {
        float p;

        for (int i = 0; i < FRAME; i++)
            samples[i] = any_number() * WHISPER158_MAX_SAMPLE;
        p = whisper158_vad_run(vad, samples);
        assert(p >= 0 && p <= 1);
    }
    whisper158_vad_free(vad);
    drop(&weights);
}

/* And one frame of it does not make the detector deaf for the others. */
static void test_a_state_that_is_no_number_is_forgotten(void) {
    static float small[400000], huge[400000], zeros[128 * 512], gates[512], ones[128];
    const float bias = 0.3f, silence[FRAME] = {0};
    VadWeights weights = {.lstm_input = huge, .lstm_hidden = zeros, .lstm_bias = gates, .out_weight = ones, .out_bias = &bias};
    whisper158_vad *vad;
    float samples[FRAME], fresh;

    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        small[i] = 0.01f;
        huge[i] = i / 512 % 2 ? 3e38f : -3e38f;
    }
    for (size_t i = 0; i < 512; i++)
        gates[i] = 2;
    for (size_t i = 0; i < 128; i++)
        ones[i] = 1;
    for (size_t i = 0; i < VAD_CONVS; i++) {
        weights.conv[i].weight = small;
        weights.conv[i].bias = zeros;
    }
    assert(vad_new(&vad, &weights) == 0);
    fresh = whisper158_vad_run(vad, silence);
    for (int i = 0; i < FRAME; i++)
        samples[i] = any_number();
    assert(whisper158_vad_run(vad, samples) == 0);
    assert(whisper158_vad_run(vad, silence) == fresh);
    whisper158_vad_free(vad);
}

static void test_a_blob_without(const char *path) {
    whisper158_error error = {{0}};
    whisper158_model *model;
    whisper158_vad *vad = NULL;

    assert(whisper158_model_open(&model, path, &error) == 0);
    assert(whisper158_vad_new(&vad, model, &error) == -ENOENT && !vad);
    assert(strstr(error.text, "detector"));
    assert(whisper158_vad_new(&vad, NULL, &error) == -EINVAL);
    assert(!whisper158_vad_free(NULL));
    whisper158_model_close(model);
}

int main(int argc, char **argv) {
    assert(argc == 2);
    test_against_the_definition(1);
    test_against_the_definition(3);
    test_reset_makes_it_new();
    test_samples_that_are_no_numbers();
    test_weights_beyond_reason();
    test_a_state_that_is_no_number_is_forgotten();
    test_a_blob_without(argv[1]);
    return 0;
}
