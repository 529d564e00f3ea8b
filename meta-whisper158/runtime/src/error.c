/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Errors are a negative errno value for the program and one sentence for the person. The sentence is made where the
 * cause is known, in a buffer of the caller, so that nothing has to be freed and no state is shared.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int w158_fail(whisper158_error *error, int code, const char *format, ...) {
    if (error) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return code;
}
