/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ = 16384 }; /* bytes at a time */

static void lose(Connection *s, const char *why) {
    connection_close(s);
    s->handler->closed(s->user, why);
}

static void read_timed_out(Timer *timer) {
    lose(timer->user, "it was silent for too long");
}

static void write_timed_out(Timer *timer) {
    lose(timer->user, "it did not read what it was sent");
}

static void update_watch(Connection *s) {
    const uint32_t in = s->eof ? 0 : EPOLLIN;
    const uint32_t out = s->end > s->start || (s->finishing && !s->told) ? EPOLLOUT : 0;

    (void)watch_change(&s->watch, in | out);
}

/* Sends what waits, as far as it goes. Returns 0 or a negative errno. */
static int flush(Connection *s) {
    while (s->start < s->end) {
        const ssize_t n = send(s->fd, s->out + s->start, s->end - s->start, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
        s->start += (size_t)n;
        timer_cancel(&s->write_timer);
    }
    s->start = s->end = 0;
    return 0;
}

static void expect_reader(Connection *s) {
    if (s->end > s->start && !s->write_timer.loop)
        loop_set_timer(s->loop, &s->write_timer, CONNECTION_WRITE_SECONDS, write_timed_out, s);
    update_watch(s);
}

static void finish_timed_out(Timer *timer) {
    lose(timer->user, NULL);
}

/* All is sent. */
static void tell(Connection *s) {
    s->told = true;
    if (s->eof) {
        lose(s, NULL);
        return;
    }
    (void)shutdown(s->fd, SHUT_WR);
    loop_set_timer(s->loop, &s->read_timer, CONNECTION_FINISH_SECONDS, finish_timed_out, s);
    update_watch(s);
}

static void read_some(Connection *s) {
    unsigned char bytes[READ];
    const ssize_t n = recv(s->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n < 0 || (n == 0 && s->told)) {
        lose(s, NULL);
    } else if (s->finishing) {
        s->eof = n == 0;
        update_watch(s);
    } else if (n == 0) {
        s->eof = true;
        timer_cancel(&s->read_timer);
        update_watch(s);
        s->handler->eof(s->user);
    } else {
        connection_set_read_timeout(s, s->read_timeout);
        s->handler->data(s->user, bytes, (size_t)n);
    }
}

static void ready(Watch *watch, uint32_t events) {
    Connection *const s = watch->user;

    if (events & EPOLLOUT) {
        if (flush(s) < 0) {
            lose(s, NULL);
            return;
        }
        if (s->finishing && s->start == s->end) {
            tell(s);
            return;
        }
        expect_reader(s);
    }
    if (events & EPOLLIN && !s->eof)
        read_some(s);
    else if (events & (EPOLLHUP | EPOLLERR))
        lose(s, NULL);
}

int connection_open(Connection *s, Loop *loop, int fd, size_t room, const ConnectionHandler *handler, void *user) {
    int r;

    *s = (Connection){.loop = loop, .fd = fd, .room = room, .handler = handler, .user = user, .out = malloc(room)};
    r = s->out ? loop_watch(loop, &s->watch, fd, EPOLLIN, ready, s) : -ENOMEM;
    if (r < 0)
        connection_close(s);
    return r;
}

int connection_write(Connection *s, const void *bytes, size_t count) {
    int r;

    if (s->fd < 0)
        return -EPIPE;
    if (count > s->room - (s->end - s->start))
        return -ENOBUFS;
    if (count > s->room - s->end) {
        memmove(s->out, s->out + s->start, s->end - s->start);
        s->end -= s->start;
        s->start = 0;
    }
    memcpy(s->out + s->end, bytes, count);
    s->end += count;
    r = flush(s);
    if (r >= 0)
        expect_reader(s);
    return r;
}

void connection_set_read_timeout(Connection *s, double seconds) {
    s->read_timeout = seconds;
    if (seconds > 0.0 && !s->eof)
        loop_set_timer(s->loop, &s->read_timer, seconds, read_timed_out, s);
    else
        timer_cancel(&s->read_timer);
}

void connection_finish(Connection *s) {
    s->finishing = true;
    timer_cancel(&s->read_timer);
    expect_reader(s);
}

void connection_close(Connection *s) {
    if (s->fd < 0)
        return;
    timer_cancel(&s->read_timer);
    timer_cancel(&s->write_timer);
    watch_remove(&s->watch);
    (void)close(s->fd);
    s->fd = -1;
    free(s->out);
    s->out = NULL;
    s->start = s->end = 0;
}
