/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A tuning: what tune.c measured, what follows from it, and its text form, which outlives the process.
 *
 * Only measurements are kept; which candidate is taken is worked out from them whenever it is asked, so there is no
 * decision in a file that could contradict its numbers. A file comes from outside. The reader first sets up the tuning
 * that this build would measure for this model on this machine, and then takes from the text nothing but the numbers in
 * it: every other word must be the one expected, so no file can name a kernel that is not there.
 */
#include "tuning.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "error.h"

/* A candidate, or a number of threads, must be faster than the default by this factor to take its place. */
#define CLEARLY 1.03

static const char *const operation_names[] = {"gemm", "gemv"};
static const char *const format_names[] = {"f16", "plain", "nibbles", "t2", "t4", "t5"}; /* by MatrixFormat, as packings */

/* ------------------------------------------------------------------------------------------------ what there is */

uint64_t whisper158_model_get_id(const whisper158_model *model) {
    const Blob *blob = &model->blob;
    uint64_t id = 0;

    for (uint32_t i = 0; i < blob->n_sections; i++) {
        const BlobSection *s = &blob->sections[i];
        const uint64_t facts[] = {s->dtype,    s->rank,  s->shape[0], s->shape[1],
                                  s->shape[2], s->shape[3], s->group, s->dtype == BLOB_T158 ? 0 : s->checksum};

        id = XXH64(s->name, strlen(s->name), id);
        id = XXH64(facts, sizeof facts, id);
    }
    return id;
}

static Operation operation_of(const BlobSection *section) {
    return model_part_of(section)->last <= WHISPER158_PHASE_CROSS ? OPERATION_GEMM : OPERATION_GEMV;
}

/* Whether the blocks multiply 8-bit activations by these codes. */
static bool is_tunable(const BlobSection *section) {
    return section->group && strstr(section->name, ".blocks.") && section->shape[0] <= MAX_CHANNELS &&
           section->shape[1] <= MAX_CHANNELS;
}

static MatrixFormat format_of(const BlobSection *section) {
    return model_matrix_format(section->dtype, section->packing);
}

static bool is_ternary(MatrixFormat format) {
    return format >= MATRIX_T2;
}

/* Whether a section's codes are, or can be packed, in a format: ternary ones in three, all others in their own. */
static bool may_be(const BlobSection *section, MatrixFormat format) {
    return format == format_of(section) || (is_ternary(format) && is_ternary(format_of(section)));
}

static bool is_of(const TunedLayer *layer, const BlobSection *section) {
    return layer->operation == operation_of(section) && may_be(section, layer->candidates[0].format) &&
           layer->rows == section->shape[0] && layer->channels == section->shape[1] && layer->group == section->group;
}

static void add_gemms(TunedLayer *layer, const Kernels *k, MatrixFormat format) {
    const GemmVariants *variants = &k->gemm_i8_variants[format];

    for (uint32_t i = 0; i < variants->count; i++)
        layer->candidates[layer->n_candidates++] =
            (Candidate){.format = format, .variant = variants->at[i].name, .gemm = variants->at[i].run};
    if (variants->count == 0)
        layer->candidates[layer->n_candidates++] =
            (Candidate){.format = format, .variant = k->name, .gemm = k->gemm_i8[format]};
}

static void add_candidates(TunedLayer *layer, const Kernels *k, const BlobSection *section) {
    for (MatrixFormat format = MATRIX_I8; format < MATRIX_FORMATS; format++) {
        if (!may_be(section, format))
            continue;
        if (layer->operation == OPERATION_GEMM)
            add_gemms(layer, k, format);
        else
            layer->candidates[layer->n_candidates++] = (Candidate){.format = format, .variant = k->name};
    }
}

/* The format of most of a layer's matrices; of several, the first. */
static MatrixFormat usual_format(const TunedLayer *layer, const Blob *blob) {
    uint32_t counts[MATRIX_FORMATS] = {0}, most = MATRIX_F16;

    for (uint32_t i = 0; i < blob->n_sections; i++)
        if (is_tunable(&blob->sections[i]) && is_of(layer, &blob->sections[i]))
            counts[format_of(&blob->sections[i])]++;
    for (uint32_t f = MATRIX_F16; f < MATRIX_FORMATS; f++)
        most = counts[f] > counts[most] ? f : most;
    return (MatrixFormat)most;
}

