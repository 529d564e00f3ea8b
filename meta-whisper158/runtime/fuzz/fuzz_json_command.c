/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A line that a client of the JSON socket sent.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "bus.h"
#include "json_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    whisper158_error error = {{0}};
    JsonCommand command;

    if (json_command_parse(&command, (const char *)data, size, &error) < 0) {
        if (!*error.text)
            abort(); /* a refusal says why */
    } else if (command.mask & ~EVENT_MASK_ALL) {
        abort();
    }
    return 0;
}
