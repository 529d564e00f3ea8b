/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The arena by itself, on random lists of arrays; then a context's memory on the golden file, whose path is the argument:
 * no result depends on what memory held before, nothing grows from window to window, what is said beforehand adds up, and
 * where there is no memory there is an error.
 */
#undef NDEBUG
#include "arena.h"
#include "context.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAMPLES (WHISPER158_SAMPLE_RATE)
#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
#define MAX_PARTS 40u

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

static uint32_t state = 158;

static uint32_t below(uint32_t end) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(state >> 8) * end >> 24);
}

/* ------------------------------------------------------------------------------------------------------- the arena */

typedef struct Array {
    whisper158_phase first, last;
    Unit unit;
    size_t step;
    uint8_t *at;
} Array;

static void take_all(Arena *arena, Array *arrays, size_t n) {
    for (size_t i = 0; i < n; i++)
        arrays[i].at = arena_take(arena, "array", arrays[i].first, arrays[i].last, arrays[i].unit, arrays[i].step);
}

static bool lives_in(const Array *a, whisper158_phase phase) {
    return a->first <= phase && phase <= a->last;
}

/* Each array is filled with its number in its first phase and must still hold it in its last, whatever is released. */
static void check_list(Arena *arena, Array *arrays, size_t n, const size_t units[N_UNITS]) {
    for (whisper158_phase phase = 0; phase < WHISPER158_PHASES; phase++) {
        size_t sum = 0;

        arena_enter(arena, phase);
        arena_release(arena, phase, units);
        for (size_t i = 0; i < n; i++)
            if (arrays[i].first == phase)
                memset(arrays[i].at, (int)i + 1, arrays[i].step * units[arrays[i].unit]);
        for (size_t i = 0; i < n; i++) {
            size_t size = arrays[i].step * units[arrays[i].unit];

            if (!lives_in(&arrays[i], phase))
                continue;
            sum += size;
            for (size_t j = 0; j < size; j++)
                assert(arrays[i].at[j] == i + 1);
        }
        assert(arena_touched(arena, phase, units) == sum);
    }
}

static void check_random_lists(void) {
    for (int round = 0; round < 60; round++) {
        Array arrays[MAX_PARTS];
        size_t n = 1 + below(MAX_PARTS), all = 0;
        const size_t most[N_UNITS] = {1, 1 + below(90), 1 + below(24), 1 + below(28)};
        const size_t some[N_UNITS] = {1, 1 + below((uint32_t)most[1]), 1 + below((uint32_t)most[2]), below((uint32_t)most[3])};
        Arena arena;

        for (size_t i = 0; i < n; i++) {
            whisper158_phase first = below(WHISPER158_PHASES);

            arrays[i] = (Array){.first = first, .last = first + below(WHISPER158_PHASES - first), .unit = below(N_UNITS)};
            arrays[i].step = 1 + below(below(2) ? 100 : 9000);
            all += arrays[i].step * most[arrays[i].unit];
        }
        arena_init(&arena, most);
        take_all(&arena, arrays, n);
        assert(arena_map(&arena) == 0);
        take_all(&arena, arrays, n);
        for (size_t i = 0; i < n; i++)
            assert((uintptr_t)arrays[i].at % 64 == 0 && arrays[i].at >= arena.base &&
                   arrays[i].at + arrays[i].step * most[arrays[i].unit] <= arena.base + arena.size);
        check_list(&arena, arrays, n, most);
        check_list(&arena, arrays, n, some);
        assert(arena_touched(&arena, WHISPER158_PHASES, most) <= (all < arena.size ? all : arena.size));
        arena_free(&arena);
    }
}

