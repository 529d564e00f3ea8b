/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The public interface on the golden file, whose path is the argument: the stages and whole transcriptions agree for any
 * number of threads (bit for bit) and any kernel set (closely), contexts of one model do not disturb each other, and what
 * is asked wrongly is answered with an error.
 */
#undef NDEBUG
#include "whisper158.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES (3 * WHISPER158_SAMPLE_RATE + 77)
#define SOT 286u

static whisper158_model *model;
static whisper158_model_info info;
static float samples[SAMPLES];

static whisper158_context *context_of(uint32_t threads, const char *kernels) {
    whisper158_context_options options = {.threads = threads, .kernels = kernels};
    whisper158_context *context = NULL;
    whisper158_error error;

    assert(whisper158_context_new(&context, model, &options, &error) == 0);
    return context;
}

/* A chirp under noise: no speech, but the spectrogram has something everywhere. */
static void make_samples(void) {
    uint32_t state = 158;

    for (size_t i = 0; i < SAMPLES; i++) {
        double t = (double)i / WHISPER158_SAMPLE_RATE;

        state = state * 1664525u + 1013904223u;
        samples[i] = (float)(0.3 * sin(6.2831853 * (200 + 400 * t) * t) + 0.02 * ((double)(state >> 8) / (1 << 24) - 0.5));
    }
}

/* ------------------------------------------------------------------------------------------------------- stages */

typedef struct Stages {
    float *mel;     /* [n_mels][2 n_audio_ctx] */
    float *encoded; /* [n_audio_ctx][n_audio_state] */
    float *logits;  /* [3][n_vocab] */
} Stages;

static void *allocate(size_t n) {
    void *p = malloc(n * sizeof(float));

    assert(p);
    return p;
}

static Stages run_stages(uint32_t threads, const char *kernels) {
    whisper158_context *context = context_of(threads, kernels);
    const uint32_t tokens[] = {SOT, SOT + 1, 17, 42};
    Stages s = {.mel = allocate((size_t)info.n_mels * 2 * info.n_audio_ctx),
                .encoded = allocate((size_t)info.n_audio_ctx * info.n_audio_state),
                .logits = allocate(3 * (size_t)info.n_vocab)};
    whisper158_error error;

    assert(whisper158_mel(context, samples, SAMPLES, 2 * info.n_audio_ctx, s.mel, &error) == 0);
    assert(whisper158_encode(context, s.mel, info.n_audio_ctx, s.encoded, &error) == 0);
    assert(whisper158_decode(context, tokens, 2, s.logits, &error) == 0);
    assert(whisper158_decode(context, tokens + 2, 1, s.logits + info.n_vocab, &error) == 0);
    assert(whisper158_decode(context, tokens + 3, 1, NULL, &error) == 0);
    assert(whisper158_decode_rewind(context, 2) == 0);
    assert(whisper158_decode(context, tokens + 2, 1, s.logits + 2 * info.n_vocab, &error) == 0);
    assert(memcmp(s.logits + info.n_vocab, s.logits + 2 * info.n_vocab, info.n_vocab * sizeof(float)) == 0);
    whisper158_context_free(context);
    return s;
}

static void free_stages(Stages *s) {
    free(s->mel);
    free(s->encoded);
    free(s->logits);
}

static double distance(const float *a, const float *b, size_t n) {
    double difference = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)a[i] * a[i];
    }
    return sqrt(difference / size);
}

