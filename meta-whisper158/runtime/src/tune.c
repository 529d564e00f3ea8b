/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The tuner: measures on this machine which way to multiply is fastest for each shape that a model's layers have.
 *
 * What is measured is what will run: the model's own codes, repacked where a candidate wants another packing; eight
 * tiles of frames at a time as in the encoder, or one token's vector; all threads at work at once, each on its part, so
 * that they quarrel about caches and memory as they will; and one matrix after the other, so that weights come from as
 * far away as they will.
 *
 * How time is spent is successive halving (Karnin, Koren, Somekh 2013): first every candidate gets one short run, from
 * which each shape's part of the whole cost is known. Then there are rounds of equal length in which each shape gets
 * time in proportion to its part, and its candidates take turns; after each round the slower half drops out, so that
 * those who are left get twice as much in the next. The fastest in the blob's own packing never drops out, because it
 * is needed even where the blob is not rewritten; nor does the fastest in another packing while it has a chance; nor
 * what would be taken without a tuning, because all must be compared with it.
 *
 * Other programs may be at work. So candidates take turns within milliseconds and whatever slows the machine down meets
 * all of them; the time of a candidate is the least of all its runs; it is processor time, which does not pass while
 * another program runs; and who is not clearly faster than the default does not take its place (tuning.c). Only numbers
 * of threads have to be compared by the clock on the wall.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chunk.h"
#include "clock.h"
#include "context.h"
#include "error.h"
#include "repack.h"
#include "tuning.h"

#define DEFAULT_SECONDS 60
#define KERNELS_PART 0.7       /* of the time; the rest is for numbers of threads */
#define RUN_SECONDS 1e-3       /* of processor time, that one run takes at least */
#define ROTATION_BYTES 4194304 /* of a shape's matrices in packing t2 that take turns: more than a small cache holds */
#define HOPELESS 1.5           /* times as slow as the fastest */
#define TOKENS 8u              /* of one run of the decoder */

/* --------------------------------------------------------------------------------------------------------- races */

typedef struct Runner {
    double seconds;  /* of the best run */
    uint32_t runs;
    uint32_t family; /* number of */
    bool needed;     /* the family: its fastest stays */
    bool stays;
    bool out;
} Runner;

typedef struct Race {
    Runner *runners;
    uint32_t n;
    double (*run)(void *arg, uint32_t runner); /* returns seconds, or what is no positive number to stop */
    void *arg;
} Race;

typedef struct Tuner {
    const whisper158_model *model;
    const whisper158_tune_options *options;
    whisper158_error *error;
    whisper158_tuning *tuning;
    double start, seconds; /* all that may be spent, from start on */
    int result;            /* of the first failure, which ends everything */
} Tuner;

static double now(void) {
    return clock_seconds(CLOCK_MONOTONIC);
}

static bool goes_on(Tuner *t) {
    const double share = (now() - t->start) / t->seconds;

    if (t->result >= 0 && t->options->progress && t->options->progress(t->options->user, fmin(share, 1)) != 0)
        t->result = w158_fail(t->error, -ECANCELED, "tuning was stopped");
    return t->result >= 0;
}

/* Who is still in the race runs, one after the other; until `seconds` have passed, but once at least. */
static void race_for(Tuner *t, const Race *race, double seconds) {
    const double start = now();

    do {
        for (uint32_t i = 0; i < race->n && goes_on(t); i++) {
            Runner *runner = &race->runners[i];
            double taken;

            if (runner->out)
                continue;
            taken = race->run(race->arg, i);
            if (!(taken > 0))
                return;
            if (runner->runs == 0 || taken < runner->seconds)
                runner->seconds = taken;
            runner->runs++;
        }
    } while (t->result >= 0 && now() - start < seconds);
}

/* How many are faster, of all or of one's own family. */
static uint32_t rank(const Race *race, const Runner *runner, bool of_family) {
    uint32_t faster = 0;

    for (uint32_t i = 0; i < race->n; i++) {
        const Runner *other = &race->runners[i];

        if (!other->out && other->seconds < runner->seconds && (!of_family || other->family == runner->family))
            faster++;
    }
    return faster;
}

/* The fastest of its family, which is needed or has a chance. */
static bool leads(const Race *race, const Runner *runner) {
    double best = runner->seconds;

    for (uint32_t i = 0; i < race->n; i++)
        best = fmin(best, race->runners[i].seconds);
    return rank(race, runner, true) == 0 && (runner->needed || runner->seconds < HOPELESS * best);
}

