/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "socket_path.h"

#include <stdlib.h>

const char *find_socket_path(const char *path) {
    const char *const variable = getenv("WHISPER158_SOCKET");

    return path ? path : variable && *variable ? variable : SOCKET_DEFAULT;
}
