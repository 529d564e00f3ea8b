/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The arena: one block of memory that holds every array of a context.
 *
 * Arrays are needed for some phases of a window only: when the decoder speaks, the encoder's activations are dead. Each
 * array says from which phase to which it lives, and arrays that never live together may lie on top of each other. Where
 * everything lies is found once, when the context is made, by going through the same calls of arena_take twice: the
 * first time they make a list, the second time they give out the places. So the size is known before a byte is had, and
 * there is no second formula for it.
 *
 * The block is anonymous memory of which the system gives pages when they are touched, so arrays that are laid out for
 * 30 s of audio cost what the audio at hand fills. arena_release gives pages back when nothing in them lives on.
 */
#include "arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define GAP 64u /* behind each part, so that a step too far is seen */
#define POISON(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define GAP 0u
#define POISON(at, size) (void)(at)
#define UNPOISON(at, size) (void)(at)
#endif

#define ALIGNMENT 64u

void arena_init(Arena *arena, const size_t units[N_UNITS]) {
    *arena = (Arena){0};
    memcpy(arena->units, units, sizeof arena->units);
}

void arena_free(Arena *arena) {
    if (arena->base) {
        UNPOISON(arena->base, arena->size);
        (void)munmap(arena->base, arena->size);
    }
    free(arena->parts);
    *arena = (Arena){0};
}

/* -------------------------------------------------------------------------------------------------------- the list */

static void list(Arena *arena, ArenaPart part) {
    if (__builtin_mul_overflow(part.step, arena->units[part.unit], &part.size) ||
        part.size > SIZE_MAX / 2 - (ALIGNMENT + GAP)) {
        arena->failed = true;
        return;
    }
    part.size = (part.size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + GAP;
    if (arena->n_parts == arena->room) {
        size_t room = arena->room ? 2 * arena->room : 32;
        ArenaPart *parts = realloc(arena->parts, room * sizeof *parts);

        if (!parts) {
            arena->failed = true;
            return;
        }
        arena->parts = parts;
        arena->room = room;
    }
    arena->parts[arena->n_parts++] = part;
}

void *arena_take(Arena *arena, const char *name, whisper158_phase first, whisper158_phase last, Unit unit, size_t step) {
    if (arena->base)
        return arena->base + arena->parts[arena->next++].offset;
    list(arena, (ArenaPart){.name = name, .first = first, .last = last, .unit = unit, .step = step});
    return NULL;
}

/* ----------------------------------------------------------------------------------------------------- their places */

static bool lives_in(const ArenaPart *part, whisper158_phase phase) {
    return (part->first <= phase && phase <= part->last) || phase == WHISPER158_PHASES;
}

static bool live_together(const ArenaPart *a, const ArenaPart *b) {
    return a->first <= b->last && b->first <= a->last;
}

static int compare_sizes(const void *a, const void *b) {
    const ArenaPart *const *p = a, *const *q = b;

    if ((*p)->size != (*q)->size)
        return (*p)->size > (*q)->size ? -1 : 1;
    return *p < *q ? -1 : 1; /* qsort may swap equals; the layout shall not depend on it */
}

/* The lowest place for `part` among those placed already. */
static bool place(ArenaPart *part, ArenaPart *const *placed, size_t n) {
    size_t i = 0;

    part->offset = 0;
    while (i < n) {
        const ArenaPart *other = placed[i++];

        if (!live_together(part, other) || part->offset >= other->offset + other->size ||
            other->offset >= part->offset + part->size)
            continue;
        part->offset = other->offset + other->size;
        i = 0;
    }
    return part->offset <= SIZE_MAX / 2 - part->size;
}

/* Largest first, each as low as it can lie. */
static int place_all(Arena *arena) {
    ArenaPart **order = calloc(arena->n_parts, sizeof *order);
    bool fits = order;

    for (size_t i = 0; fits && i < arena->n_parts; i++)
        order[i] = &arena->parts[i];
    if (fits)
        qsort(order, arena->n_parts, sizeof *order, compare_sizes);
    for (size_t i = 0; fits && i < arena->n_parts; i++) {
        fits = place(order[i], order, i);
        if (order[i]->offset + order[i]->size > arena->size)
            arena->size = order[i]->offset + order[i]->size;
    }
    free(order);
    return fits ? 0 : -ENOMEM;
}

int arena_map(Arena *arena) {
    void *base;

    if (arena->failed || place_all(arena) < 0)
        return -ENOMEM;
    base = mmap(NULL, arena->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return -ENOMEM;
    /* One touch would fill 2 MiB otherwise, of which a short run needs little. */
    (void)madvise(base, arena->size, MADV_NOHUGEPAGE);
    arena->base = base;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- phases */

size_t arena_part_touched(const ArenaPart *part, const size_t units[N_UNITS]) {
    return part->step * units[part->unit];
}

/* The first stretch from `from` on that parts living in `phase` fill up to `used`, if need be: [*begin, *end). */
static bool next_stretch(const Arena *arena, whisper158_phase phase, const size_t units[N_UNITS], size_t from,
                         size_t *begin, size_t *end) {
    *begin = SIZE_MAX;
    *end = 0;
    for (size_t i = 0; i < arena->n_parts; i++) {
        const ArenaPart *part = &arena->parts[i];
        size_t last = part->offset + arena_part_touched(part, units);
        size_t first = part->offset > from ? part->offset : from;

        if (!lives_in(part, phase) || last <= from || first >= last)
            continue;
        if (first < *begin) {
            *begin = first;
            *end = last;
        }
    }
    return *begin < *end;
}

size_t arena_touched(const Arena *arena, whisper158_phase phase, const size_t units[N_UNITS]) {
    size_t sum = 0, begin, end;

    for (size_t at = 0; next_stretch(arena, phase, units, at, &begin, &end); at = end)
        sum += end - begin;
    return sum;
}

/* Gives back the whole pages between two places. */
static void give_back(const Arena *arena, size_t begin, size_t end) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    begin = (begin + page - 1) / page * page;
    end = end / page * page;
    if (begin < end)
        (void)madvise(arena->base + begin, end - begin, MADV_DONTNEED);
}

void arena_release(Arena *arena, whisper158_phase phase, const size_t units[N_UNITS]) {
    size_t at = 0, begin, end;

    for (; next_stretch(arena, phase, units, at, &begin, &end); at = end)
        give_back(arena, at, begin);
    give_back(arena, at, arena->size);
}

void arena_enter(Arena *arena, whisper158_phase phase) {
    size_t at = 0, begin, end;

    POISON(arena->base, arena->size);
    for (; next_stretch(arena, phase, arena->units, at, &begin, &end); at = end)
        UNPOISON(arena->base + begin, end - begin);
}
