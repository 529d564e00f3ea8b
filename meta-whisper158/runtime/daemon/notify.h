/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What there is to say to systemd, and to take from it (sd_notify(3), sd_listen_fds(3)); without it, nothing happens.
 * The protocols are a datagram and three environment variables.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stddef.h>

/* Sends "READY=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1", several of them with newlines between. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Seconds within which systemd wants WATCHDOG=1; 0: it does not. */
double notify_watchdog(void);

enum { NOTIFY_SOCKETS = 8, NOTIFY_NAME = 64 };

typedef struct NotifySocket {
    int fd;
    char name[NOTIFY_NAME]; /* FileDescriptorName= of the .socket unit */
} NotifySocket;

/* The listening sockets that were handed over. Returns how many; only the first call gets them. */
size_t notify_take_sockets(NotifySocket out[NOTIFY_SOCKETS]);

#endif
