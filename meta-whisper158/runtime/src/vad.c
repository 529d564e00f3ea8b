/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * How likely it is that somebody speaks: the 16 kHz network of Silero VAD 6.2, 32 ms at a time.
 *
 *     the last 64 samples, 512 new ones, 64 mirrored ones
 *     magnitudes of four Fourier transforms of 256 samples under a Hann window, 128 apart: 129 bins each
 *     four convolutions of three taps, ReLU: 129 -> 128, -> 64 (every second place), -> 64 (likewise), -> 128
 *     an LSTM cell with a state of 128, ReLU, a weighted sum, a sigmoid
 *
 * That is 0.5 million multiplications. The weights are used where they lie in the blob, [inputs][outputs], so that all
 * products are one loop (multiply) whose sums do not depend on each other: compilers put them into SIMD lanes, and the
 * same source gives the same bits everywhere but for the C library's exp and tanh.
 */
#include "vad.h"

#include "error.h"
#include "model.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRAME ((size_t)WHISPER158_VAD_FRAME)
#define CONTEXT 64u /* samples before the frame that are heard again */
#define WINDOW 256u
#define HOP 128u
#define HALF (WINDOW / 2)
#define STATE VAD_STATE
#define PLACES ((CONTEXT + FRAME + CONTEXT - WINDOW) / HOP + 1)
_Static_assert(PLACES == 4, "so many transforms");
_Static_assert(VAD_BINS == HALF + 1, "a real transform of WINDOW samples");

struct whisper158_vad {
    VadWeights weights;
    float window[WINDOW];
    float cosine[WINDOW], sine[WINDOW]; /* of one turn */
    float context[CONTEXT];
    float hidden[STATE], cell[STATE];
    float sound[CONTEXT + FRAME + CONTEXT];
    float places[2][PLACES * VAD_BINS]; /* [place][channel]: what goes into a layer, what comes out */
    float gates[4 * STATE];
};

int vad_new(whisper158_vad **out, const VadWeights *weights) {
    const double turn = 6.28318530717958647692;
    whisper158_vad *vad = calloc(1, sizeof *vad);

    if (!vad)
        return -ENOMEM;
    vad->weights = *weights;
    for (uint32_t i = 0; i < WINDOW; i++) {
        vad->window[i] = (float)(0.5 - 0.5 * cos(turn * i / WINDOW));
        vad->cosine[i] = (float)cos(turn * i / WINDOW);
        vad->sine[i] = (float)sin(turn * i / WINDOW);
    }
    *out = vad;
    return 0;
}

/* out[n] += the sum over inputs of in[input] x weight[input][n] */
static void multiply(float *restrict out, const float *restrict in, const float *restrict weight, uint32_t inputs,
                     uint32_t outputs) {
    const float *w0 = weight;
    uint32_t i = 0;

    assert(outputs % 64 == 0);
    for (; i + 4 <= inputs; i += 4, w0 += 4 * (size_t)outputs) {
        const float *w1 = w0 + outputs, *w2 = w1 + outputs, *w3 = w2 + outputs;

        for (uint32_t n = 0; n < outputs; n++)
            out[n] += in[i] * w0[n] + in[i + 1] * w1[n] + in[i + 2] * w2[n] + in[i + 3] * w3[n];
    }
    for (; i < inputs; i++, w0 += outputs)
        for (uint32_t n = 0; n < outputs; n++)
            out[n] += in[i] * w0[n];
}

/* What has no number, or would have none once it is squared, is silence. */
static void listen(whisper158_vad *vad, const float *samples) {
    float *sound = vad->sound;

    memcpy(sound, vad->context, sizeof vad->context);
    for (size_t i = 0; i < FRAME; i++)
        sound[CONTEXT + i] = fabsf(samples[i]) <= WHISPER158_MAX_SAMPLE ? samples[i] : 0;
    for (size_t i = 0; i < CONTEXT; i++)
        sound[CONTEXT + FRAME + i] = sound[CONTEXT + FRAME - 2 - i];
    memcpy(vad->context, sound + FRAME, sizeof vad->context);
}

/*
 * out[place][bin], the magnitudes. Sample n and sample 256-n share their cosine and, but for the sign, their sine,
 * which halves the work (as in mel.c); the places lie side by side meanwhile.
 */
