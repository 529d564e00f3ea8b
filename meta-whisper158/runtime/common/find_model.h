/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef COMMON_FIND_MODEL_H
#define COMMON_FIND_MODEL_H

#include "whisper158.h"

/* The model that `path` names. NULL stands for $WHISPER158_MODEL, where that is not set for the one that is installed. */
const char *find_model_path(const char *path);

/* Opens it. Returns as whisper158_model_open; the sentence tells where it looked. */
int find_model(whisper158_model **out, const char *path, whisper158_error *error);

#endif
