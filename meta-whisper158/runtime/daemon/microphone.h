/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_MICROPHONE_H
#define DAEMON_MICROPHONE_H

#include "feed.h"

/* Records from a microphone until the source is stopped. */
void microphone_run(Feed *feed, const char *device);

#endif
