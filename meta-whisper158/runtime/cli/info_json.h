/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A model as one JSON object, for programs.
 */
#ifndef CLI_INFO_JSON_H
#define CLI_INFO_JSON_H

#include <stdbool.h>

#include "need.h"
#include "summary.h"

/* `need` may be NULL. Prints it to standard output on one line. Returns 0 or -ENOMEM; errors of the stream stay with the stream. */
int info_print_json(const whisper158_model *model, const Summary *summary, bool sections, const Need *need);

#endif