/* Two arrays that never live together lie on the same place, and what was given back comes back as zeros. */
static void check_reuse(void) {
    const size_t units[N_UNITS] = {1, 1, 1, 1};
    uint8_t *early = NULL, *late = NULL;
    Arena arena;

    arena_init(&arena, units);
    for (int pass = 0; pass < 2; pass++) {
        early = arena_take(&arena, "early", WHISPER158_PHASE_MEL, WHISPER158_PHASE_STEM, PER_CONTEXT, 8 * PAGE);
        late = arena_take(&arena, "late", WHISPER158_PHASE_TEXT, WHISPER158_PHASE_TEXT, PER_TEXT_TILE, 8 * PAGE);
        assert(pass == 1 || arena_map(&arena) == 0);
    }
    assert(early == late && arena.size < 9 * PAGE);
    arena_enter(&arena, WHISPER158_PHASE_MEL);
    memset(early, 1, 8 * PAGE);
    arena_enter(&arena, WHISPER158_PHASE_TEXT);
    assert(late[5 * PAGE] == 1);
    arena_release(&arena, WHISPER158_PHASE_TEXT, units);
    assert(late[5 * PAGE] == 1); /* it lies where something is to be */
    arena_release(&arena, WHISPER158_PHASE_TEXT, (const size_t[N_UNITS]){1, 1, 1, 0});
    assert(late[5 * PAGE] == 0);
    arena_free(&arena);
}

static void check_sizes_beyond_memory(void) {
    Arena arena;

    arena_init(&arena, (const size_t[N_UNITS]){1, SIZE_MAX / 2, 1, 1});
    (void)arena_take(&arena, "frames", WHISPER158_PHASE_MEL, WHISPER158_PHASE_TEXT, PER_AUDIO_TILE, 64);
    assert(arena_map(&arena) == -ENOMEM);
    arena_free(&arena);
    arena_init(&arena, (const size_t[N_UNITS]){1, 1, 1, 1});
    for (int i = 0; i < 3; i++)
        (void)arena_take(&arena, "much", WHISPER158_PHASE_MEL, WHISPER158_PHASE_TEXT, PER_CONTEXT, SIZE_MAX / 3);
    assert(arena_map(&arena) == -ENOMEM);
    arena_free(&arena);
}

/* ----------------------------------------------------------------------------------------------------- the context */

static const char *golden;
static float samples[SAMPLES];

static whisper158_model *open_golden(void) {
    whisper158_model *model = NULL;
    whisper158_error error;

    if (whisper158_model_open(&model, golden, &error) < 0)
        fprintf(stderr, "%s\n", error.text);
    assert(model);
    return model;
}

static whisper158_context *context_of(const whisper158_model *model, uint32_t threads, bool keep_pages) {
    const whisper158_context_options options = {.threads = threads, .keep_pages = keep_pages};
    whisper158_context *context = NULL;
    whisper158_error error;

    assert(whisper158_context_new(&context, model, &options, &error) == 0);
    return context;
}

static int collect(void *user, const whisper158_segment *segment) {
    uint64_t *hash = user;

    for (size_t i = 0; i < segment->n_tokens; i++)
        *hash = *hash * 1099511628211u + segment->tokens[i];
    *hash = *hash * 1099511628211u + (uint64_t)(segment->end * 100);
    return 0;
}

/* All that was said, as a number. */
static uint64_t transcribe(whisper158_context *context, uint32_t frames) {
    whisper158_options options = WHISPER158_OPTIONS_DEFAULT;
    whisper158_error error = {{0}};
    uint64_t hash = 0;
    int r;

    options.audio_context = frames;
    options.logprob_threshold = -1e9f; /* random weights are sure of nothing; let them speak */
    r = whisper158_transcribe(context, samples, SAMPLES, &options, collect, &hash, &error);
    if (r < 0)
        fprintf(stderr, "%u frames: %s\n", frames, error.text);
    assert(r == 0 && hash != 0);
    return hash;
}

