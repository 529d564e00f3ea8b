/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "tune_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

static const char *const stage_names[] = {"encode", "decode"};

uint32_t tuned_threads(const whisper158_tuning *tuning, whisper158_tuned_stage stage) {
    whisper158_tuned_threads threads;

    for (uint32_t i = 0; whisper158_tuning_get_threads(tuning, stage, i, &threads) >= 0; i++)
        if (threads.chosen)
            return threads.threads;
    return 0;
}

static void print_threads(const whisper158_tuning *tuning, whisper158_tuned_stage stage) {
    whisper158_tuned_threads threads;

    for (uint32_t i = 0; whisper158_tuning_get_threads(tuning, stage, i, &threads) >= 0; i++)
        (void)printf("  %-8s %8" PRIu32 " %12.3f %8" PRIu32 "%s\n", i == 0 ? stage_names[stage] : "", threads.threads,
                     1e3 * threads.seconds, threads.runs, threads.chosen ? "  used" : "");
}

static void print_layer(const whisper158_tuning *tuning, uint32_t index, const whisper158_tuned_layer *layer) {
    whisper158_tuned_candidate c;

    (void)printf("\n%s %" PRIu32 " x %" PRIu32, layer->operation, layer->rows, layer->channels);
    if (layer->group != layer->channels)
        (void)printf(" in groups of %" PRIu32, layer->group);
    (void)printf(", %s: %" PRIu32 " %s, %.1f %% of the time\n",
                 strcmp(layer->operation, "gemm") == 0 ? "many frames at a time" : "one token at a time",
                 layer->matrices, layer->matrices == 1 ? "matrix" : "matrices", 100 * layer->share);
    (void)printf("  %-8s %-16s %8s %8s\n", "packing", "kernel", "GMAC/s", "runs");
    for (uint32_t i = 0; whisper158_tuning_get_candidate(tuning, index, i, &c) >= 0; i++) {
        const bool used = c.chosen && strcmp(c.packing, layer->packing) == 0;

        (void)printf("  %-8s %-16s %8.2f %8" PRIu32 "%s%s\n", c.packing, c.variant, c.gmacs, c.runs,
                     used ? "  used" : "", c.fastest ? "  winner" : "");
    }
}

void tune_print(const whisper158_tuning *tuning, const char *file, bool is_new) {
    whisper158_tuned_layer layer;

    (void)printf("%s %s\n", is_new ? "Measured now, kept in" : "Measured before, read from", file);
    (void)printf("Machine %s; kernels %s\n\n", whisper158_tuning_get_machine(tuning),
                 whisper158_tuning_get_kernels(tuning));
    (void)printf("  %-8s %8s %12s %8s\n", "stage", "threads", "milliseconds", "runs");
    print_threads(tuning, WHISPER158_TUNED_ENCODE);
    print_threads(tuning, WHISPER158_TUNED_DECODE);
    for (uint32_t i = 0; whisper158_tuning_get_layer(tuning, i, &layer) >= 0; i++)
        print_layer(tuning, i, &layer);
}

/* ------------------------------------------------------------------------------------------------------------ JSON */

static void put_number(struct json_object *object, const char *key, uint32_t value) {
    json_put(object, key, json_object_new_int64(value));
}

static void append(struct json_object *array, struct json_object *value) {
    if (array)
        (void)json_object_array_add(array, value);
    else
        (void)json_object_put(value);
}

static struct json_object *threads_array(const whisper158_tuning *tuning, whisper158_tuned_stage stage) {
    struct json_object *const array = json_object_new_array();
    whisper158_tuned_threads threads;

    for (uint32_t i = 0; whisper158_tuning_get_threads(tuning, stage, i, &threads) >= 0; i++) {
        struct json_object *const object = json_object_new_object();

        put_number(object, "threads", threads.threads);
        json_put(object, "seconds", json_number(threads.seconds, "%.6f"));
        put_number(object, "runs", threads.runs);
        json_put(object, "used", json_object_new_boolean(threads.chosen));
        append(array, object);
    }
    return array;
}

static struct json_object *candidates_array(const whisper158_tuning *tuning, uint32_t layer, const char *packing) {
    struct json_object *const array = json_object_new_array();
    whisper158_tuned_candidate c;

    for (uint32_t i = 0; whisper158_tuning_get_candidate(tuning, layer, i, &c) >= 0; i++) {
        struct json_object *const object = json_object_new_object();

        json_put(object, "packing", json_object_new_string(c.packing));
        json_put(object, "kernel", json_object_new_string(c.variant));
        json_put(object, "gmacs", json_number(c.gmacs, "%.6f"));
        put_number(object, "runs", c.runs);
        json_put(object, "chosen", json_object_new_boolean(c.chosen));
        json_put(object, "used", json_object_new_boolean(c.chosen && strcmp(c.packing, packing) == 0));
        json_put(object, "winner", json_object_new_boolean(c.fastest));
        append(array, object);
    }
    return array;
}

static struct json_object *layers_array(const whisper158_tuning *tuning) {
    struct json_object *const array = json_object_new_array();
    whisper158_tuned_layer layer;

    for (uint32_t i = 0; whisper158_tuning_get_layer(tuning, i, &layer) >= 0; i++) {
        struct json_object *const object = json_object_new_object();

        json_put(object, "operation", json_object_new_string(layer.operation));
        put_number(object, "rows", layer.rows);
        put_number(object, "channels", layer.channels);
        put_number(object, "group", layer.group);
        put_number(object, "matrices", layer.matrices);
        json_put(object, "packing", json_object_new_string(layer.packing));
        json_put(object, "share", json_number(layer.share, "%.4f"));
        json_put(object, "candidates", candidates_array(tuning, i, layer.packing));
        append(array, object);
    }
    return array;
}

int tune_print_json(const whisper158_tuning *tuning, const char *file, bool is_new) {
    struct json_object *const object = json_object_new_object();

    if (!object)
        return -ENOMEM;
    json_put(object, "version", json_object_new_string(whisper158_version()));
    json_put(object, "file", json_text(file, strlen(file)));
    json_put(object, "measured_now", json_object_new_boolean(is_new));
    json_put(object, "machine", json_object_new_string(whisper158_tuning_get_machine(tuning)));
    json_put(object, "kernels", json_object_new_string(whisper158_tuning_get_kernels(tuning)));
    json_put(object, "encode", threads_array(tuning, WHISPER158_TUNED_ENCODE));
    json_put(object, "decode", threads_array(tuning, WHISPER158_TUNED_DECODE));
    json_put(object, "layers", layers_array(tuning));
    return json_print(stdout, object);
}
