/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static bool read_number(uint32_t *out, const char *text, uint32_t min, uint32_t max) {
    uint64_t value = 0;

    if (*text == '\0')
        return false;
    for (; *text >= '0' && *text <= '9' && value <= max; text++)
        value = 10 * value + (uint64_t)(*text - '0');
    *out = (uint32_t)value;
    return *text == '\0' && value >= min && value <= max;
}

int parse_number(uint32_t *out, const char *option, const char *value, uint32_t min, uint32_t max,
                 whisper158_error *error) {
    if (read_number(out, value, min, max))
        return 0;
    return fail(error, -EINVAL, "%s %.100s is not a number from %u to %u", option, value, min, max);
}

int parse_seconds(double *out, const char *option, const char *value, double least, uint32_t max,
                  whisper158_error *error) {
    char *end;

    *out = strtod(value, &end);
    if (end != value && *end == '\0' && *out > 0 && *out >= least && *out <= max)
        return 0;
    return fail(error, -EINVAL, "%s %.100s is not a number of seconds above 0 and at most %u", option, value, max);
}

int parse_audio_context(uint32_t *out, const char *value, whisper158_error *error) {
    const uint32_t max = WHISPER158_WINDOW_SECONDS * WHISPER158_FRAMES_PER_SECOND;

    *out = strcmp(value, "auto") == 0 ? WHISPER158_AUDIO_CONTEXT_AUTO : WHISPER158_AUDIO_CONTEXT_FULL;
    if (strcmp(value, "auto") == 0 || strcmp(value, "full") == 0 || read_number(out, value, 1, max))
        return 0;
    return fail(error, -EINVAL, "--audio-context %.100s is neither auto nor full nor a number from 1 to %u", value, max);
}

int parse_kernels(const char **out, const char *value, whisper158_error *error) {
    char names[256] = "";

    for (uint32_t i = 0; (*out = whisper158_kernels_name(i)); i++) {
        const size_t used = strlen(names);

        if (strcmp(value, *out) == 0)
            return 0;
        (void)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", *out);
    }
    return fail(error, -EINVAL, "--kernels %.60s is not one of those that this processor can run: %s", value, names);
}

int parse_file(const char **out, const char *option, const char *value, whisper158_error *error) {
    *out = value;
    if (*value != '\0' && strcmp(value, "-") != 0)
        return 0;
    return fail(error, -EINVAL, "%s needs the name of a file", option);
}

int parsed(const char *command, int r, const whisper158_error *error) {
    return r < 0 ? report_usage(command, "%s", error->text) : 0;
}
