/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "source_listener.h"

const char *source_state_name(SourceState state) {
    static const char *const names[SOURCE_STATES] = {"waiting", "open", "lost", "silent", "clipped", "quiet", "fine"};

    return names[state];
}
