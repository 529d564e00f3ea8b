/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "report.h"

uint32_t parse_number(const char *text, uint32_t max) {
    uint32_t value = 0;

    for (; *text >= '0' && *text <= '9' && value <= max; text++)
        value = 10 * value + (uint32_t)(*text - '0');
    return *text == '\0' && value <= max ? value : 0;
}

int parse_audio_context(uint32_t *out, const char *value, const char *command) {
    const uint32_t max = WHISPER158_WINDOW_SECONDS * WHISPER158_FRAMES_PER_SECOND;

    *out = WHISPER158_AUDIO_CONTEXT_AUTO;
    if (strcmp(value, "auto") == 0)
        return 0;
    *out = strcmp(value, "full") == 0 ? WHISPER158_AUDIO_CONTEXT_FULL : parse_number(value, max);
    if (*out == 0)
        return report_usage(command, "--audio-context %s is neither auto nor full nor a number from 1 to %u", value, max);
    return 0;
}

int parse_kernels(const char **out, const char *value, const char *command) {
    char names[256] = "";
    const char *name;

    for (uint32_t i = 0; (name = whisper158_kernels_name(i)); i++) {
        const size_t used = strlen(names);

        *out = name;
        if (strcmp(value, name) == 0)
            return 0;
        (void)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", name);
    }
    return report_usage(command, "--kernels %s is not one of those that this processor can run: %s", value, names);
}
