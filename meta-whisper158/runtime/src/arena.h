/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_ARENA_H
#define W158_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"

/* What an array's length depends on. A run that is shorter than the longest touches only the beginning of it. */
typedef enum Unit { PER_CONTEXT, PER_AUDIO_TILE, PER_AUDIO_BLOCK, PER_TEXT_TILE, N_UNITS } Unit;

/* An array, and the phases from whose first to whose last its contents are needed. */
typedef struct ArenaPart {
    const char *name; /* static storage */
    whisper158_phase first, last;
    Unit unit;
    size_t step; /* bytes per unit */
    size_t size; /* step x units, and what keeps parts apart */
    size_t offset;
} ArenaPart;

typedef struct Arena {
    size_t units[N_UNITS]; /* of the longest run */
    ArenaPart *parts;      /* in the order in which they are taken */
    size_t n_parts, room;
    size_t size; /* of all of it */
    uint8_t *base; /* NULL while the parts are counted */
    size_t next;   /* part to give out next, once there is a base */
    bool failed;   /* no memory for the list, or sizes beyond all memory */
} Arena;

/* Sets a list up that is empty, for runs of at most so many units; the caller then takes all of its arrays, which gives
 * NULL for each. */
void arena_init(Arena *arena, const size_t units[N_UNITS]);

/* Finds a place for each array taken, and maps the memory, which is zero. Now the caller takes the same arrays again.
 * Return: 0 or -ENOMEM. */
int arena_map(Arena *arena);

/* Can be called at any time after arena_init. */
void arena_free(Arena *arena);

/* The next array, aligned to 64: `step` bytes for each unit. */
void *arena_take(Arena *arena, const char *name, whisper158_phase first, whisper158_phase last, Unit unit, size_t step);

/*
 * A phase begins: what is not needed in it is lost, and its own arrays hold anything. Only a build with AddressSanitizer
 * notices when something lost is looked at.
 */
void arena_enter(Arena *arena, whisper158_phase phase);

/* Gives the pages back that hold nothing needed in a phase by a run of so many units. They are zero when next touched. */
void arena_release(Arena *arena, whisper158_phase phase, const size_t units[N_UNITS]);

/* Bytes that are touched in a phase by a run of so many units; with WHISPER158_PHASES, in any phase. */
size_t arena_touched(const Arena *arena, whisper158_phase phase, const size_t units[N_UNITS]);

/* Bytes of one part that such a run touches. */
size_t arena_part_touched(const ArenaPart *part, const size_t units[N_UNITS]);

#endif
