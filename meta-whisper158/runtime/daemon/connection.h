/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * One client's connection: it reads what comes, keeps what cannot be sent yet, and never waits. What is kept is bounded;
 * a client that does not read what it is sent loses its connection and nothing else.
 *
 * Callbacks are the last thing that a connection does before it returns to the loop, so they may close it and free
 * what it is embedded in.
 */
#ifndef DAEMON_CONNECTION_H
#define DAEMON_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"

typedef struct ConnectionHandler {
    void (*data)(void *user, const unsigned char *bytes, size_t count);
    /* The peer sends no more. It may still read: the connection stays open until it is closed, or finished. */
    void (*eof)(void *user);
    /* The connection is over, and closed already. `why`: what was wrong with the peer; NULL if it just went, or if all was
     * sent after connection_finish. */
    void (*closed)(void *user, const char *why);
} ConnectionHandler;

typedef struct Connection {
    Loop *loop;
    int fd; /* -1: closed */
    Watch watch;
    const ConnectionHandler *handler;
    void *user;
    unsigned char *out; /* [room], of which `start` to `end` wait to be sent */
    size_t room, start, end;
    Timer write_timer, read_timer;
    double read_timeout;
    bool eof;
    bool finishing; /* what comes is thrown away; once all is sent, the peer is told */
    bool told;
} Connection;

#define CONNECTION_WRITE_SECONDS 30.0 /* without the peer taking a single byte */
#define CONNECTION_FINISH_SECONDS 2.0 /* for the peer to close its side: closing with bytes unread would destroy what was sent */

/* Takes the descriptor, in any case. `room`: bytes that may wait to be sent. Returns 0 or a negative errno. */
int connection_open(Connection *connection, Loop *loop, int fd, size_t room, const ConnectionHandler *handler, void *user);

/*
 * Sends, or keeps, all of it or nothing. -ENOBUFS: the peer is too slow, no room is left; others: the connection is gone.
 * The connection stays open, for the caller to close.
 */
int connection_write(Connection *connection, const void *bytes, size_t count);

/* Closes when nothing has come for so many seconds; 0: waits for ever. */
void connection_set_read_timeout(Connection *connection, double seconds);

/* Sends what is left, then closes: `closed` is called from the loop, not from within. */
void connection_finish(Connection *connection);

/* At once, and without a callback. One that is closed is left alone. */
void connection_close(Connection *connection);

#endif