static void transform(const whisper158_vad *vad, float *out) {
    float even[VAD_BINS][PLACES], odd[VAD_BINS][PLACES];

    for (size_t p = 0; p < PLACES; p++) {
        const float *x = vad->sound + p * HOP, *w = vad->window;

        even[0][p] = 0; /* the window begins with zero */
        odd[0][p] = odd[HALF][p] = 0;
        even[HALF][p] = x[HALF] * w[HALF];
        for (size_t n = 1; n < HALF; n++) {
            even[n][p] = x[n] * w[n] + x[WINDOW - n] * w[n];
            odd[n][p] = x[n] * w[n] - x[WINDOW - n] * w[n];
        }
    }
    for (size_t k = 0; k < VAD_BINS; k++) {
        float re[PLACES] = {0}, im[PLACES] = {0};

        for (size_t n = 1; n <= HALF; n++) {
            float c = vad->cosine[k * n % WINDOW], s = vad->sine[k * n % WINDOW];

            for (size_t p = 0; p < PLACES; p++) {
                re[p] += c * even[n][p];
                im[p] += s * odd[n][p];
            }
        }
        for (size_t p = 0; p < PLACES; p++)
            out[p * VAD_BINS + k] = sqrtf(re[p] * re[p] + im[p] * im[p]);
    }
}

/* in[places][inputs] -> out[...][outputs]; a tap that reaches beyond either end meets zeros. Return: places of out. */
static size_t convolve(const VadShape *shape, const VadConv *conv, const float *in, size_t places, float *out) {
    const size_t wanted = (places - 1) / shape->stride + 1;

    assert(places <= PLACES && shape->inputs <= VAD_BINS && shape->outputs <= VAD_BINS);
    for (size_t p = 0; p < wanted; p++)
        memcpy(out + p * shape->outputs, conv->bias, shape->outputs * sizeof *out);
    for (size_t tap = 0; tap < VAD_TAPS; tap++)
        for (size_t p = 0; p < wanted; p++) {
            size_t at = p * shape->stride + tap; /* one behind the place that is meant */

            if (at >= 1 && at <= places)
                multiply(out + p * shape->outputs, in + (at - 1) * shape->inputs,
                         conv->weight + tap * shape->inputs * shape->outputs, shape->inputs, shape->outputs);
        }
    for (size_t i = 0; i < wanted * shape->outputs; i++)
        out[i] = out[i] > 0 ? out[i] : 0;
    return wanted;
}

static float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

/* Gates in the order input, forget, cell, output. */
static void remember(whisper158_vad *vad, const float *in) {
    const VadWeights *w = &vad->weights;
    float *gates = vad->gates;

    memcpy(gates, w->lstm_bias, sizeof vad->gates);
    multiply(gates, in, w->lstm_input, STATE, 4 * STATE);
    multiply(gates, vad->hidden, w->lstm_hidden, STATE, 4 * STATE);
    for (size_t i = 0; i < STATE; i++) {
        vad->cell[i] = sigmoid(gates[STATE + i]) * vad->cell[i] + sigmoid(gates[i]) * tanhf(gates[2 * STATE + i]);
        vad->hidden[i] = sigmoid(gates[3 * STATE + i]) * tanhf(vad->cell[i]);
    }
}

float whisper158_vad_run(whisper158_vad *vad, const float *samples) {
    float *in = vad->places[0], *out = vad->places[1], sum = vad->weights.out_bias[0], probability;
    size_t places = PLACES;

    listen(vad, samples);
    transform(vad, in);
    for (size_t i = 0; i < VAD_CONVS; i++) {
        float *free_again = in;

        places = convolve(&vad_convs[i], &vad->weights.conv[i], in, places, out);
        in = out;
        out = free_again;
    }
    assert(places == 1);
    remember(vad, in);
    for (size_t i = 0; i < STATE; i++)
        sum += (vad->hidden[i] < 0 ? 0 : vad->hidden[i]) * vad->weights.out_weight[i]; /* what is no number stays so */
    probability = sigmoid(sum);
    if (probability >= 0)
        return probability;
    whisper158_vad_reset(vad); /* weights can be finite and yet so large that sums are not */
    return 0;
}

void whisper158_vad_reset(whisper158_vad *vad) {
    memset(vad->context, 0, sizeof vad->context);
    memset(vad->hidden, 0, sizeof vad->hidden);
    memset(vad->cell, 0, sizeof vad->cell);
}

int whisper158_vad_new(whisper158_vad **out, const whisper158_model *model, whisper158_error *error) {
    if (!out || !model)
        return w158_fail(error, -EINVAL, "whisper158_vad_new needs a model and a place for the detector");
    if (!model->vad.out_weight)
        return w158_fail(error, -ENOENT,
                         "the blob cannot tell speech from other sounds; pack it with a detector of speech");
    if (vad_new(out, &model->vad) < 0)
        return w158_fail(error, -ENOMEM, "no memory for the detector of speech");
    return 0;
}

whisper158_vad *whisper158_vad_free(whisper158_vad *vad) {
    free(vad);
    return NULL;
}
