/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * From audio of any length to segments of text, as whisper/transcribe.py goes about it: a window of 30 s is encoded and
 * decoded; where it ends in the middle of something, the next window begins at the last timestamp that was complete.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bpe.h"
#include "clock.h"
#include "context.h"
#include "error.h"
#include "sample.h"
#include "tokens.h"

#define HOP (WHISPER158_SAMPLE_RATE / WHISPER158_COLUMNS_PER_SECOND)
#define COLUMNS_PER_FRAME (WHISPER158_COLUMNS_PER_SECOND / WHISPER158_FRAMES_PER_SECOND)
#define REACHING_COLUMNS 2     /* behind the audio's end, whose transforms begin before it */
#define MARGIN 25              /* frames that AUTO gives the encoder behind what it is to hear */
#define SILENCE (1.0f / 65536) /* half a step of 16-bit audio */

/* Tokens that so much audio can hold at most: beyond any speech, short of a decoder that runs on for its own sake. */
#define TOKENS_PER_SECOND 16u
#define TOKENS_PER_WINDOW 16u

typedef struct Tokens {
    uint32_t at[MAX_TEXT_CTX];
    size_t n;
} Tokens;

/* What the decoder said of one window. */
typedef struct Said {
    Tokens tokens; /* sampled, without the end of text */
    float avg_logprob, no_speech_prob;
    bool repetition;
} Said;

typedef struct Transcription {
    whisper158_context *c;
    const whisper158_options *options;
    const float *samples;
    size_t count;
    size_t columns;        /* of the audio */
    size_t column;         /* where the window in hand begins */
    size_t window_columns; /* of a window, at most */
    bool fit;              /* the encoder's context is fitted to what there is in the window */
    float loudest;         /* column of the whole audio, those behind its end included that reach into it: the scale */
    bool timestamps;
    uint32_t language; /* index */
    bool language_known;
    Tokens previous; /* tokens that the next window is prompted with: of the caller's prompt, or of windows before */
    whisper158_segment_fn segment;
    void *user;
    whisper158_error *error;
} Transcription;

typedef struct Stopwatch {
    double wall, cpu;
} Stopwatch;

static Stopwatch start(const Transcription *t) {
    return (Stopwatch){clock_seconds(CLOCK_MONOTONIC), pool_cpu_seconds(t->c->pool)};
}