static void add_section(whisper158_tuning *t, const BlobSection *section) {
    TunedLayer layer = {.operation = operation_of(section),
                        .rows = section->shape[0],
                        .channels = section->shape[1],
                        .group = section->group,
                        .matrices = 1};

    for (uint32_t i = 0; i < t->n_layers; i++)
        if (is_of(&t->layers[i], section)) {
            t->layers[i].matrices++;
            return;
        }
    add_candidates(&layer, &t->kernels, section);
    if (layer.n_candidates > 1 && t->n_layers < MAX_LAYERS)
        t->layers[t->n_layers++] = layer;
}

void tuning_init(whisper158_tuning *t, const whisper158_model *model, const Machine *machine) {
    const Blob *blob = &model->blob;
    Kernels k;

    *t = (whisper158_tuning){
        .machine = *machine, .model = whisper158_model_get_id(model), .frames = model->info.n_audio_ctx};
    for (uint32_t i = 0; kernels_init(&k, i) == 0; i++)
        t->kernels = k;
    for (uint32_t i = 0; model->info.activation_bits == 8 && i < blob->n_sections; i++)
        if (is_tunable(&blob->sections[i]))
            add_section(t, &blob->sections[i]);
    for (uint32_t i = 0; i < t->n_layers; i++)
        t->layers[i].format = usual_format(&t->layers[i], blob);
}

const TunedLayer *tuning_layer_of(const whisper158_tuning *t, const BlobSection *section) {
    for (uint32_t i = 0; is_tunable(section) && i < t->n_layers; i++)
        if (is_of(&t->layers[i], section))
            return &t->layers[i];
    return NULL;
}

/* ---------------------------------------------------------------------------------------------- what is fastest */

bool tuning_is_default(const Candidate *c, const Kernels *k) {
    return !c->gemm || c->gemm == k->gemm_i8[c->format];
}

static const Candidate *fastest_of_format(const TunedLayer *layer, const Kernels *k, MatrixFormat format) {
    const Candidate *best = NULL, *usual = NULL;

    for (uint32_t i = 0; i < layer->n_candidates; i++) {
        const Candidate *c = &layer->candidates[i];

        if (c->format != format)
            continue;
        if (tuning_is_default(c, k))
            usual = c;
        if (!best || c->rate > best->rate)
            best = c;
    }
    return usual && (double)usual->rate * CLEARLY > (double)best->rate ? usual : best;
}

const Candidate *tuning_fastest(const TunedLayer *layer, const Kernels *k, MatrixFormat format) {
    const Candidate *usual = fastest_of_format(layer, k, layer->format), *best = usual;

    if (format != MATRIX_FORMATS)
        return fastest_of_format(layer, k, format);
    for (MatrixFormat f = MATRIX_I8; f < MATRIX_FORMATS; f++) {
        const Candidate *c = fastest_of_format(layer, k, f);

        if (c && c->rate > best->rate)
            best = c;
    }
    return (double)usual->rate * CLEARLY > (double)best->rate ? usual : best;
}

uint32_t tuning_threads(const ThreadCounts *counts, uint32_t fallback) {
    const ThreadCount *best = NULL, *usual = NULL;

    for (uint32_t i = 0; i < counts->n; i++) {
        const ThreadCount *c = &counts->at[i];

        if (c->runs == 0)
            continue;
        if (c->threads == fallback)
            usual = c;
        if (!best || c->microseconds < best->microseconds)
            best = c;
    }
    if (!best || (usual && (double)usual->microseconds < (double)best->microseconds * CLEARLY))
        return fallback;
    return best->threads;
}

bool tuning_fits(const whisper158_tuning *t, const Kernels *k) {
    return strcmp(t->kernels.name, k->name) == 0;
}

void tuning_apply(const whisper158_tuning *t, Kernels *k) {
    if (!tuning_fits(t, k))
        return;
    for (uint32_t i = 0; i < t->n_layers; i++) {
        const TunedLayer *layer = &t->layers[i];

        for (MatrixFormat f = MATRIX_I8; layer->operation == OPERATION_GEMM && f < MATRIX_FORMATS; f++) {
            const Candidate *c = fastest_of_format(layer, k, f);

            if (c && !tuning_is_default(c, k))
                kernels_choose_gemm_i8(k, (Choice){f, layer->rows, layer->channels, layer->group, c->gemm});
        }
    }
}

