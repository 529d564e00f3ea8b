/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "bench_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

static const char *const stage_keys[N_STAGES] = {"mel", "encode", "prompt", "tokens"};

/* What a transcription of this audio takes, once the model is loaded. */
static Seconds total(const Findings *f) {
    Seconds sum = {0};

    for (Stage stage = 0; stage < N_STAGES; stage++) {
        sum.cpu += f->stages[stage].median.cpu;
        sum.wall += f->stages[stage].median.wall;
    }
    return sum;
}

static void print_seconds(const char *name, const Spread *s) {
    (void)printf("  %-16s %10.4f %10.4f %10.4f %10.4f\n", name, s->min.cpu, s->median.cpu, s->min.wall, s->median.wall);
}

static void print_provenance_value(const whisper158_model *model, const char *key) {
    const char *value;
    const int length = whisper158_model_get_provenance(model, key, &value);

    if (length >= 0)
        (void)printf(" %.*s", length, value);
}

static void print_setting(const Findings *f) {
    (void)fputs("Model", stdout);
    print_provenance_value(f->model, "name");
    print_provenance_value(f->model, "format");
    (void)printf("; kernels %s%s; ", f->kernels, f->tuned ? ", tuned" : "");
    if (f->threads)
        (void)printf("%" PRIu32 " thread%s\n", f->threads, f->threads == 1 ? "" : "s");
    else if (f->tuned)
        (void)puts("threads as tuned");
    else
        (void)puts("a thread for each processor, at most 4");
    (void)printf("%.2f s of audio, context of %" PRIu32 " frames, prompt of %" PRIu32 " tokens, %" PRIu32
                 " tokens, repeated %" PRIu32 " time%s\n\n",
                 f->seconds, f->job.frames, f->job.prompt, f->job.tokens, f->job.repeats,
                 f->job.repeats == 1 ? "" : "s");
}

static void print_memory(const char *name, uint64_t bytes, const char *field) {
    if (bytes)
        (void)printf("%-12s%.1f MB (%s of /proc/self/status)\n", name, (double)bytes / 1e6, field);
    else
        (void)printf("%-12snot known here: /proc/self/status does not say\n", name);
}

void bench_print(const Findings *f) {
    const Spread load = {.min = f->load, .median = f->load};
    const Seconds sum = total(f);
    const double to_ms = 1e3 / f->job.tokens;

    print_setting(f);
    (void)printf("  %-16s %21s %21s\n", "", "processor seconds", "wall seconds");
    (void)printf("  %-16s %10s %10s %10s %10s\n", "", "min", "median", "min", "median");
    print_seconds("load, once", &load);
    print_seconds("mel", &f->stages[STAGE_MEL]);
    print_seconds("encode", &f->stages[STAGE_ENCODE]);
    print_seconds("prompt", &f->stages[STAGE_PROMPT]);
    print_seconds("tokens", &f->stages[STAGE_TOKENS]);
    (void)printf("  %-16s %10.2f %10.2f %10.2f %10.2f\n\n", "ms per token", to_ms * f->stages[STAGE_TOKENS].min.cpu,
                 to_ms * f->stages[STAGE_TOKENS].median.cpu, to_ms * f->stages[STAGE_TOKENS].min.wall,
                 to_ms * f->stages[STAGE_TOKENS].median.wall);
    (void)printf("%-12s%.3f s of processor and %.3f s on the wall (medians, without load)\n", "In all", sum.cpu,
                 sum.wall);
    (void)printf("%-12s%.4f of the audio's length in processor time, %.4f on the wall\n", "RTF", sum.cpu / f->seconds,
                 sum.wall / f->seconds);
    print_memory("Peak RSS", f->memory.peak_rss, "VmHWM");
    print_memory("RSS at end", f->memory.rss, "VmRSS");
}

static void put_number(struct json_object *object, const char *key, uint64_t value) {
    json_put(object, key, json_object_new_int64((int64_t)value));
}

static struct json_object *seconds_object(const Seconds *seconds) {
    struct json_object *const object = json_object_new_object();

    json_put(object, "cpu", json_number(seconds->cpu, "%.6f"));
    json_put(object, "wall", json_number(seconds->wall, "%.6f"));
    return object;
}

static struct json_object *spread_object(const Spread *spread) {
    struct json_object *const object = json_object_new_object();

    json_put(object, "min", seconds_object(&spread->min));
    json_put(object, "median", seconds_object(&spread->median));
    return object;
}

static struct json_object *stages_object(const Findings *f) {
    struct json_object *const object = json_object_new_object();

    for (Stage stage = 0; stage < N_STAGES; stage++)
        json_put(object, stage_keys[stage], spread_object(&f->stages[stage]));
    return object;
}

static struct json_object *memory_object(const Memory *memory) {
    struct json_object *const object = json_object_new_object();

    json_put(object, "peak_rss", memory->peak_rss ? json_object_new_int64((int64_t)memory->peak_rss) : NULL);
    json_put(object, "rss", memory->rss ? json_object_new_int64((int64_t)memory->rss) : NULL);
    json_put(object, "source", json_object_new_string("VmHWM and VmRSS of /proc/self/status"));
    return object;
}

static struct json_object *provenance_value(const whisper158_model *model, const char *key) {
    const char *value;
    const int length = whisper158_model_get_provenance(model, key, &value);

    return length >= 0 ? json_text(value, (size_t)length) : NULL;
}

static struct json_object *model_object(const Findings *f) {
    struct json_object *const object = json_object_new_object();
    whisper158_model_info info;

    whisper158_model_get_info(f->model, &info);
    json_put(object, "name", provenance_value(f->model, "name"));
    json_put(object, "format", provenance_value(f->model, "format"));
    put_number(object, "file_size", info.file_size);
    return object;
}

int bench_print_json(const Findings *f) {
    struct json_object *const object = json_object_new_object();
    const Spread *const tokens = &f->stages[STAGE_TOKENS];
    const Seconds sum = total(f);
    const Seconds rtf = {.cpu = sum.cpu / f->seconds, .wall = sum.wall / f->seconds};
    const Seconds per_token = {
        .cpu = 1e3 * tokens->median.cpu / f->job.tokens,
        .wall = 1e3 * tokens->median.wall / f->job.tokens,
    };

    if (!object)
        return -ENOMEM;
    json_put(object, "version", json_object_new_string(whisper158_version()));
    json_put(object, "model", model_object(f));
    json_put(object, "kernels", json_object_new_string(f->kernels));
    json_put(object, "threads", f->threads ? json_object_new_int64(f->threads) : NULL);
    json_put(object, "tuned", json_object_new_boolean(f->tuned));
    json_put(object, "seconds", json_number(f->seconds, "%.3f"));
    put_number(object, "audio_context", f->job.frames);
    put_number(object, "prompt", f->job.prompt);
    put_number(object, "tokens", f->job.tokens);
    put_number(object, "repeat", f->job.repeats);
    json_put(object, "load", seconds_object(&f->load));
    json_put(object, "stages", stages_object(f));
    json_put(object, "ms_per_token", seconds_object(&per_token));
    json_put(object, "total", seconds_object(&sum));
    json_put(object, "rtf", seconds_object(&rtf));
    json_put(object, "memory", memory_object(&f->memory));
    return json_print(stdout, object);
}