static void race_halve(const Race *race) {
    bool leaves[MAX_CANDIDATES > MAX_COUNTS ? MAX_CANDIDATES : MAX_COUNTS] = {false};
    uint32_t running = 0;

    for (uint32_t i = 0; i < race->n; i++)
        running += !race->runners[i].out;
    for (uint32_t i = 0; i < race->n; i++) {
        const Runner *runner = &race->runners[i];

        leaves[i] = !runner->stays && !leads(race, runner) && rank(race, runner, false) >= (running + 1) / 2;
    }
    for (uint32_t i = 0; i < race->n; i++)
        race->runners[i].out = race->runners[i].out || leaves[i];
}

/* Halvings until one of n is left; one round at least. */
static uint32_t rounds_for(uint32_t n) {
    uint32_t rounds = 1;

    for (; n > 2; n = (n + 1) / 2)
        rounds++;
    return rounds;
}

/* -------------------------------------------------------------------------------------------------------- kernels */

/* What candidates work with, large enough for every shape. */
typedef struct Workbench {
    const Kernels *kernels;
    Pool *pool;
    size_t n_tiles;  /* of a chunk */
    int8_t *q;       /* [n_tiles][widest][TILE] */
    float *q_scale;  /* [n_tiles][TILE], ones */
    float *bias;     /* [highest], zeros */
    float *scale;    /* [weights / group], ones, for the shape that has most */
    float **y;       /* [threads][n_tiles][highest][TILE] */
    void **scratch;  /* [threads] */
    int8_t *codes4;  /* for repack */
} Workbench;

/* A shape, ready to be measured. */
typedef struct Course {
    Workbench *bench;
    TunedLayer *layer;
    Runner runners[MAX_CANDIDATES];
    uint32_t repeats[MAX_CANDIDATES];    /* in one run */
    uint32_t n;                          /* matrices that take turns */
    uint32_t next;                       /* of them */
    const void **codes[MATRIX_FORMATS];  /* [n] */
    uint8_t *packed[MATRIX_FORMATS];     /* where these lead to, unless into the blob */
} Course;

typedef struct Product {
    const Course *course;
    const Candidate *candidate;
    GemvI8 *gemv;
    Matrix w;
    uint32_t rows; /* of an item */
} Product;

static void gemm_item(void *arg, size_t item, uint32_t worker) {
    const Product *p = arg;
    const Workbench *b = p->course->bench;

    (void)item;
    p->candidate->gemm(&p->w, b->bias, FINISH_STORE, b->q, b->q_scale, b->n_tiles, b->y[worker], b->scratch[worker]);
}

static void gemv_item(void *arg, size_t item, uint32_t worker) {
    const Product *p = arg;
    const Workbench *b = p->course->bench;
    const uint32_t first = (uint32_t)item * p->rows, rest = p->w.rows - first;

    (void)worker;
    p->gemv(&p->w, b->bias, b->q, 1, first, first + (rest < p->rows ? rest : p->rows), b->y[0]);
}

static void multiply(Course *course, const Candidate *c, GemvI8 *gemv) {
    const TunedLayer *layer = course->layer;
    Product p = {.course = course,
                 .candidate = c,
                 .gemv = gemv,
                 .w = {.format = c->format,
                       .rows = layer->rows,
                       .channels = layer->channels,
                       .group = layer->group,
                       .codes = course->codes[c->format][course->next++ % course->n],
                       .scale = course->bench->scale}};

    p.rows = decoder_item_rows(&p.w);
    if (layer->operation == OPERATION_GEMM)
        pool_run(course->bench->pool, gemm_item, &p, pool_threads(course->bench->pool));
    else
        pool_run(course->bench->pool, gemv_item, &p, (layer->rows + p.rows - 1) / p.rows);
}

/* Multiply-accumulates of one call of multiply. */
static double work(const Course *course) {
    const TunedLayer *layer = course->layer;
    const size_t frames = course->bench->n_tiles * TILE * pool_threads(course->bench->pool);

    return (double)layer->rows * layer->channels * (double)(layer->operation == OPERATION_GEMM ? frames : 1);
}

/* Processor seconds of one call of multiply. */
static double run_candidate(void *arg, uint32_t index) {
    Course *course = arg;
    Candidate *c = &course->layer->candidates[index];
    GemvI8 *const gemv = course->bench->kernels->gemv_i8[c->format];
    double taken, rate;

    for (;;) {
        const double start = pool_cpu_seconds(course->bench->pool);

        for (uint32_t i = 0; i < course->repeats[index]; i++)
            multiply(course, c, gemv);
        taken = pool_cpu_seconds(course->bench->pool) - start;
        if (taken >= RUN_SECONDS || course->repeats[index] >= 1u << 20)
            break;
        course->repeats[index] *= 2;
    }
    taken = fmax(taken / course->repeats[index], 1e-9);
    rate = fmax(work(course) / taken / 1e3, 1);
    c->rate = rate > (double)c->rate ? (uint64_t)rate : c->rate;
    c->runs++;
    return taken;
}