/* ---------------------------------------------------------------------------------------------------- as a table */

double tuning_cost(const whisper158_tuning *t, const TunedLayer *layer) {
    const Candidate *c = fastest_of_format(layer, &t->kernels, layer->format);
    const double times = layer->operation == OPERATION_GEMM ? t->frames : TOKENS_OF_WINDOW;

    return c->rate ? (double)layer->rows * layer->channels * layer->matrices * times / (1e3 * (double)c->rate) : 0;
}

int whisper158_tuning_get_layer(const whisper158_tuning *t, uint32_t index, whisper158_tuned_layer *out) {
    const TunedLayer *layer;
    double all = 0;

    if (index >= t->n_layers)
        return -EINVAL;
    layer = &t->layers[index];
    for (uint32_t i = 0; i < t->n_layers; i++)
        all += tuning_cost(t, &t->layers[i]);
    *out = (whisper158_tuned_layer){.operation = operation_names[layer->operation],
                                    .rows = layer->rows,
                                    .channels = layer->channels,
                                    .group = layer->group,
                                    .matrices = layer->matrices,
                                    .packing = format_names[layer->format],
                                    .share = all > 0 ? tuning_cost(t, layer) / all : 0,
                                    .n_candidates = layer->n_candidates};
    return 0;
}

int whisper158_tuning_get_candidate(const whisper158_tuning *t, uint32_t index, uint32_t candidate,
                                    whisper158_tuned_candidate *out) {
    const TunedLayer *layer;
    const Candidate *c;

    if (index >= t->n_layers || candidate >= t->layers[index].n_candidates)
        return -EINVAL;
    layer = &t->layers[index];
    c = &layer->candidates[candidate];
    *out = (whisper158_tuned_candidate){.packing = format_names[c->format],
                                        .variant = c->variant,
                                        .gmacs = 1e-6 * (double)c->rate,
                                        .runs = c->runs,
                                        .chosen = c == fastest_of_format(layer, &t->kernels, c->format),
                                        .fastest = c == tuning_fastest(layer, &t->kernels, MATRIX_FORMATS)};
    return 0;
}

int whisper158_tuning_get_threads(const whisper158_tuning *t, whisper158_tuned_stage stage, uint32_t index,
                                  whisper158_tuned_threads *out) {
    const ThreadCounts *counts = stage == WHISPER158_TUNED_ENCODE ? &t->encode : &t->decode;
    const ThreadCount *c;

    if (index >= counts->n)
        return -EINVAL;
    c = &counts->at[index];
    *out = (whisper158_tuned_threads){.threads = c->threads,
                                      .seconds = 1e-6 * (double)c->microseconds,
                                      .runs = c->runs,
                                      .chosen = c->threads == tuning_threads(counts, machine_threads())};
    return 0;
}

const char *whisper158_tuning_get_kernels(const whisper158_tuning *t) {
    return t->kernels.name;
}

const char *whisper158_tuning_get_machine(const whisper158_tuning *t) {
    return t->machine.text;
}

whisper158_tuning *whisper158_tuning_free(whisper158_tuning *t) {
    free(t);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------ as text */
/*
 * Lines of words with single spaces between them; whole decimal numbers, so that no locale has a say. In this order:
 *
 *     whisper158-tuning 1
 *     version VERSION
 *     model ID
 *     machine DESCRIPTION
 *     kernels SET
 *     encode THREADS MICROSECONDS RUNS             one line for each number of threads
 *     decode THREADS MICROSECONDS RUNS             likewise
 *     layer OPERATION ROWS CHANNELS GROUP MATRICES PACKING
 *     candidate PACKING VARIANT RATE RUNS          all of the layer's; rate in thousand multiply-accumulates a second
 *     checksum XXH64                               of all that is above
 */

#define MAX_NUMBER (UINT64_C(1) << 50)

typedef struct Text {
    char *to;
    size_t room, size; /* the size that it would have with enough room */
} Text;

__attribute__((format(printf, 2, 3))) static void put(Text *text, const char *format, ...) {
    const size_t at = text->size < text->room ? text->size : text->room;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->room ? text->to + at : NULL, text->room - at, format, args);
    va_end(args);
    text->size += n < 0 ? 0 : (size_t)n;
}