static void check_stages(void) {
    Stages expected = run_stages(1, "ref");

    for (uint32_t set = 0; whisper158_kernels_name(set); set++) {
        Stages one = run_stages(1, whisper158_kernels_name(set)), three = run_stages(3, whisper158_kernels_name(set));
        size_t mel = (size_t)info.n_mels * 2 * info.n_audio_ctx, encoded = (size_t)info.n_audio_ctx * info.n_audio_state;

        assert(memcmp(one.mel, three.mel, mel * sizeof(float)) == 0);
        assert(memcmp(one.encoded, three.encoded, encoded * sizeof(float)) == 0);
        assert(memcmp(one.logits, three.logits, 2 * info.n_vocab * sizeof(float)) == 0);
        /* A float that rounds to the neighbouring int8 moves a sum by a hundredth of a step's share, no more. */
        printf("%s: encoder %.1e, logits %.1e from ref\n", whisper158_kernels_name(set),
               distance(expected.encoded, one.encoded, encoded), distance(expected.logits, one.logits, 2 * info.n_vocab));
        assert(distance(expected.encoded, one.encoded, encoded) < 5e-3);
        assert(distance(expected.logits, one.logits, 2 * info.n_vocab) < 5e-3);
        free_stages(&one);
        free_stages(&three);
    }
    free_stages(&expected);
}

/* The encoder sees only the columns it is given: the same ones under a shorter context give other, finite numbers. */
static void check_short_contexts(void) {
    whisper158_context *context = context_of(2, NULL);
    float *mel = allocate((size_t)info.n_mels * 2 * info.n_audio_ctx);
    float *encoded = allocate((size_t)info.n_audio_ctx * info.n_audio_state);
    whisper158_error error;

    for (uint32_t frames = 1; frames <= info.n_audio_ctx; frames++) {
        assert(whisper158_mel(context, samples, SAMPLES, 2 * frames, mel, &error) == 0);
        assert(whisper158_encode(context, mel, frames, encoded, &error) == 0);
        for (size_t i = 0; i < (size_t)frames * info.n_audio_state; i++)
            assert(isfinite(encoded[i]));
    }
    free(mel);
    free(encoded);
    whisper158_context_free(context);
}

/* --------------------------------------------------------------------------------------------------- transcribing */

typedef struct Text {
    uint64_t hash; /* of all tokens and times */
    size_t segments, windows, calls; /* calls of progress */
    uint64_t done;
    double end;
    int stop_after;
    size_t stop_at_call;
} Text;

static int collect(void *user, const whisper158_segment *segment) {
    Text *text = user;

    assert(segment->start >= 0 && segment->end >= segment->start && segment->end <= SAMPLES / 16000.0);
    assert(segment->start >= text->end - 1e-9);
    assert(segment->n_tokens > 0 && segment->text[0] != '\0');
    assert(segment->avg_logprob <= 0 && segment->no_speech_prob >= 0 && segment->no_speech_prob <= 1);
    text->end = segment->start;
    text->segments++;
    for (size_t i = 0; i < segment->n_tokens; i++)
        text->hash = text->hash * 1099511628211u + segment->tokens[i];
    return text->stop_after > 0 && (int)text->segments == text->stop_after;
}

/* Within a window `done` stays what it is. */
static int count_progress(void *user, uint64_t done, uint64_t total) {
    Text *text = user;

    assert(done <= total && total == SAMPLES && done >= text->done);
    text->windows += done > text->done;
    text->done = done;
    text->calls++;
    return text->stop_at_call > 0 && text->calls == text->stop_at_call;
}

static Text transcribe(whisper158_context *context, whisper158_timestamps timestamps, uint32_t frames, bool condition) {
    whisper158_options options = WHISPER158_OPTIONS_DEFAULT;
    whisper158_error error = {{0}};
    Text text = {0};

    options.timestamps = timestamps;
    options.audio_context = frames;
    options.condition_on_previous = condition;
    options.logprob_threshold = -1e9f; /* random weights are sure of nothing; let them speak */
    options.progress = count_progress;
    options.user = &text;
    assert(whisper158_transcribe(context, samples, SAMPLES, &options, collect, &text, &error) == 0);
    return text;
}

