/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "info_json.h"

#include <errno.h>
#include <string.h>

#include "json.h"

static void put_number(struct json_object *object, const char *key, uint64_t value) {
    (void)json_object_object_add(object, key, json_object_new_int64((int64_t)value));
}

static void put_text(struct json_object *object, const char *key, const char *value) {
    (void)json_object_object_add(object, key, json_text(value, strlen(value)));
}

static struct json_object *dimensions_object(const whisper158_model_info *info) {
    struct json_object *const object = json_object_new_object();

    if (!object)
        return NULL;
    put_number(object, "n_mels", info->n_mels);
    put_number(object, "n_audio_ctx", info->n_audio_ctx);
    put_number(object, "n_audio_state", info->n_audio_state);
    put_number(object, "n_audio_head", info->n_audio_head);
    put_number(object, "n_audio_layer", info->n_audio_layer);
    put_number(object, "n_vocab", info->n_vocab);
    put_number(object, "n_text_ctx", info->n_text_ctx);
    put_number(object, "n_text_state", info->n_text_state);
    put_number(object, "n_text_head", info->n_text_head);
    put_number(object, "n_text_layer", info->n_text_layer);
    return object;
}

static struct json_object *linear_array(const Summary *summary) {
    struct json_object *const array = json_object_new_array();

    for (uint32_t i = 0; array && i < summary->n_formats; i++) {
        const LinearFormat *const f = &summary->formats[i];
        struct json_object *const object = json_object_new_object();

        if (!object)
            break;
        put_text(object, "dtype", f->dtype);
        put_text(object, "packing", f->packing);
        put_text(object, "scales", f->group == 0 ? "none" : f->group == WHOLE_ROW ? "row" : "group");
        put_number(object, "group", f->group == WHOLE_ROW ? 0 : f->group);
        put_number(object, "layers", f->count);
        put_number(object, "weights", f->weights);
        put_number(object, "bytes", f->bytes);
        (void)json_object_object_add(object, "bits_per_weight", json_number(bits_per_weight(f), "%.4f"));
        (void)json_object_array_add(array, object);
    }
    return array;
}

static struct json_object *parts_object(const Summary *summary) {
    static const char *const keys[N_PARTS] = {"encoder", "decoder", "embedding", "vocabulary", "detector", "other"};
    struct json_object *const object = json_object_new_object();

    for (Part part = 0; object && part < N_PARTS; part++)
        put_number(object, keys[part], summary->bytes[part]);
    return object;
}

static struct json_object *provenance_object(const whisper158_model *model) {
    struct json_object *const object = json_object_new_object();
    const char *text;
    size_t left = whisper158_model_get_provenance_text(model, &text);
    Line line;

    while (object && next_line(&text, &left, &line)) {
        struct json_object *const key = json_text(line.key, line.key_length);

        if (key)
            (void)json_object_object_add(object, json_object_get_string(key), json_text(line.value, line.value_length));
        (void)json_object_put(key);
    }
    return object;
}

static struct json_object *languages_array(const whisper158_model *model) {
    struct json_object *const array = json_object_new_array();
    const char *code;

    for (uint32_t i = 0; array && (code = whisper158_model_get_language(model, i)); i++)
        (void)json_object_array_add(array, json_text(code, strlen(code)));
    return array;
}

static struct json_object *section_object(const whisper158_section *section) {
    struct json_object *const object = json_object_new_object();
    struct json_object *const shape = json_object_new_array();

    if (!object || !shape) {
        (void)json_object_put(shape);
        return object;
    }
    for (uint32_t i = 0; i < section->rank; i++)
        (void)json_object_array_add(shape, json_object_new_int64(section->shape[i]));
    put_text(object, "name", section->name);
    put_text(object, "dtype", section->dtype);
    put_text(object, "packing", section->packing);
    (void)json_object_object_add(object, "shape", shape);
    put_number(object, "group", section->group);
    put_number(object, "offset", section->offset);
    put_number(object, "size", section->size);
    return object;
}

static struct json_object *sections_array(const whisper158_model *model) {
    struct json_object *const array = json_object_new_array();
    whisper158_section section;

    for (uint32_t i = 0; array && whisper158_model_get_section(model, i, &section) >= 0; i++)
        (void)json_object_array_add(array, section_object(&section));
    return array;
}

int info_print_json(const whisper158_model *model, const Summary *summary, bool sections, const Need *need) {
    const whisper158_model_info *const info = &summary->info;
    struct json_object *const object = json_object_new_object();

    if (!object)
        return -ENOMEM;
    (void)json_object_object_add(object, "provenance", provenance_object(model));
    (void)json_object_object_add(object, "multilingual", json_object_new_boolean(info->n_languages > 0));
    (void)json_object_object_add(object, "languages", languages_array(model));
    (void)json_object_object_add(object, "dimensions", dimensions_object(info));
    put_number(object, "parameters", summary->parameters);
    (void)json_object_object_add(object, "linear", linear_array(summary));
    (void)json_object_object_add(object, "bits_per_weight", json_number(bits_per_weight(&summary->linear), "%.4f"));
    (void)json_object_object_add(object, "bits_per_parameter", json_number(bits_per_parameter(summary), "%.4f"));
    put_number(object, "activation_bits", info->activation_bits);
    put_number(object, "min_audio_ctx", info->min_audio_ctx);
    put_number(object, "file_size", info->file_size);
    (void)json_object_object_add(object, "bytes", parts_object(summary));
    if (sections)
        (void)json_object_object_add(object, "sections", sections_array(model));
    if (need)
        (void)json_object_object_add(object, "memory", need_json(need));
    return json_print(stdout, object);
}