static void put_head(Text *text, const whisper158_tuning *t) {
    put(text, "whisper158-tuning 1\nversion %s\nmodel %016" PRIx64 "\nmachine %s\nkernels %s\n", WHISPER158_VERSION,
        t->model, t->machine.text, t->kernels.name);
}

static void put_threads(Text *text, const char *stage, const ThreadCounts *counts) {
    for (uint32_t i = 0; i < counts->n; i++)
        put(text, "%s %" PRIu32 " %" PRIu64 " %" PRIu32 "\n", stage, counts->at[i].threads, counts->at[i].microseconds,
            counts->at[i].runs);
}

static void put_layer(Text *text, const TunedLayer *layer) {
    put(text, "layer %s %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %s\n", operation_names[layer->operation],
        layer->rows, layer->channels, layer->group, layer->matrices, format_names[layer->format]);
    for (uint32_t i = 0; i < layer->n_candidates; i++) {
        const Candidate *c = &layer->candidates[i];

        put(text, "candidate %s %s %" PRIu64 " %" PRIu32 "\n", format_names[c->format], c->variant, c->rate, c->runs);
    }
}

size_t whisper158_tuning_write(const whisper158_tuning *t, char *out, size_t room) {
    Text text = {out, room, 0};

    put_head(&text, t);
    put_threads(&text, "encode", &t->encode);
    put_threads(&text, "decode", &t->decode);
    for (uint32_t i = 0; i < t->n_layers; i++)
        put_layer(&text, &t->layers[i]);
    put(&text, "checksum %016" PRIx64 "\n", text.size < room ? XXH64(out, text.size, 0) : 0);
    return text.size;
}

typedef struct TextReader {
    const char *at, *end;
    uint32_t line;
    whisper158_error *error;
} TextReader;

static int damaged(const TextReader *r, const char *what) {
    return w158_fail(r->error, -EBADMSG, "line %" PRIu32 " is damaged: %s", r->line, what);
}

/* Takes a text that must come next. */
static bool take(TextReader *r, const char *text) {
    const size_t length = strlen(text);

    if ((size_t)(r->end - r->at) < length || memcmp(r->at, text, length) != 0)
        return false;
    r->line += text[length - 1] == '\n';
    r->at += length;
    return true;
}

/* Takes a number as `put` writes it, 1 to `max`, and what must stand behind it. */
static bool take_number(TextReader *r, uint64_t *out, uint64_t max, const char *behind) {
    uint64_t value = 0;

    if (r->at < r->end && *r->at == '0')
        return false;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9' && value <= max; r->at++)
        value = 10 * value + (uint64_t)(*r->at - '0');
    *out = value;
    return value >= 1 && value <= max && take(r, behind);
}

static int take_threads(TextReader *r, const char *stage, ThreadCounts *counts) {
    while (take(r, stage)) {
        ThreadCount *c = &counts->at[counts->n];
        uint64_t threads, runs;

        if (counts->n == MAX_COUNTS || !take_number(r, &threads, WHISPER158_MAX_THREADS, " "))
            return damaged(r, "a number of threads is expected");
        if (counts->n > 0 && threads <= counts->at[counts->n - 1].threads)
            return damaged(r, "a number of threads is out of order");
        if (!take_number(r, &c->microseconds, MAX_NUMBER, " ") || !take_number(r, &runs, UINT32_MAX, "\n"))
            return damaged(r, "microseconds and runs are expected");
        c->threads = (uint32_t)threads;
        c->runs = (uint32_t)runs;
        counts->n++;
    }
    return counts->n > 0 ? 0 : damaged(r, "times for numbers of threads are expected");
}

static bool has_format(const TunedLayer *layer, MatrixFormat format) {
    for (uint32_t i = 0; i < layer->n_candidates; i++)
        if (layer->candidates[i].format == format)
            return true;
    return false;
}