static void check_transcriptions(void) {
    whisper158_context *one = context_of(1, NULL), *two = context_of(2, NULL);
    size_t segments = 0;

    for (int timestamps = 0; timestamps <= 2; timestamps++)
        for (uint32_t frames = 0; frames <= 20; frames += 20)
            for (int condition = 0; condition < 2; condition++) {
                Text a = transcribe(one, (whisper158_timestamps)timestamps, frames, condition);
                Text b = transcribe(two, (whisper158_timestamps)timestamps, frames, condition);
                whisper158_timings timings;

                assert(a.windows >= 3 && a.calls > (2 + info.n_audio_layer) * a.windows);
                assert(a.hash == b.hash && a.segments == b.segments && a.windows == b.windows);
                whisper158_context_get_timings(one, &timings);
                assert(timings.windows == a.windows && timings.tokens > timings.windows && timings.encode > 0);
                segments += a.segments;
            }
    assert(segments > 12);
    whisper158_context_free(one);
    whisper158_context_free(two);
}

static void *transcribe_alone(void *arg) {
    whisper158_context *context = context_of(2, NULL);

    *(Text *)arg = transcribe(context, WHISPER158_TIMESTAMPS_ON, 0, true);
    whisper158_context_free(context);
    return NULL;
}

static void check_contexts_side_by_side(void) {
    pthread_t threads[4];
    Text texts[4];

    for (int i = 0; i < 4; i++)
        assert(pthread_create(&threads[i], NULL, transcribe_alone, &texts[i]) == 0);
    for (int i = 0; i < 4; i++)
        assert(pthread_join(threads[i], NULL) == 0);
    for (int i = 1; i < 4; i++)
        assert(texts[i].hash == texts[0].hash && texts[i].segments == texts[0].segments);
}

/* ---------------------------------------------------------------------------------------------------------- misuse */

static void expect(int result, int wanted, const whisper158_error *error, const char *word) {
    if (result != wanted || !strstr(error->text, word)) {
        fprintf(stderr, "%d instead of %d: %s\n", result, wanted, error->text);
        assert(!"wrong error");
    }
}

static void check_misuse_of_models(void) {
    whisper158_context_options many = {.threads = 65}, strange = {.kernels = "abacus"};
    whisper158_context *context = NULL;
    whisper158_model *other = NULL;
    const char *bytes;
    whisper158_section section;
    whisper158_error e;

    expect(whisper158_model_open(&other, "/nonexistent.w158", &e), -ENOENT, &e, "/nonexistent.w158");
    expect(whisper158_model_open(&other, NULL, &e), -EINVAL, &e, "path");
    assert(whisper158_model_open(&other, "/nonexistent.w158", NULL) == -ENOENT && other == NULL);
    assert(whisper158_model_close(NULL) == NULL && whisper158_context_free(NULL) == NULL);
    expect(whisper158_context_new(&context, model, &many, &e), -EINVAL, &e, "65");
    expect(whisper158_context_new(&context, model, &strange, &e), -EINVAL, &e, "abacus");
    assert(context == NULL);
    assert(whisper158_model_get_token(model, info.n_vocab, &bytes) == -EINVAL);
    assert(whisper158_model_get_token(model, info.n_vocab - 1, &bytes) == 0);
    assert(whisper158_model_get_section(model, info.n_sections, &section) == -EINVAL);
    assert(whisper158_model_get_provenance(model, "nonsense", &bytes) == -ENOENT);
    assert(whisper158_model_get_provenance(model, "name", &bytes) > 0);
    assert(whisper158_model_get_language(model, 1000) == NULL);
}

static void check_misuse_of_stages(whisper158_context *context) {
    const uint32_t beyond = info.n_vocab, fine = 0;
    float mel[160] = {0}, bad[400] = {[7] = NAN}, column[80 * 2];
    whisper158_error e;

    expect(whisper158_decode(context, &fine, 1, NULL, &e), -EINVAL, &e, "whisper158_encode");
    expect(whisper158_encode(context, mel, 0, NULL, &e), -EINVAL, &e, "frames");
    expect(whisper158_encode(context, mel, info.n_audio_ctx + 1, NULL, &e), -EINVAL, &e, "frames");
    assert(whisper158_encode(context, mel, 1, NULL, &e) == 0);
    expect(whisper158_decode(context, &beyond, 1, NULL, &e), -EINVAL, &e, "n_vocab");
    for (uint32_t i = 0; i < info.n_text_ctx; i++)
        assert(whisper158_decode(context, &fine, 1, NULL, &e) == 0);
    expect(whisper158_decode(context, &fine, 1, NULL, &e), -ENOSPC, &e, "fit");
    assert(whisper158_decode_rewind(context, info.n_text_ctx + 1) == -EINVAL);
    expect(whisper158_mel(context, bad, 400, 1, column, &e), -EINVAL, &e, "sample 7");
}