/* Memory that is full of what is no number, with phases that leave theirs to the next, or with none of both. */
static void check_that_the_past_does_not_matter(void) {
    whisper158_model *model = open_golden();
    whisper158_context *clean = context_of(model, 1, false), *kept = context_of(model, 2, true);

    if (!SANITIZED) /* which lets nobody write everywhere */
        memset(kept->arena.base, 0xFF, kept->arena.size);
    for (uint32_t frames = 1; frames <= 40; frames += 13) {
        uint64_t expected = transcribe(clean, frames);

        assert(transcribe(kept, frames) == expected);
        assert(transcribe(clean, frames) == expected);
        if (!SANITIZED)
            memset(kept->arena.base, 0xFF, kept->arena.size);
    }
    whisper158_context_free(clean);
    whisper158_context_free(kept);
    whisper158_model_close(model);
}

typedef struct Alone {
    pthread_t thread;
    const whisper158_model *model;
    uint64_t hash;
} Alone;

static void *transcribe_alone(void *arg) {
    Alone *alone = arg;
    whisper158_context *context = context_of(alone->model, 2, false);

    for (int i = 0; i < 2; i++)
        alone->hash += transcribe(context, 20);
    whisper158_context_free(context);
    return NULL;
}

/* Contexts of one model and of others, each giving pages up that the others may be reading. */
static void check_side_by_side(void) {
    whisper158_model *models[2] = {open_golden(), open_golden()};
    Alone alone[4];

    for (int i = 0; i < 4; i++) {
        alone[i] = (Alone){.model = models[i / 2]};
        assert(pthread_create(&alone[i].thread, NULL, transcribe_alone, &alone[i]) == 0);
    }
    for (int i = 0; i < 4; i++)
        assert(pthread_join(alone[i].thread, NULL) == 0);
    for (int i = 1; i < 4; i++)
        assert(alone[i].hash == alone[0].hash);
    whisper158_model_close(models[0]);
    whisper158_model_close(models[1]);
}

static void check_that_nothing_grows(void) {
    whisper158_model *model = open_golden();
    whisper158_context *context = context_of(model, 2, false);
    size_t before, after;

    transcribe(context, 40); /* what the C library does only once */
    before = mallinfo2().uordblks;
    for (uint32_t i = 0; i < 5; i++)
        transcribe(context, 10 + 4 * i);
    after = mallinfo2().uordblks;
    assert(SANITIZED || (before > 0 && after == before));
    whisper158_context_free(context);
    whisper158_model_close(model);
}

static void check_that_it_adds_up(void) {
    whisper158_model *model = open_golden();
    whisper158_context *context = context_of(model, 3, false), *kept = context_of(model, 3, true);
    whisper158_memory m, less, all;
    uint64_t mapped = 0;

    assert(whisper158_context_get_memory(context, 40, 32, &m) == 0 && m.threads == 3);
    for (whisper158_phase phase = 0; phase < WHISPER158_PHASES; phase++) {
        uint64_t sum = 0;

        for (uint32_t i = 0; i < m.n_parts; i++)
            sum += m.parts[i].first <= phase && phase <= m.parts[i].last ? m.parts[i].bytes : 0;
        assert(sum == m.phases[phase] && sum <= m.peak && m.peak > 0);
    }
    for (uint32_t i = 0; i < m.n_parts; i++)
        mapped += m.parts[i].mapped ? m.parts[i].bytes : 0;
    assert(mapped == model->info.file_size && m.reserved == context->arena.size);

    assert(whisper158_context_get_memory(kept, 40, 32, &all) == 0);
    assert(all.peak > m.peak && all.peak <= mapped + m.reserved);
    assert(whisper158_context_get_memory(context, 16, 32, &less) == 0 && less.peak < m.peak);
    assert(whisper158_context_get_memory(context, 40, 16, &less) == 0);
    assert(less.phases[WHISPER158_PHASE_TEXT] < m.phases[WHISPER158_PHASE_TEXT]);
    assert(whisper158_context_get_memory(context, 0, 16, &less) == -EINVAL);
    assert(whisper158_context_get_memory(context, 41, 16, &less) == -EINVAL);
    assert(whisper158_context_get_memory(context, 40, 33, &less) == -EINVAL);
    assert(whisper158_context_get_memory(NULL, 40, 32, &less) == -EINVAL);
    whisper158_context_free(context);
    whisper158_context_free(kept);
    whisper158_model_close(model);
}

