/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "summary.h"

#include <string.h>

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static Part part_of(const char *name) {
    if (starts_with(name, "encoder."))
        return PART_ENCODER;
    if (starts_with(name, "decoder.token_embedding."))
        return PART_HEAD;
    if (starts_with(name, "decoder."))
        return PART_DECODER;
    if (starts_with(name, "vocab.") || starts_with(name, "mel."))
        return PART_VOCABULARY;
    if (starts_with(name, "vad."))
        return PART_DETECTOR;
    return PART_OTHER;
}

static uint64_t elements(const whisper158_section *section) {
    uint64_t n = 1;

    for (uint32_t i = 0; i < section->rank; i++)
        n *= section->shape[i];
    return n;
}

/* The linear layers are the matrices of the blocks; the embedding is the head's matrix and counted there. */
static bool is_linear(const whisper158_section *section) {
    return section->rank == 2 && strstr(section->name, ".blocks.") && ends_with(section->name, ".weight");
}

static LinearFormat *find_format(Summary *summary, const whisper158_section *section) {
    const uint32_t group = section->group > 0 && section->group == section->shape[1] ? WHOLE_ROW : section->group;
    LinearFormat *format;

    for (format = summary->formats; format != summary->formats + summary->n_formats; format++)
        if (strcmp(format->dtype, section->dtype) == 0 && strcmp(format->packing, section->packing) == 0 &&
            format->group == group)
            return format;
    if (summary->n_formats == MAX_FORMATS)
        return NULL;
    summary->n_formats++;
    *format = (LinearFormat){.dtype = section->dtype, .packing = section->packing, .group = group};
    return format;
}

static void add_linear(LinearFormat *format, const whisper158_section *section) {
    const uint64_t scales = section->group ? elements(section) / section->group : 0;

    format->count++;
    format->weights += elements(section);
    format->bytes += section->size + scales * sizeof(float);
}

void summarise(Summary *summary, const whisper158_model *model) {
    whisper158_section section;
    uint64_t rest;

    *summary = (Summary){0};
    whisper158_model_get_info(model, &summary->info);
    rest = summary->info.file_size;
    for (uint32_t i = 0; whisper158_model_get_section(model, i, &section) >= 0; i++) {
        const Part part = part_of(section.name);

        summary->bytes[part] += section.size;
        rest -= section.size;
        if (part <= PART_HEAD && !ends_with(section.name, ".scale"))
            summary->parameters += elements(&section);
        if (is_linear(&section)) {
            LinearFormat *const format = find_format(summary, &section);

            add_linear(&summary->linear, &section);
            if (format)
                add_linear(format, &section);
        }
    }
    summary->bytes[PART_OTHER] += rest;
}

double bits_per_weight(const LinearFormat *format) {
    return format->weights ? 8.0 * (double)format->bytes / (double)format->weights : 0.0;
}

double bits_per_parameter(const Summary *summary) {
    return summary->parameters ? 8.0 * (double)summary->info.file_size / (double)summary->parameters : 0.0;
}

bool next_line(const char **text, size_t *left, Line *line) {
    while (*left > 0) {
        const char *const start = *text;
        const char *const end = memchr(start, '\n', *left);
        const size_t length = end ? (size_t)(end - start) : *left;
        const char *const equals = memchr(start, '=', length);

        *text += end ? length + 1 : length;
        *left -= end ? length + 1 : length;
        if (!equals)
            continue;
        *line = (Line){
            .key = start,
            .key_length = (size_t)(equals - start),
            .value = equals + 1,
            .value_length = length - (size_t)(equals - start) - 1,
        };
        return true;
    }
    return false;
}