/* Zeroed, aligned to 64. */
static void *array(size_t n, size_t size) {
    const size_t bytes = (n * size + 63) / 64 * 64;
    void *p = aligned_alloc(64, bytes ? bytes : 64);

    if (p)
        memset(p, 0, bytes);
    return p;
}

static float *ones(size_t n) {
    float *p = array(n, sizeof *p);

    for (size_t i = 0; p && i < n; i++)
        p[i] = 1;
    return p;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static void bench_free(Workbench *b) {
    const uint32_t threads = b->pool ? pool_threads(b->pool) : 0;

    for (uint32_t i = 0; i < threads; i++) {
        free(b->y ? b->y[i] : NULL);
        free(b->scratch ? b->scratch[i] : NULL);
    }
    free(b->q);
    free(b->q_scale);
    free(b->bias);
    free(b->scale);
    free(b->y);
    free(b->scratch);
    free(b->codes4);
    pool_free(b->pool);
}

/* Activations need not mean anything, but should be as different as real ones. */
static void fill(int8_t *q, size_t n) {
    uint32_t state = 158;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        q[i] = (int8_t)((int)(state >> 24) % 255 - 127);
    }
}

/* Sizes are bounded: rows and channels by MAX_CHANNELS (tuning.c), threads by WHISPER158_MAX_THREADS. */
static int bench_new(Workbench *b, const whisper158_tuning *tuning, uint32_t threads) {
    size_t highest = 4, widest = 1, most_scales = 1, scratch = 64;
    bool complete;
    int r;

    *b = (Workbench){.kernels = &tuning->kernels, .n_tiles = tiles(tuning->frames)};
    b->n_tiles = b->n_tiles < CHUNK_TILES ? b->n_tiles : CHUNK_TILES;
    for (uint32_t i = 0; i < tuning->n_layers; i++) {
        const TunedLayer *layer = &tuning->layers[i];

        highest = larger(highest, layer->rows);
        widest = larger(widest, layer->channels);
        most_scales = larger(most_scales, (size_t)layer->rows * (layer->channels / layer->group));
        scratch = larger(scratch, kernels_scratch(layer->rows, layer->channels));
    }
    r = pool_new(&b->pool, threads);
    if (r < 0)
        return r;
    b->q = array(b->n_tiles * widest, TILE);
    b->q_scale = ones(b->n_tiles * TILE);
    b->bias = array(highest, sizeof *b->bias);
    b->scale = ones(most_scales);
    b->codes4 = array(4, widest);
    b->y = array(threads, sizeof *b->y);
    b->scratch = array(threads, sizeof *b->scratch);
    complete = b->q && b->q_scale && b->bias && b->scale && b->codes4 && b->y && b->scratch;
    for (uint32_t i = 0; complete && i < threads; i++) {
        b->y[i] = array(b->n_tiles * highest, TILE * sizeof **b->y);
        b->scratch[i] = array(1, scratch);
        complete = b->y[i] && b->scratch[i];
    }
    if (complete)
        fill(b->q, b->n_tiles * widest * TILE);
    return complete ? 0 : -ENOMEM;
}

static void course_free(Course *course) {
    for (uint32_t f = 0; f < MATRIX_FORMATS; f++) {
        free(course->codes[f]);
        free(course->packed[f]);
    }
}

/* The codes of the course's matrices in one format: in the blob, or repacked. */
static int course_pack(Course *course, const Tuner *t, MatrixFormat format) {
    const Blob *blob = &t->model->blob;
    size_t size = 0, n = 0;

    course->codes[format] = calloc(course->n, sizeof *course->codes[format]);
    if (!course->codes[format])
        return -ENOMEM;
    for (uint32_t i = 0; i < blob->n_sections && n < course->n; i++) {
        BlobSection s = blob->sections[i];
        const Matrix from = {.format = model_matrix_format(s.dtype, s.packing),
                             .rows = s.shape[0],
                             .channels = s.shape[1],
                             .group = s.group,
                             .codes = s.data};

        if (tuning_layer_of(t->tuning, &s) != course->layer)
            continue;
        course->codes[format][n] = s.data;
        if (format >= MATRIX_T2) {
            s.packing = (BlobPacking)(format - MATRIX_T2 + BLOB_T2);
            size = (blob_payload_size(&s) + 63) / 64 * 64;
            if (!course->packed[format])
                course->packed[format] = array(course->n, size);
            if (!course->packed[format])
                return -ENOMEM;
            course->codes[format][n] = course->packed[format] + n * size;
            repack(&from, format, course->packed[format] + n * size, course->bench->codes4);
        }
        n++;
    }
    return 0;
}

