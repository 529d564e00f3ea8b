/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The main thread: it waits for descriptors (epoll), for deadlines, and for what other threads hand it, and calls a
 * function for each. Nothing that it calls may block.
 *
 * One event is taken from epoll at a time, so a function may remove any watch, its own too: no stale event is left
 * behind. Deadlines are of CLOCK_MONOTONIC; setting the clock does not move them. Time in which the loop did not get on
 * (a stopped process, a machine that is too busy) counts for none of them: nobody could be heard in it.
 */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

typedef struct Loop Loop;

/* A descriptor that is waited for. Embedded in whatever owns the descriptor; zero-initialised before the first use. */
typedef struct Watch {
    Loop *loop; /* NULL: not watched */
    int fd;
    void (*ready)(struct Watch *watch, uint32_t events); /* EPOLLIN, ... */
    void *user;
} Watch;

/* A deadline, once; whoever wants it again sets it again. Embedded and zero-initialised likewise. */
typedef struct Timer {
    Loop *loop; /* NULL: not set */
    double at;
    double set; /* when that was set */
    void (*expired)(struct Timer *timer);
    void *user;
    struct Timer *next;
} Timer;

/* What another thread hands to the main thread. Embedded, so that handing over cannot fail. */
typedef struct Post {
    void (*run)(struct Post *post);
    struct Post *next;
} Post;

/* Seconds of CLOCK_MONOTONIC. */
double loop_now(void);

/* Returns 0 or a negative errno. */
int loop_new(Loop **out);

/* Watches, timers and posts must be gone. NULL is allowed. Returns NULL. */
Loop *loop_free(Loop *loop);

/* Until loop_quit; then returns what that was given, or a negative errno of epoll. */
int loop_run(Loop *loop);

/* Makes loop_run return `status`, 0 or more, once the function that calls this has returned. */
void loop_quit(Loop *loop, int status);

/* Waits for `events` of `fd`, which stays the caller's. Returns 0 or a negative errno. */
int loop_watch(Loop *loop, Watch *watch, int fd, uint32_t events, void (*ready)(Watch *, uint32_t), void *user);
int watch_change(Watch *watch, uint32_t events);

/* Does not close the descriptor, and must come before that is closed. A watch that is none is left alone. */
void watch_remove(Watch *watch);

/* Calls `expired` in `seconds`, a timer that is set already being moved. */
void loop_set_timer(Loop *loop, Timer *timer, double seconds, void (*expired)(Timer *), void *user);
void timer_cancel(Timer *timer);

/* From any thread: `run` is called by the main thread, in the order of the posts. */
void loop_post(Loop *loop, Post *post, void (*run)(Post *));

/* Runs what has been posted, at once; for the end, when loop_run has returned. */
void loop_run_posts(Loop *loop);

#endif
