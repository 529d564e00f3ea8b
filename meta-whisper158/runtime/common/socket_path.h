/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where the daemon's events are to be had (daemon/json_lines.h).
 */
#ifndef COMMON_SOCKET_PATH_H
#define COMMON_SOCKET_PATH_H

#define SOCKET_DEFAULT "/run/whisper158.sock"

/* `path`; NULL stands for $WHISPER158_SOCKET, where that is not set for SOCKET_DEFAULT. */
const char *find_socket_path(const char *path);

#endif