static void stop(const Transcription *t, Stopwatch since, double *wall, double *cpu) {
    *wall += clock_seconds(CLOCK_MONOTONIC) - since.wall;
    *cpu += pool_cpu_seconds(t->c->pool) - since.cpu;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* ------------------------------------------------------------------------------------------------------ window */

static bool is_one_window(const Transcription *t) {
    return t->columns <= t->window_columns;
}

static bool is_silent(const Transcription *t, size_t column, size_t columns) {
    size_t end = smaller((column + columns) * HOP, t->count);

    for (size_t i = column * HOP; i < end; i++)
        if (fabsf(t->samples[i]) >= SILENCE)
            return false;
    return true;
}

uint32_t whisper158_model_fit_audio_context(const whisper158_model *model, size_t samples) {
    const whisper158_model_info *info = &model->info;
    size_t frames = smaller(samples, SIZE_MAX - MARGIN) / (HOP * COLUMNS_PER_FRAME) + MARGIN;

    if (info->min_audio_ctx == info->n_audio_ctx)
        return info->n_audio_ctx;
    frames = smaller(tiles(frames) * TILE, info->n_audio_ctx);
    return (uint32_t)(frames < info->min_audio_ctx ? info->min_audio_ctx : frames);
}

/* Frames of the encoder for a window with so many columns of audio. */
static uint32_t frames_for(const Transcription *t, size_t columns) {
    return t->fit ? whisper158_model_fit_audio_context(t->c->model, columns * HOP)
                  : (uint32_t)(t->window_columns / COLUMNS_PER_FRAME);
}

/* Columns up to the last one in which anything reaches above the spectrogram's floor. */
static size_t heard_columns(const Transcription *t, const float *log_power, size_t columns, size_t stride) {
    for (; columns > 0; columns--)
        for (uint32_t m = 0; m < t->c->model->info.n_mels; m++)
            if (log_power[m * stride + columns - 1] > t->loudest - MEL_RANGE)
                return columns;
    return 0;
}

/*
 * Log-mel of the window into c->window, [n_mels][2 x frames]; returns frames. Columns behind the audio's end are 0, which
 * is what whisper/transcribe.py pads with (it is not what silence looks like, but what the decoder's rules were tuned
 * with).
 */
static uint32_t window_mel(Transcription *t, size_t column, size_t columns) {
    whisper158_context *c = t->c;
    uint32_t frames = frames_for(t, columns);
    size_t stride = (size_t)frames * COLUMNS_PER_FRAME, wanted, seen;
    Stopwatch since = start(t);
    float loudest = mel_log_power(c->mel, c->pool, t->samples, t->count, column, columns, c->window, stride);

    if (column == 0 && is_one_window(t)) /* a timestamp may lead to another look at its end */
        t->loudest = fmaxf(loudest, mel_loudest(c->mel, c->pool, t->samples, t->count, columns, REACHING_COLUMNS));
    if (t->fit)
        frames = frames_for(t, heard_columns(t, c->window, columns, stride));
    wanted = (size_t)frames * COLUMNS_PER_FRAME;
    seen = smaller(columns, wanted);
    for (uint32_t m = 0; m < c->model->info.n_mels; m++) {
        float *band = c->window + m * wanted;

        memmove(band, c->window + m * stride, seen * sizeof *band);
        mel_scale(band, seen, t->loudest);
        memset(band + seen, 0, (wanted - seen) * sizeof *band);
    }
    stop(t, since, &c->timings.mel, &c->timings.mel_cpu);
    return frames;
}

/* Of audio longer than a window; window_mel sees all of a shorter one, the first time. */
static void find_loudest(Transcription *t) {
    Stopwatch since = start(t);

    t->loudest = mel_loudest(t->c->mel, t->c->pool, t->samples, t->count, 0, t->columns + REACHING_COLUMNS);
    stop(t, since, &t->c->timings.mel, &t->c->timings.mel_cpu);
}

static int report_progress(const Transcription *t, size_t column) {
    if (t->options->progress &&
        t->options->progress(t->options->user, smaller(column * HOP, t->count), t->count) != 0)
        return w158_fail(t->error, -ECANCELED, "stopped by the caller");
    return 0;
}

static bool stopped(void *user) {
    const Transcription *t = user;

    return report_progress(t, t->column) < 0;
}

static int listen(Transcription *t, size_t column, size_t columns) {
    whisper158_context *c = t->c;
    Stopwatch since;
    uint32_t frames;
    int r;

    context_enter(c, WHISPER158_PHASE_MEL, frames_for(t, columns));
    frames = window_mel(t, column, columns);
    since = start(t);
    t->column = column;
    r = context_listen(c, c->window, frames, stopped, t, NULL, t->error);
    context_enter(c, WHISPER158_PHASE_TEXT, frames);
    stop(t, since, &c->timings.encode, &c->timings.encode_cpu);
    c->timings.windows++;
    c->timings.frames += frames;
    return r;
}

/* ---------------------------------------------------------------------------------------------------- decoding */

static void step(Transcription *t, uint32_t token, bool want_logits) {
    decoder_step(t->c->decoder, token, want_logits ? t->c->logits : NULL);
    t->c->timings.tokens++;
}

static void detect_language(Transcription *t) {
    const Decoding *d = t->c->model->decoding;
    const float *logits = t->c->logits;

    step(t, d->sot, true);
    t->language = 0;
    for (uint32_t i = 1; i < d->n_languages; i++)
        if (logits[d->first_language + i] > logits[d->first_language + t->language])
            t->language = i;
    t->language_known = true;
    decoder_rewind(t->c->decoder, 0);
}

static void push(Tokens *tokens, uint32_t token) {
    if (tokens->n < MAX_TEXT_CTX)
        tokens->at[tokens->n++] = token;
}

/* [the text before] start, language, task, no timestamps. Return: where the start stands. */
static size_t make_prompt(const Transcription *t, Tokens *prompt) {
    const Decoding *d = t->c->model->decoding;
    size_t room = t->c->model->info.n_text_ctx / 2 - 1, start_at;

    prompt->n = 0;
    if (t->previous.n > 0) {
        size_t skipped = t->previous.n > room ? t->previous.n - room : 0;

        push(prompt, d->sot_prev);
        for (size_t i = skipped; i < t->previous.n; i++)
            push(prompt, t->previous.at[i]);
    }
    start_at = prompt->n;
    push(prompt, d->sot);
    if (d->n_languages) {
        push(prompt, d->first_language + t->language);
        push(prompt, t->options->task == WHISPER158_TRANSLATE ? d->translate : d->transcribe);
    }
    if (!t->timestamps)
        push(prompt, d->no_timestamps);
    return start_at;
}

static int overflowed(const Transcription *t) {
    return w158_fail(t->error, -EDOM, "the decoder's numbers overflowed: the model's weights cannot be right");
}

/* Samples until the end of text, the limit, or a repetition. */
static int decode_window(Transcription *t, size_t column, size_t columns, Said *said) {
    const whisper158_model *model = t->c->model;
    const Decoding *d = model->decoding;
    size_t limit = TOKENS_PER_WINDOW + TOKENS_PER_SECOND * columns / WHISPER158_COLUMNS_PER_SECOND, start_at;
    size_t sampled = 0; /* some may be taken back for being a repetition */
    double sum = 0;
    Tokens prompt;

    start_at = make_prompt(t, &prompt);
    limit = smaller(smaller(limit, d->sample_length), model->info.n_text_ctx - smaller(prompt.n, model->info.n_text_ctx));
    *said = (Said){0};
    decoder_rewind(t->c->decoder, 0);
    for (size_t i = 0; i < smaller(prompt.n, model->info.n_text_ctx); i++) {
        int r = report_progress(t, column);

        if (r < 0)
            return r;
        step(t, prompt.at[i], i == start_at || i + 1 == prompt.n);
        if (i == start_at)
            said->no_speech_prob = sample_probability(t->c->logits, model->info.n_vocab, d->no_speech);
    }
    for (size_t i = 0; i < limit; i++) {
        uint32_t token;
        double logprob;
        size_t once;
        int r = report_progress(t, column);

        if (r < 0)
            return r;
        if (sample_greedy(model, t->timestamps, said->tokens.at, said->tokens.n, t->c->logits, &token, &logprob) < 0)
            return overflowed(t);
        sum += logprob;
        if (token == d->eot)
            break;
        push(&said->tokens, token);
        sampled++;
        once = sample_repetition(model, said->tokens.at, said->tokens.n);
        if (once > 0) {
            said->tokens.n = once;
            said->repetition = true;
            break;
        }
        if (i + 1 < limit)
            step(t, token, true);
    }
    said->avg_logprob = (float)(sum / (double)(sampled + 1));
    return 0;
}

/* For the windows that follow; make_prompt looks at the last ones only. */
static void remember(Transcription *t, const uint32_t *tokens, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (t->previous.n == MAX_TEXT_CTX) {
            memmove(t->previous.at, t->previous.at + MAX_TEXT_CTX / 2, MAX_TEXT_CTX / 2 * sizeof *t->previous.at);
            t->previous.n = MAX_TEXT_CTX / 2;
        }
        push(&t->previous, tokens[i]);
    }
}

