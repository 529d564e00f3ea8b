/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A socket that clients connect to: made here, or handed over by systemd. Shared by the protocols.
 */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include <stdbool.h>

#include "loop.h"
#include "whisper158.h"

typedef struct Listener {
    Loop *loop;
    int fd; /* -1: closed */
    Watch watch;
    Timer pause;
    bool told; /* that somebody has to wait, since somebody could be accepted last */
    char *path; /* of a Unix socket that was made here, to be removed; else NULL */
    void (*accepted)(void *user, int fd); /* takes the descriptor, which does not block */
    void *user;
} Listener;

/* What `address` names: "unix://PATH", a PATH that begins with "/", or "tcp://HOST:PORT" with a numeric host, "[::1]",
 * or "localhost". A Unix socket that nobody listens to any more is replaced; one in use is -EADDRINUSE. Returns a
 * listening descriptor, or a negative errno and a sentence. *loopback: whether only this machine can reach it. */
int listener_bind(const char *address, bool *loopback, whisper158_error *error);

/* Accepts from now on. Takes the descriptor, in any case. `path`: to be removed at the end, or NULL. */
int listener_open(Listener *listener, Loop *loop, int fd, const char *path, void (*accepted)(void *, int), void *user);

/* Accepts no more. One that is all zero, or closed, is left alone. */
void listener_close(Listener *listener);

/* The path of "unix://PATH" and "/PATH", else NULL. */
const char *address_path(const char *address);

#endif
