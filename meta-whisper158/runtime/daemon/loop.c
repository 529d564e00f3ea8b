/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define TURN_SECONDS 1.0 /* at most, from one look at the timers to the next ... */
#define LATE_SECONDS 1.0 /* ... and what is borne with beyond what was asked for */

struct Loop {
    int epoll;
    Watch wake; /* an eventfd: there are posts */
    Timer *timers;
    double turn, next; /* when the timers were last looked at, and are to be again; 0: never yet */
    pthread_mutex_t lock; /* of the posts */
    Post *first, **last;
    bool quit;
    int status;
};

double loop_now(void) {
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* -------------------------------------------------------------------------------------------------------------- posts */

void loop_post(Loop *loop, Post *post, void (*run)(Post *)) {
    const uint64_t one = 1;

    post->run = run;
    post->next = NULL;
    (void)pthread_mutex_lock(&loop->lock);
    *loop->last = post;
    loop->last = &post->next;
    (void)pthread_mutex_unlock(&loop->lock);
    while (write(loop->wake.fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

static Post *take_posts(Loop *loop) {
    Post *first;

    (void)pthread_mutex_lock(&loop->lock);
    first = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    (void)pthread_mutex_unlock(&loop->lock);
    return first;
}

void loop_run_posts(Loop *loop) {
    for (Post *post; (post = take_posts(loop));)
        for (Post *next; post; post = next) {
            next = post->next; /* the post may be gone when its function returns */
            post->run(post);
        }
}

static void woken(Watch *watch, uint32_t events) {
    uint64_t count;

    (void)events;
    while (read(watch->fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
    loop_run_posts(watch->loop);
}

/* ------------------------------------------------------------------------------------------------------------- timers */

void timer_cancel(Timer *timer) {
    if (!timer->loop)
        return;
    for (Timer **at = &timer->loop->timers; *at; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    timer->loop = NULL;
}

static void insert(Timer *timer) {
    Timer **at = &timer->loop->timers;

    while (*at && (*at)->at <= timer->at)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

void loop_set_timer(Loop *loop, Timer *timer, double seconds, void (*expired)(Timer *), void *user) {
    const double now = loop_now();

    timer_cancel(timer);
    *timer = (Timer){.loop = loop, .at = now + seconds, .set = now, .expired = expired, .user = user};
    insert(timer);
}

/* Gives back the time that the loop did not get on in to all who were waiting then. */
static void forgive(Loop *loop, double now) {
    const double lost = now - loop->turn;
    Timer *timer = loop->timers, *next;

    log_line(LOG_WARNING, "the daemon could not go on for %.1f s; deadlines are moved by that", lost);
    loop->timers = NULL;
    for (; timer; timer = next) {
        next = timer->next;
        timer->at += fmin(lost, now - timer->set);
        insert(timer);
    }
}

/* Runs what is due. Returns milliseconds until the timers are to be looked at again. */
static int run_timers(Loop *loop) {
    const double now = loop_now();
    double seconds;

    if (loop->next > 0.0 && now > loop->next + LATE_SECONDS)
        forgive(loop, now);
    while (loop->timers && loop->timers->at <= now && !loop->quit) {
        Timer *const timer = loop->timers;

        loop->timers = timer->next;
        timer->loop = NULL;
        timer->expired(timer);
    }
    seconds = loop->timers ? fmin(fmax(loop->timers->at - now, 0.0), TURN_SECONDS) : TURN_SECONDS;
    loop->turn = now;
    loop->next = now + seconds;
    return (int)ceil(1000.0 * seconds);
}

/* ------------------------------------------------------------------------------------------------------------ watches */

int loop_watch(Loop *loop, Watch *watch, int fd, uint32_t events, void (*ready)(Watch *, uint32_t), void *user) {
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return -errno;
    *watch = (Watch){.loop = loop, .fd = fd, .ready = ready, .user = user};
    return 0;
}

int watch_change(Watch *watch, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = watch};

    return epoll_ctl(watch->loop->epoll, EPOLL_CTL_MOD, watch->fd, &event) < 0 ? -errno : 0;
}

void watch_remove(Watch *watch) {
    if (watch->loop)
        (void)epoll_ctl(watch->loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->loop = NULL;
}

/* --------------------------------------------------------------------------------------------------------------- loop */

int loop_new(Loop **out) {
    Loop *const loop = calloc(1, sizeof *loop);
    int r, fd;

    if (!loop)
        return -ENOMEM;
    loop->last = &loop->first;
    loop->wake.fd = -1;
    (void)pthread_mutex_init(&loop->lock, NULL);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    r = loop->epoll < 0 ? -errno : 0;
    fd = r < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r >= 0)
        r = fd < 0 ? -errno : loop_watch(loop, &loop->wake, fd, EPOLLIN, woken, NULL);
    if (r < 0) {
        if (fd >= 0)
            (void)close(fd);
        (void)loop_free(loop);
        return r;
    }
    *out = loop;
    return 0;
}

Loop *loop_free(Loop *loop) {
    if (!loop)
        return NULL;
    if (loop->wake.fd >= 0)
        (void)close(loop->wake.fd);
    if (loop->epoll >= 0)
        (void)close(loop->epoll);
    (void)pthread_mutex_destroy(&loop->lock);
    free(loop);
    return NULL;
}

int loop_run(Loop *loop) {
    while (!loop->quit) {
        const int timeout = run_timers(loop);
        struct epoll_event event;
        int n;

        if (loop->quit)
            break;
        n = epoll_wait(loop->epoll, &event, 1, timeout);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            Watch *const watch = event.data.ptr;

            watch->ready(watch, event.events);
        }
    }
    loop->quit = false;
    return loop->status;
}

void loop_quit(Loop *loop, int status) {
    loop->quit = true;
    loop->status = status;
}
