/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Between a program and the C library (LD_PRELOAD), for tests of whisper158d. By the environment:
 *
 * SHIM_HOLD   A file. While it exists, no thread but the main one returns from getrusage. whisper158d's worker asks for it
 *             once after each job, so it hangs there.
 * SHIM_SPEED  The clocks that cannot be set run so many times faster than they do, and epoll and poll wait by them.
 * SHIM_JUMP   Whoever asks for the time of day gets one that is days ahead, days behind, and right, in turn.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { DAY = 86400, SECOND = 1000000000 };

static const char *hold;
static long speed = 1;
static int jumps;
static struct timespec base[CLOCK_TAI + 1];
static atomic_uint asked;

static int ask(clockid_t clock, struct timespec *time) {
    return (int)syscall(SYS_clock_gettime, clock, time);
}

__attribute__((constructor)) static void begin(void) {
    const char *const factor = getenv("SHIM_SPEED");

    hold = getenv("SHIM_HOLD");
    jumps = getenv("SHIM_JUMP") != NULL;
    for (clockid_t clock = 0; clock <= CLOCK_TAI; clock++)
        (void)ask(clock, &base[clock]);
    speed = factor ? atol(factor) : 1;
}

static void hurry(clockid_t clock, struct timespec *time) {
    const long long passed =
        (long long)(time->tv_sec - base[clock].tv_sec) * SECOND + time->tv_nsec - base[clock].tv_nsec;
    const long long since = base[clock].tv_nsec + speed * passed;

    time->tv_sec = base[clock].tv_sec + since / SECOND;
    time->tv_nsec = since % SECOND;
}

static time_t jump(void) {
    static const time_t days[] = {3, -3, 0, 400, -400};

    return jumps ? DAY * days[atomic_fetch_add(&asked, 1) % (sizeof days / sizeof *days)] : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    const int r = ask(clock, time);

    if (r < 0)
        return r;
    if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME)
        hurry(clock, time);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        time->tv_sec += jump();
    return r;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *time = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

static int shorten(int milliseconds) {
    return milliseconds > 0 ? (int)((milliseconds + speed - 1) / speed) : milliseconds;
}

int epoll_wait(int epoll, struct epoll_event *events, int room, int milliseconds) {
    return (int)syscall(SYS_epoll_pwait, epoll, events, room, shorten(milliseconds), NULL, 0);
}

int poll(struct pollfd *polled, nfds_t count, int milliseconds) {
    const int shortened = shorten(milliseconds);
    const struct timespec time = {.tv_sec = shortened / 1000, .tv_nsec = shortened % 1000 * 1000000L};

    return (int)syscall(SYS_ppoll, polled, count, milliseconds < 0 ? NULL : &time, NULL, 0);
}

int getrusage(__rusage_who_t who, struct rusage *usage) {
    while (hold && gettid() != getpid() && access(hold, F_OK) == 0)
        (void)usleep(5000);
    return (int)syscall(SYS_getrusage, who, usage);
}
