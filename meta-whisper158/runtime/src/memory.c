/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * How much memory a context takes, said beforehand: of the context's arrays, what their own list in the arena says; of
 * the blob, the sizes of the sections that each phase reads.
 */
#include <errno.h>

#include "context.h"

typedef struct Count {
    const whisper158_context *context;
    whisper158_memory *out;
    size_t units[N_UNITS];
} Count;

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static void add(whisper158_memory *m, whisper158_memory_part part) {
    for (uint32_t i = 0; i < m->n_parts; i++) {
        whisper158_memory_part *p = &m->parts[i];

        if (p->name == part.name && p->mapped == part.mapped && p->first == part.first && p->last == part.last) {
            p->bytes += part.bytes;
            return;
        }
    }
    if (m->n_parts < WHISPER158_MEMORY_PARTS)
        m->parts[m->n_parts++] = part;
}

/* What a context needs of the file belongs to some part; header, table and padding to the one that is always needed. */
static void add_blob(const Count *c, uint32_t frames) {
    const whisper158_model *model = c->context->model;
    const Blob *blob = &model->blob;
    uint64_t rest = blob->size, unheard;

    for (uint32_t i = 0; i < blob->n_sections; i++) {
        const ModelPart *part = model_part_of(&blob->sections[i]);

        if (part->first <= part->last)
            add(c->out, (whisper158_memory_part){part->name, true, part->first, part->last, blob->sections[i].size});
        rest -= blob->sections[i].size;
    }
    unheard = (uint64_t)(model->info.n_audio_ctx - frames) * model->info.n_audio_state * sizeof(uint16_t);
    for (uint32_t i = 0; i < c->out->n_parts; i++) {
        whisper158_memory_part *part = &c->out->parts[i];

        if (part->first == WHISPER158_PHASE_STEM) /* the encoder; it reads the positions of the frames there are */
            part->bytes -= unheard;
        if (part->first == WHISPER158_PHASE_MEL)
            part->bytes += rest;
    }
}

static void add_arena(const Count *c) {
    const Arena *arena = &c->context->arena;

    for (size_t i = 0; i < arena->n_parts; i++) {
        const ArenaPart *part = &arena->parts[i];

        add(c->out, (whisper158_memory_part){part->name, false, part->first, part->last,
                                             arena_part_touched(part, c->units)});
    }
}

static void add_up(const Count *c) {
    whisper158_memory *m = c->out;
    uint64_t everything = arena_touched(&c->context->arena, WHISPER158_PHASES, c->units);

    for (whisper158_phase phase = 0; phase < WHISPER158_PHASES; phase++) {
        m->phases[phase] = arena_touched(&c->context->arena, phase, c->units);
        for (uint32_t i = 0; i < m->n_parts; i++)
            if (m->parts[i].mapped && m->parts[i].first <= phase && phase <= m->parts[i].last)
                m->phases[phase] += m->parts[i].bytes;
        m->peak = larger(m->peak, m->phases[phase]);
    }
    for (uint32_t i = 0; i < m->n_parts; i++)
        everything += m->parts[i].mapped ? m->parts[i].bytes : 0;
    if (c->context->keep_pages)
        m->peak = everything;
}

int whisper158_context_get_memory(const whisper158_context *context, uint32_t frames, uint32_t tokens,
                                  whisper158_memory *out) {
    Count count = {.context = context, .out = out};

    if (!context || !out || frames == 0 || frames > context->model->info.n_audio_ctx ||
        tokens > context->model->info.n_text_ctx)
        return -EINVAL;
    *out = (whisper158_memory){.reserved = context->arena.size, .threads = pool_threads(context->pool)};
    context_units(frames, tokens, count.units);
    add_blob(&count, frames);
    add_arena(&count);
    add_up(&count);
    return 0;
}