/* In a process that may map no more, unless it is emulated without such a limit. AddressSanitizer needs to map. */
static void check_no_memory(void) {
    whisper158_model *model = open_golden();
    whisper158_error error = {{0}};
    int status;
    pid_t child;

    if (!SANITIZED) {
        child = fork();
        assert(child >= 0);
        if (child == 0) {
            const whisper158_context_options options = {.threads = 1};
            const struct rlimit none = {0, 0};
            whisper158_context *context = NULL;
            int r;

            assert(setrlimit(RLIMIT_AS, &none) == 0);
            if (mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
                _exit(0);
            r = whisper158_context_new(&context, model, &options, &error);
            _exit(r == -ENOMEM && strstr(error.text, "no memory") && !context ? 0 : 1);
        }
        assert(waitpid(child, &status, 0) == child && status == 0);
    }
    whisper158_model_close(model);
}

/* ------------------------------------------------------------------------------------------------ fitted contexts */

static uint64_t frames_encoded(whisper158_context *context, size_t count, uint32_t audio_context) {
    whisper158_options options = WHISPER158_OPTIONS_DEFAULT;
    whisper158_timings timings;
    whisper158_error error;

    options.audio_context = audio_context;
    assert(whisper158_transcribe(context, samples, count, &options, NULL, NULL, &error) == 0);
    whisper158_context_get_timings(context, &timings);
    return timings.frames;
}

/* The golden model is validated from 8 of its 40 frames on. Half a second is 25 frames, and a tile has 16. */
static void check_fitted_contexts(void) {
    whisper158_model *model = open_golden();
    whisper158_context *context = context_of(model, 1, false);
    const size_t frame = WHISPER158_SAMPLE_RATE / WHISPER158_FRAMES_PER_SECOND;

    assert(whisper158_model_fit_audio_context(model, 0) == 32);
    assert(whisper158_model_fit_audio_context(model, 8 * frame - 1) == 32);
    assert(whisper158_model_fit_audio_context(model, 8 * frame) == 40);
    assert(whisper158_model_fit_audio_context(model, SIZE_MAX) == 40);
    assert(frames_encoded(context, 6 * frame, WHISPER158_AUDIO_CONTEXT_AUTO) == 32);
    assert(frames_encoded(context, 6 * frame, WHISPER158_AUDIO_CONTEXT_FULL) == 40);
    assert(frames_encoded(context, 6 * frame, 7) == 7);
    assert(frames_encoded(context, 16 * frame, WHISPER158_AUDIO_CONTEXT_AUTO) == 40);
    memset(samples + 5 * frame, 0, 20 * frame * sizeof *samples);
    assert(frames_encoded(context, 16 * frame, WHISPER158_AUDIO_CONTEXT_AUTO) == 32);
    assert(frames_encoded(context, 16 * frame, WHISPER158_AUDIO_CONTEXT_FULL) == 40);
    model->info.min_audio_ctx = 36;
    assert(whisper158_model_fit_audio_context(model, 0) == 36);
    model->info.min_audio_ctx = 40;
    assert(whisper158_model_fit_audio_context(model, 0) == 40);
    whisper158_context_free(context);
    whisper158_model_close(model);
}

int main(int argc, char **argv) {
    assert(argc == 2);
    golden = argv[1];
    for (size_t i = 0; i < SAMPLES; i++)
        samples[i] = 0.3f * sinf(0.1f * (float)i) * sinf(3e-4f * (float)i) + 1e-3f * (float)(below(200) - 100.0f);
    check_random_lists();
    check_reuse();
    check_sizes_beyond_memory();
    check_that_the_past_does_not_matter();
    check_side_by_side();
    check_that_nothing_grows();
    check_that_it_adds_up();
    check_no_memory();
    check_fitted_contexts();
    return 0;
}
