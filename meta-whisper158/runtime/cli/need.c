/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "need.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "json.h"
#include "report.h"

#define STACK_BYTES 16384u /* of a thread that computes: what it touches of its 8 MiB */

static const char *const phase_names[WHISPER158_PHASES] = {"mel", "stem", "blocks", "cross", "text"};

/* ------------------------------------------------------------------------------------------------------- computing */

static uint32_t smaller(double a, uint32_t b) {
    return a < b ? (uint32_t)a : b;
}

static int settle(Need *need, const whisper158_model_info *info, const whisper158_model *model,
                  const NeedOptions *options, whisper158_error *error) {
    const double window = (double)info->n_audio_ctx / WHISPER158_FRAMES_PER_SECOND;

    need->seconds = options->seconds > 0 ? options->seconds : window;
    need->frames = options->audio_context;
    if (options->audio_context == WHISPER158_AUDIO_CONTEXT_AUTO)
        need->frames = whisper158_model_fit_audio_context(model, (size_t)(need->seconds * WHISPER158_SAMPLE_RATE));
    else if (options->audio_context == WHISPER158_AUDIO_CONTEXT_FULL)
        need->frames = info->n_audio_ctx;
    if (need->frames > info->n_audio_ctx)
        return fail(error, -EINVAL, "--audio-context %" PRIu32 " is more than the %" PRIu32 " frames of this model",
                    need->frames, info->n_audio_ctx);
    need->tokens = options->tokens;
    if (need->tokens == 0)
        need->tokens = smaller(NEED_PROMPT + ceil(NEED_TOKENS_PER_SECOND * fmin(need->seconds, window)), info->n_text_ctx);
    if (need->tokens > info->n_text_ctx)
        return fail(error, -EINVAL, "--tokens %" PRIu32 " is more than the %" PRIu32 " of this model", need->tokens,
                    info->n_text_ctx);
    return 0;
}

int need_compute(Need *need, const whisper158_model *model, const NeedOptions *options, uint64_t program,
                 whisper158_error *error) {
    whisper158_context *context = NULL;
    whisper158_model_info info;
    int r;

    *need = (Need){.program = program};
    whisper158_model_get_info(model, &info);
    r = settle(need, &info, model, options, error);
    if (r >= 0)
        r = whisper158_context_new(&context, model, &options->machine, error);
    if (r < 0)
        return r;
    r = whisper158_context_get_memory(context, need->frames, need->tokens, &need->context);
    need->file = info.file_size;
    need->samples = (uint64_t)(need->seconds * WHISPER158_SAMPLE_RATE) * sizeof(float);
    need->stacks = (uint64_t)need->context.threads * STACK_BYTES;
    need->peak = need->context.peak + need->samples + need->program + need->stacks;
    (void)whisper158_context_free(context);
    return r;
}

/* -------------------------------------------------------------------------------------------------------- printing */

static void print_row(const char *name, uint64_t bytes, whisper158_phase first, whisper158_phase last) {
    (void)printf("    %-28s", name);
    for (whisper158_phase phase = 0; phase < WHISPER158_PHASES; phase++) {
        if (first <= phase && phase <= last)
            (void)printf("%8.2f", (double)bytes / 1e6);
        else
            (void)printf("%8s", ".");
    }
    (void)putchar('\n');
}

static void print_rows(const whisper158_memory *m, bool mapped) {
    for (uint32_t i = 0; i < m->n_parts; i++)
        if (m->parts[i].mapped == mapped)
            print_row(m->parts[i].name, m->parts[i].bytes, m->parts[i].first, m->parts[i].last);
}

void need_print(const Need *need) {
    const whisper158_memory *const m = &need->context;
    const uint64_t around = need->samples + need->program + need->stacks;

    (void)printf("Memory in MB, phase by phase: %.2f s of audio, windows of %" PRIu32 " frames (%.2f s) and %" PRIu32
                 " tokens, %" PRIu32 " thread%s\n\n%-32s",
                 need->seconds, need->frames, (double)need->frames / WHISPER158_FRAMES_PER_SECOND, need->tokens,
                 m->threads, m->threads == 1 ? "" : "s", "");
    for (whisper158_phase phase = 0; phase < WHISPER158_PHASES; phase++)
        (void)printf("%8s", phase_names[phase]);
    (void)puts("\n  the model file, mapped");
    print_rows(m, true);
    (void)puts("  the context");
    print_rows(m, false);
    (void)puts("  around it");
    print_row("samples", need->samples, WHISPER158_PHASE_MEL, WHISPER158_PHASE_TEXT);
    print_row("program and libraries", need->program, WHISPER158_PHASE_MEL, WHISPER158_PHASE_TEXT);
    print_row("threads' stacks", need->stacks, WHISPER158_PHASE_MEL, WHISPER158_PHASE_TEXT);
    (void)printf("  %-30s", "sum");
    for (whisper158_phase phase = 0; phase < WHISPER158_PHASES; phase++)
        (void)printf("%8.2f", (double)(m->phases[phase] + around) / 1e6);
    (void)printf("\n\nExpected peak     %.1f MB resident, of which %.1f MB are the program's own\n",
                 (double)need->peak / 1e6, (double)(need->peak - m->peak) / 1e6);
    (void)printf("Address space     %.1f MB for the context, %.1f MB for the model file\n", (double)m->reserved / 1e6,
                 (double)need->file / 1e6);
}

/* Takes over `value`. */
static void put(struct json_object *object, const char *key, struct json_object *value) {
    (void)json_object_object_add(object, key, value);
}

static struct json_object *number(uint64_t value) {
    return json_object_new_int64((int64_t)value);
}

static struct json_object *parts_array(const whisper158_memory *m) {
    struct json_object *const array = json_object_new_array();

    for (uint32_t i = 0; array && i < m->n_parts; i++) {
        const whisper158_memory_part *const part = &m->parts[i];
        struct json_object *const object = json_object_new_object();

        if (!object)
            break;
        put(object, "name", json_object_new_string(part->name));
        put(object, "mapped", json_object_new_boolean(part->mapped));
        put(object, "first", json_object_new_string(phase_names[part->first]));
        put(object, "last", json_object_new_string(phase_names[part->last]));
        put(object, "bytes", number(part->bytes));
        (void)json_object_array_add(array, object);
    }
    return array;
}

static struct json_object *phases_object(const whisper158_memory *m) {
    struct json_object *const object = json_object_new_object();

    for (whisper158_phase phase = 0; object && phase < WHISPER158_PHASES; phase++)
        put(object, phase_names[phase], number(m->phases[phase]));
    return object;
}

struct json_object *need_json(const Need *need) {
    struct json_object *const object = json_object_new_object();

    if (!object)
        return NULL;
    put(object, "seconds", json_number(need->seconds, "%.2f"));
    put(object, "audio_context", number(need->frames));
    put(object, "tokens", number(need->tokens));
    put(object, "threads", number(need->context.threads));
    put(object, "parts", parts_array(&need->context));
    put(object, "phases", phases_object(&need->context));
    put(object, "samples", number(need->samples));
    put(object, "program", number(need->program));
    put(object, "stacks", number(need->stacks));
    put(object, "reserved", number(need->context.reserved));
    put(object, "peak_rss", number(need->peak));
    return object;
}