static void check_misuse_of_transcribe(whisper158_context *context) {
    whisper158_options options = WHISPER158_OPTIONS_DEFAULT;
    float bad[400] = {[7] = NAN};
    whisper158_error e;

    expect(whisper158_transcribe(context, bad, 400, NULL, NULL, NULL, &e), -EINVAL, &e, "sample 7");
    bad[7] = 1e38f;
    expect(whisper158_transcribe(context, bad, 400, NULL, NULL, NULL, &e), -EINVAL, &e, "sample 7");
    bad[7] = 0;
    assert(whisper158_transcribe(context, bad, 400, NULL, NULL, NULL, &e) == 0); /* silence */
    assert(whisper158_transcribe(context, bad, 1, NULL, NULL, NULL, &e) == 0);
    assert(whisper158_transcribe(context, NULL, 0, NULL, NULL, NULL, &e) == 0);
    expect(whisper158_transcribe(context, NULL, 1, NULL, NULL, NULL, &e), -EINVAL, &e, "samples");
    options.audio_context = info.n_audio_ctx + 1;
    expect(whisper158_transcribe(context, samples, SAMPLES, &options, NULL, NULL, &e), -EINVAL, &e, "audio context");
    options.audio_context = 0;
    options.language = "klingon";
    expect(whisper158_transcribe(context, samples, SAMPLES, &options, NULL, NULL, &e), -EINVAL, &e, "klingon");
}

/* By the callback for text, and by that for progress at each of its calls. */
static void check_stopping(whisper158_context *context) {
    whisper158_options options = WHISPER158_OPTIONS_DEFAULT;
    Text text = {.stop_after = 1}, stopped = {.stop_at_call = 2};
    whisper158_error e;

    options.logprob_threshold = -1e9f;
    expect(whisper158_transcribe(context, samples, SAMPLES, &options, collect, &text, &e), -ECANCELED, &e, "caller");
    options.progress = count_progress;
    options.user = &stopped;
    expect(whisper158_transcribe(context, samples, SAMPLES, &options, NULL, NULL, &e), -ECANCELED, &e, "caller");
    assert(stopped.calls == 2 && stopped.windows == 0); /* amid the first window */
    for (stopped.stop_at_call = 1; stopped.stop_at_call <= info.n_audio_layer + 3; stopped.stop_at_call++) {
        stopped.calls = 0;
        expect(whisper158_transcribe(context, samples, SAMPLES, &options, NULL, NULL, &e), -ECANCELED, &e, "caller");
        assert(stopped.calls == stopped.stop_at_call);
    }
    options.progress = NULL;
    assert(whisper158_transcribe(context, samples, SAMPLES, &options, NULL, NULL, &e) == 0); /* nothing is left behind */
    assert(text.segments == 1);
}

static void check_misuse(void) {
    whisper158_context *context;

    check_misuse_of_models();
    context = context_of(1, NULL);
    check_misuse_of_stages(context);
    check_misuse_of_transcribe(context);
    check_stopping(context);
    whisper158_context_free(context);
}

int main(int argc, char **argv) {
    whisper158_error error;

    assert(argc == 2);
    if (whisper158_model_open(&model, argv[1], &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    whisper158_model_get_info(model, &info);
    assert(info.n_audio_ctx == 40 && info.activation_bits == 8);
    make_samples();
    check_stages();
    check_short_contexts();
    check_transcriptions();
    check_contexts_side_by_side();
    check_misuse();
    whisper158_model_close(model);
    return 0;
}
