/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef CLI_SELFTEST_KERNELS_H
#define CLI_SELFTEST_KERNELS_H

#include "verdict.h"

/* Every set of kernels that this processor runs against the reference, with the small model at `path`. */
void check_kernels(Verdict *out, const char *path);

#endif