/* The line that would be here, had it been measured now. */
static int take_layer(TextReader *r, TunedLayer *layer) {
    char line[128];
    MatrixFormat format;

    (void)snprintf(line, sizeof line, "layer %s %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " ",
                   operation_names[layer->operation], layer->rows, layer->channels, layer->group, layer->matrices);
    if (!take(r, line))
        return w158_fail(r->error, -ESTALE, "line %" PRIu32 " is about other layers than this model's", r->line);
    for (format = MATRIX_I8; format < MATRIX_FORMATS; format++)
        if (take(r, format_names[format]))
            break;
    if (format == MATRIX_FORMATS || !has_format(layer, format) || !take(r, "\n"))
        return damaged(r, "a packing is expected that the layer can have");
    layer->format = format;
    for (uint32_t i = 0; i < layer->n_candidates; i++) {
        Candidate *c = &layer->candidates[i];
        uint64_t runs;

        (void)snprintf(line, sizeof line, "candidate %s %s ", format_names[c->format], c->variant);
        if (!take(r, line))
            return w158_fail(r->error, -ESTALE, "line %" PRIu32 " is about other kernels than this program's", r->line);
        if (!take_number(r, &c->rate, MAX_NUMBER, " ") || !take_number(r, &runs, UINT32_MAX, "\n"))
            return damaged(r, "rate and runs are expected");
        c->runs = (uint32_t)runs;
    }
    return 0;
}

/* The first lines, one by one, to tell what is different. */
static int take_head(TextReader *r, const whisper158_tuning *t) {
    static const char *const reasons[] = {"has another form than this version of whisper158 gives it",
                                          "was measured by another version of whisper158",
                                          "is about another model",
                                          "was measured on another machine",
                                          "is about other kernels than are the best here"};
    char lines[1024], line[512], *next = lines;
    Text text = {lines, sizeof lines, 0};

    put_head(&text, t);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        const size_t length = strcspn(next, "\n") + 1;

        (void)snprintf(line, sizeof line, "%.*s", (int)length, next);
        if (!take(r, line))
            return w158_fail(r->error, -ESTALE, "it %s", reasons[i]);
        next += length;
    }
    return 0;
}

/* The last line, which is told from the rest by its length alone; a file that is cut short has none that fits. */
static int take_checksum(TextReader *r) {
    static const size_t length = sizeof "checksum 0123456789abcdef\n" - 1;
    const size_t size = (size_t)(r->end - r->at);
    char line[64];

    if (size < length)
        return w158_fail(r->error, -EBADMSG, "it is damaged: it is cut short");
    (void)snprintf(line, sizeof line, "checksum %016" PRIx64 "\n", (uint64_t)XXH64(r->at, size - length, 0));
    if (memcmp(r->end - length, line, length) != 0)
        return w158_fail(r->error, -EBADMSG, "it is damaged: its checksum does not match");
    r->end -= length;
    return 0;
}

static int take_all(TextReader *r, whisper158_tuning *t) {
    int result = take_checksum(r);

    if (result >= 0)
        result = take_head(r, t);
    if (result >= 0)
        result = take_threads(r, "encode ", &t->encode);
    if (result >= 0)
        result = take_threads(r, "decode ", &t->decode);
    for (uint32_t i = 0; result >= 0 && i < t->n_layers; i++)
        result = take_layer(r, &t->layers[i]);
    if (result >= 0 && r->at != r->end)
        result = w158_fail(r->error, -ESTALE, "line %" PRIu32 " is about more layers than this model has", r->line);
    return result;
}

int tuning_read(whisper158_tuning **out, const whisper158_model *model, const Machine *machine, const char *text,
                size_t size, whisper158_error *error) {
    TextReader reader = {.at = text, .end = text + size, .line = 1, .error = error};
    whisper158_tuning *t;
    int r;

    if (size > TUNING_TEXT)
        return w158_fail(error, -EFBIG, "it is too large to be a tuning");
    t = malloc(sizeof *t);
    if (!t)
        return w158_fail(error, -ENOMEM, "no memory for a tuning");
    tuning_init(t, model, machine);
    r = take_all(&reader, t);
    if (r < 0) {
        free(t);
        return r;
    }
    *out = t;
    return 0;
}

int whisper158_tuning_read(whisper158_tuning **out, const whisper158_model *model, const char *text, size_t size,
                           whisper158_error *error) {
    Machine machine;

    if (!out || !model || !text)
        return w158_fail(error, -EINVAL, "whisper158_tuning_read needs a model, a text and a place for the tuning");
    machine_describe(&machine);
    return tuning_read(out, model, &machine, text, size, error);
}