/* ---------------------------------------------------------------------------------------------------- segments */

static bool is_timestamp(const Transcription *t, uint32_t token) {
    return token >= t->c->model->decoding->timestamp_begin;
}

/* Columns from the window's beginning to a timestamp. */
static size_t timestamp_columns(const Transcription *t, uint32_t token) {
    return (size_t)(token - t->c->model->decoding->timestamp_begin) * COLUMNS_PER_FRAME;
}

static bool is_blank(const char *text) {
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* Hands a segment out and keeps its tokens, unless it is empty. No time is behind the window's end, whatever the model says. */
static int emit(Transcription *t, const Said *said, const uint32_t *tokens, size_t n, size_t start_column, size_t end_column,
                size_t window_end, Tokens *kept) {
    char *text = tokens_text(t->c->model, tokens, n);
    whisper158_segment segment = {
        .start = (double)smaller(start_column, window_end) / WHISPER158_COLUMNS_PER_SECOND,
        .end = (double)smaller(end_column, window_end) / WHISPER158_COLUMNS_PER_SECOND,
        .text = text,
        .tokens = tokens,
        .n_tokens = n,
        .avg_logprob = said->avg_logprob,
        .no_speech_prob = said->no_speech_prob,
        .language = whisper158_model_get_language(t->c->model, t->language),
        .repetition = said->repetition,
    };
    int r = 0;

    if (!text)
        return w158_fail(t->error, -ENOMEM, "no memory for the text of a segment");
    if (start_column != end_column && !is_blank(text)) {
        for (size_t i = 0; i < n; i++)
            push(kept, tokens[i]);
        if (t->segment && t->segment(t->user, &segment) != 0)
            r = w158_fail(t->error, -ECANCELED, "stopped by the caller");
    }
    free(text);
    return r;
}

/* Splits what was said where two timestamps meet. *advance: columns to the next window; a timestamp behind the window's
 * end (the model may say so) does not lead past it. */
static int emit_window(Transcription *t, const Said *said, size_t column, size_t columns, size_t *advance) {
    const uint32_t *tokens = said->tokens.at;
    size_t n = said->tokens.n, first = 0;
    bool ends_in_one = n >= 2 && !is_timestamp(t, tokens[n - 2]) && is_timestamp(t, tokens[n - 1]);
    Tokens kept = {.n = 0};
    int r;

    *advance = columns;
    for (size_t i = 1; i <= n; i++) {
        bool pair = i < n && is_timestamp(t, tokens[i - 1]) && is_timestamp(t, tokens[i]);

        if (!pair && !(i == n && ends_in_one && first > 0))
            continue;
        r = emit(t, said, tokens + first, i - first, column + timestamp_columns(t, tokens[first]),
                 column + timestamp_columns(t, tokens[i - 1]), column + columns, &kept);
        if (r < 0)
            return r;
        first = i;
        if (pair)
            *advance = ends_in_one ? columns : smaller(columns, timestamp_columns(t, tokens[i - 1]));
    }
    if (first == 0) { /* no pair: one segment, as long as the last timestamp says, else as the window */
        size_t length = columns;

        for (size_t i = 0; i < n; i++)
            if (is_timestamp(t, tokens[i]) && timestamp_columns(t, tokens[i]) > 0)
                length = timestamp_columns(t, tokens[i]);
        r = emit(t, said, tokens, n, column, column + length, column + columns, &kept);
        if (r < 0)
            return r;
    }
    if (t->options->condition_on_previous)
        remember(t, kept.at, kept.n);
    else
        t->previous.n = 0; /* a caller's prompt has served */
    return 0;
}

/* One window. *advance: columns to the next one, more than 0. */
static int transcribe_window(Transcription *t, size_t column, size_t *advance) {
    size_t columns = smaller(t->window_columns, t->columns - column);
    Stopwatch since;
    Said said;
    int r;

    *advance = columns;
    if (is_silent(t, column, columns))
        return 0;
    r = listen(t, column, columns);
    if (r < 0)
        return r;
    since = start(t);
    if (!t->language_known)
        detect_language(t);
    r = decode_window(t, column, columns, &said);
    stop(t, since, &t->c->timings.decode, &t->c->timings.decode_cpu);
    if (r < 0)
        return r;
    if (said.no_speech_prob > t->options->no_speech_threshold && said.avg_logprob <= t->options->logprob_threshold)
        return 0;
    r = emit_window(t, &said, column, columns, advance);
    if (*advance == 0)
        *advance = columns;
    return r;
}

/* --------------------------------------------------------------------------------------------------- the whole */

static int find_language(Transcription *t) {
    const whisper158_model *model = t->c->model;
    const char *wanted = t->options->language;

    if (wanted && strcmp(wanted, "auto") == 0)
        wanted = NULL;
    t->language_known = model->info.n_languages == 0;
    if (!wanted)
        return 0;
    for (uint32_t i = 0; whisper158_model_get_language(model, i); i++)
        if (strcmp(whisper158_model_get_language(model, i), wanted) == 0) {
            t->language = i;
            t->language_known = true;
            return 0;
        }
    return w158_fail(t->error, -EINVAL, "the model does not know the language '%s'", wanted);
}

/* As Whisper spells it: one blank before, none behind. */
static int take_prompt(Transcription *t) {
    static const char blanks[] = " \t\r\n";
    const char *const given = t->options->prompt ? t->options->prompt : "";
    const char *const text = given + strspn(given, blanks);
    char spelt[WHISPER158_MAX_PROMPT + 1] = " ";
    uint32_t tokens[WHISPER158_MAX_PROMPT + 1];
    size_t length = strlen(text), n;
    int r;

    if (strlen(given) > WHISPER158_MAX_PROMPT)
        return w158_fail(t->error, -EINVAL, "the prompt has %zu bytes, and can have %d", strlen(given),
                         WHISPER158_MAX_PROMPT);
    while (length > 0 && strchr(blanks, text[length - 1]))
        length--;
    if (length == 0)
        return 0;
    memcpy(spelt + 1, text, length);
    r = bpe_encode(t->c->model, spelt, length + 1, tokens, &n, t->error);
    if (r >= 0)
        remember(t, tokens, n);
    return r;
}

static int check(const Transcription *t) {
    const whisper158_model_info *info = &t->c->model->info;

    if (t->options->audio_context > info->n_audio_ctx && t->options->audio_context != WHISPER158_AUDIO_CONTEXT_FULL)
        return w158_fail(t->error, -EINVAL, "an audio context of %u frames is more than the model's %u",
                         t->options->audio_context, info->n_audio_ctx);
    if (t->options->task == WHISPER158_TRANSLATE && info->n_languages == 0)
        return w158_fail(t->error, -EINVAL, "an English-only model cannot translate");
    return context_check_samples(t->samples, t->count, t->error);
}

int whisper158_transcribe(whisper158_context *context, const float *samples, size_t count,
                          const whisper158_options *options, whisper158_segment_fn segment, void *user,
                          whisper158_error *error) {
    static const whisper158_options defaults = WHISPER158_OPTIONS_DEFAULT;
    Transcription t = {.c = context, .options = options ? options : &defaults, .samples = samples, .count = count,
                       .segment = segment, .user = user, .error = error};
    int r;

    if (!context || (!samples && count))
        return w158_fail(error, -EINVAL, "whisper158_transcribe needs a context and samples");
    r = check(&t);
    if (r >= 0)
        r = find_language(&t);
    if (r >= 0)
        r = take_prompt(&t);
    if (r < 0)
        return r;
    context->timings = (whisper158_timings){0};
    t.fit = t.options->audio_context == WHISPER158_AUDIO_CONTEXT_AUTO;
    t.window_columns = COLUMNS_PER_FRAME * smaller(t.fit ? SIZE_MAX : t.options->audio_context,
                                                   context->model->info.n_audio_ctx);
    t.columns = count / HOP;
    t.timestamps = t.options->timestamps == WHISPER158_TIMESTAMPS_ON ||
                   (t.options->timestamps == WHISPER158_TIMESTAMPS_AUTO && !is_one_window(&t));
    if (!is_one_window(&t))
        find_loudest(&t);
    for (size_t column = 0, advance; column < t.columns; column += advance) {
        r = transcribe_window(&t, column, &advance);
        if (r < 0)
            return r;
        r = report_progress(&t, column + advance);
        if (r < 0)
            return r;
    }
    return 0;
}