static int course_new(Course *course, const Tuner *t, Workbench *bench, TunedLayer *layer) {
    const uint64_t some = 4 * (uint64_t)ROTATION_BYTES / ((uint64_t)layer->rows * layer->channels);
    int r = 0;

    *course = (Course){.bench = bench, .layer = layer, .n = some < 1 ? 1 : (uint32_t)some};
    course->n = course->n < layer->matrices ? course->n : layer->matrices;
    for (uint32_t i = 0; i < layer->n_candidates && r >= 0; i++) {
        const Candidate *c = &layer->candidates[i];

        course->repeats[i] = 1;
        course->runners[i] = (Runner){.family = c->format,
                                      .needed = c->format == layer->format,
                                      .stays = c->format == layer->format && tuning_is_default(c, bench->kernels)};
        if (!course->codes[c->format])
            r = course_pack(course, t, c->format);
    }
    return r;
}

static Race race_of(Course *course) {
    return (Race){course->runners, course->layer->n_candidates, run_candidate, course};
}

static void run_courses(Tuner *t, Course *courses, uint32_t n) {
    uint32_t most = 1, rounds;
    double left;

    for (uint32_t i = 0; i < n; i++) {
        const Race race = race_of(&courses[i]);

        race_for(t, &race, 0);
        most = (uint32_t)larger(most, race.n);
    }
    rounds = rounds_for(most);
    left = t->seconds * KERNELS_PART - (now() - t->start);
    for (uint32_t round = 0; round < rounds && left > 0; round++) {
        double all = 0;

        for (uint32_t i = 0; i < n; i++)
            all += tuning_cost(t->tuning, courses[i].layer);
        for (uint32_t i = 0; i < n && goes_on(t); i++) {
            const Race race = race_of(&courses[i]);

            race_for(t, &race, left / rounds * tuning_cost(t->tuning, courses[i].layer) / all);
            race_halve(&race);
        }
    }
}

static int tune_kernels(Tuner *t, uint32_t threads) {
    const uint32_t n = t->tuning->n_layers;
    Course *courses = calloc(n ? n : 1, sizeof *courses);
    Workbench bench = {0};
    int r = courses ? bench_new(&bench, t->tuning, threads) : -ENOMEM;

    for (uint32_t i = 0; r >= 0 && i < n && goes_on(t); i++)
        r = course_new(&courses[i], t, &bench, &t->tuning->layers[i]);
    if (r >= 0 && t->result >= 0)
        run_courses(t, courses, n);
    for (uint32_t i = 0; courses && i < n; i++)
        course_free(&courses[i]);
    free(courses);
    bench_free(&bench);
    if (r == -ENOMEM)
        return w158_fail(t->error, r, "no memory for the weights in all packings");
    return r < 0 ? w158_fail(t->error, r, "cannot start %u threads: %s", threads, strerror(-r)) : t->result;
}

/* -------------------------------------------------------------------------------------------------------- threads */

/* Two stages of a transcription, each with any number of threads. */
typedef struct Stages {
    Tuner *tuner;
    whisper158_context *context;
    uint32_t frames; /* so many that each thread has a chunk */
    uint32_t tokens;
    float *mel, *logits;
} Stages;

static double since(Stages *s, double start, int r) {
    if (r < 0)
        s->tuner->result = r;
    return r < 0 ? 0 : fmax(now() - start, 1e-6);
}

static double run_encode(void *arg, uint32_t index) {
    Stages *s = arg;
    const double start = now();

    s->context->listeners = s->tuner->tuning->encode.at[index].threads;
    return since(s, start, whisper158_encode(s->context, s->mel, s->frames, NULL, s->tuner->error));
}

static double run_decode(void *arg, uint32_t index) {
    Stages *s = arg;
    const double start = now();
    uint32_t tokens[TOKENS] = {0};
    int r = 0;

    pool_limit(s->context->pool, s->tuner->tuning->decode.at[index].threads);
    (void)whisper158_decode_rewind(s->context, 0);
    for (uint32_t i = 0; i < s->tokens && r >= 0; i++)
        r = whisper158_decode(s->context, &tokens[i], 1, s->logits, s->tuner->error);
    return since(s, start, r);
}

static void race_counts(Stages *s, double (*run)(void *arg, uint32_t runner), ThreadCounts *counts, double until) {
    Runner runners[MAX_COUNTS] = {0};
    const Race race = {runners, counts->n, run, s};
    const uint32_t rounds = rounds_for(counts->n);
    double left;

    for (uint32_t i = 0; i < counts->n; i++)
        runners[i].stays = counts->at[i].threads == machine_threads();
    race_for(s->tuner, &race, 0);
    left = until - now();
    for (uint32_t round = 0; round < rounds && left > 0; round++) {
        race_for(s->tuner, &race, left / rounds);
        race_halve(&race);
    }
    for (uint32_t i = 0; i < counts->n; i++) {
        counts->at[i].microseconds = (uint64_t)(1e6 * runners[i].seconds);
        counts->at[i].runs = runners[i].runs;
    }
}

static ThreadCounts counts_to(uint32_t most) {
    static const uint32_t some[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
    ThreadCounts counts = {0};

    for (size_t i = 0; i < sizeof some / sizeof *some && some[i] < most; i++)
        counts.at[counts.n++].threads = some[i];
    counts.at[counts.n++].threads = most;
    return counts;
}

static int tune_stages(Stages *s) {
    const whisper158_model_info *info = &s->tuner->model->info;
    Tuner *t = s->tuner;
    const double start = now(), left = fmax(t->start + t->seconds - start, 0);

    s->tokens = info->n_text_ctx < TOKENS ? info->n_text_ctx : TOKENS;
    s->mel = calloc((size_t)info->n_mels * 2 * s->frames, sizeof *s->mel);
    s->logits = calloc(info->n_vocab, sizeof *s->logits);
    if (!s->mel || !s->logits)
        return w158_fail(t->error, -ENOMEM, "no memory for a spectrogram of %u frames", s->frames);
    for (size_t i = 0; i < (size_t)info->n_mels * 2 * s->frames; i++)
        s->mel[i] = (float)(i * 158 % 97) / 97 - 0.5f;
    race_counts(s, run_encode, &t->tuning->encode, start + left / 2);
    if (t->result >= 0)
        race_counts(s, run_decode, &t->tuning->decode, start + left);
    return t->result;
}

static int tune_threads(Tuner *t, uint32_t most) {
    const whisper158_context_options options = {.threads = most, .tuning = t->tuning};
    Stages stages = {.tuner = t};
    int r = whisper158_context_new(&stages.context, t->model, &options, t->error);

    t->tuning->encode = t->tuning->decode = counts_to(most);
    stages.frames = most * CHUNK_TILES * TILE;
    stages.frames = stages.frames < t->tuning->frames ? stages.frames : t->tuning->frames;
    if (r >= 0)
        r = tune_stages(&stages);
    free(stages.mel);
    free(stages.logits);
    whisper158_context_free(stages.context);
    return r;
}

/* --------------------------------------------------------------------------------------------------------- public */

static uint32_t online(void) {
    const long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > WHISPER158_MAX_THREADS ? WHISPER158_MAX_THREADS : (uint32_t)n;
}

int whisper158_tune(whisper158_tuning **out, const whisper158_model *model, const whisper158_tune_options *options,
                    whisper158_error *error) {
    const whisper158_tune_options defaults = {0};
    Tuner t = {.model = model, .options = options ? options : &defaults, .error = error};
    uint32_t most;
    Machine machine;
    int r;

    if (!out || !model)
        return w158_fail(error, -EINVAL, "whisper158_tune needs a model and a place for the tuning");
    if (t.options->threads > WHISPER158_MAX_THREADS || !(t.options->seconds >= 0 && t.options->seconds < INFINITY))
        return w158_fail(error, -EINVAL, "tuning takes at most %d threads, and a time", WHISPER158_MAX_THREADS);
    most = t.options->threads ? t.options->threads : online();
    t.start = now();
    t.seconds = t.options->seconds > 0 ? t.options->seconds : DEFAULT_SECONDS;
    t.tuning = malloc(sizeof *t.tuning);
    if (!t.tuning)
        return w158_fail(error, -ENOMEM, "no memory for a tuning");
    machine_describe(&machine);
    tuning_init(t.tuning, model, &machine);
    r = tune_kernels(&t, most < machine_threads() ? most : machine_threads());
    if (r >= 0)
        r = tune_threads(&t, most);
    if (r < 0) {
        free(t.tuning);
        return r;
    }
    *out = t.tuning;
    return 0;
}
