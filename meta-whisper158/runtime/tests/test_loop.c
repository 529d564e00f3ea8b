/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * daemon/loop.c, connection.c, listener.c and bus.c: what is called when, and what becomes of peers that do not behave.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus.h"
#include "connection.h"
#include "listener.h"
#include "loop.h"

/* ------------------------------------------------------------------------------------------------- timers and posts */

typedef struct Trace {
    Loop *loop;
    char text[256];
    Timer timers[3];
    Post posts[3];
} Trace;

static void note(Trace *trace, const char *text) {
    strncat(trace->text, text, sizeof trace->text - strlen(trace->text) - 1);
}

static void expire_a(Timer *timer) {
    note(timer->user, "a");
}

static void expire_b(Timer *timer) {
    Trace *const trace = timer->user;

    note(trace, "b");
    timer_cancel(&trace->timers[2]);
    loop_set_timer(trace->loop, &trace->timers[0], 0.0, expire_a, trace);
}

static void expire_end(Timer *timer) {
    note(timer->user, "e");
    loop_quit(((Trace *)timer->user)->loop, 5);
}

static void expire_never(Timer *timer) {
    (void)timer;
    assert(!"a cancelled timer");
}

static void test_timers(void) {
    Trace trace = {0};
    Timer end = {0};

    assert(loop_new(&trace.loop) == 0);
    loop_set_timer(trace.loop, &end, 0.05, expire_end, &trace);
    loop_set_timer(trace.loop, &trace.timers[2], 0.04, expire_never, &trace);
    loop_set_timer(trace.loop, &trace.timers[1], 0.02, expire_b, &trace);
    loop_set_timer(trace.loop, &trace.timers[0], 9.0, expire_never, &trace);
    loop_set_timer(trace.loop, &trace.timers[0], 0.01, expire_a, &trace); /* moved */
    assert(loop_run(trace.loop) == 5);
    assert(strcmp(trace.text, "abae") == 0);
    (void)loop_free(trace.loop);
}

typedef struct Counted {
    Post post;
    unsigned *count;
} Counted;

static void count_post(Post *post) {
    Counted *const counted = (Counted *)post;

    ++*counted->count;
    free(counted);
}

static void *post_many(void *user) {
    void *const *const arguments = user;

    for (int i = 0; i < 1000; i++) {
        Counted *const counted = malloc(sizeof *counted);

        assert(counted);
        counted->count = arguments[1];
        loop_post(arguments[0], &counted->post, count_post);
    }
    return NULL;
}

static void test_posts(void) {
    Trace trace = {0};
    Timer end = {0};
    unsigned count = 0;
    void *arguments[2];
    pthread_t threads[3];

    assert(loop_new(&trace.loop) == 0);
    arguments[0] = trace.loop;
    arguments[1] = &count;
    for (size_t i = 0; i < 3; i++)
        assert(pthread_create(&threads[i], NULL, post_many, arguments) == 0);
    loop_set_timer(trace.loop, &end, 0.02, expire_end, &trace);
    assert(loop_run(trace.loop) == 5);
    for (size_t i = 0; i < 3; i++)
        assert(pthread_join(threads[i], NULL) == 0);
    loop_run_posts(trace.loop);
    assert(count == 3000);
    (void)loop_free(trace.loop);
}

/* -------------------------------------------------------------------------------------------------------- connections */

typedef struct Peer {
    Loop *loop;
    Connection connection;
    char got[64];
    size_t n;
    bool eof, closed;
    const char *why;
} Peer;

static void got_data(void *user, const unsigned char *bytes, size_t count) {
    Peer *const peer = user;

    assert(count < sizeof peer->got - peer->n);
    memcpy(peer->got + peer->n, bytes, count);
    peer->n += count;
}

static void got_eof(void *user) {
    ((Peer *)user)->eof = true;
}

static void got_closed(void *user, const char *why) {
    Peer *const peer = user;

    peer->closed = true;
    peer->why = why;
}

static const ConnectionHandler handler = {.data = got_data, .eof = got_eof, .closed = got_closed};

static void run_for(Loop *loop, double seconds) {
    Trace trace = {.loop = loop};
    Timer end = {0};

    loop_set_timer(loop, &end, seconds, expire_end, &trace);
    assert(loop_run(loop) == 5);
}

static int open_pair(Peer *peer, size_t room) {
    int fds[2];

    *peer = (Peer){0};
    assert(loop_new(&peer->loop) == 0);
    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    assert(connection_open(&peer->connection, peer->loop, fds[0], room, &handler, peer) == 0);
    return fds[1];
}

static void test_conversation(void) {
    Peer peer;
    const int fd = open_pair(&peer, 100);
    char bytes[8];

    assert(write(fd, "hello", 5) == 5);
    assert(connection_write(&peer.connection, "hi", 2) == 0);
    assert(read(fd, bytes, sizeof bytes) == 2 && memcmp(bytes, "hi", 2) == 0);
    assert(shutdown(fd, SHUT_WR) == 0);
    run_for(peer.loop, 0.02);
    assert(peer.n == 5 && memcmp(peer.got, "hello", 5) == 0 && peer.eof && !peer.closed);
    assert(connection_write(&peer.connection, "bye", 3) == 0); /* it may still read */
    assert(read(fd, bytes, sizeof bytes) == 3);
    assert(close(fd) == 0);
    connection_close(&peer.connection);
    connection_close(&peer.connection);
    (void)loop_free(peer.loop);
}

/* Fills the socket and the room behind it; a peer that then reads gets all that was taken, in order. */
static void test_slow_reader(void) {
    enum { ROOM = 1000 };
    Peer peer;
    const int fd = open_pair(&peer, ROOM);
    size_t sent = 0, got = 0;
    char bytes[100], back[4096];
    ssize_t n;
    int r;

    do {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)((sent + i) % 251);
        r = connection_write(&peer.connection, bytes, sizeof bytes);
        sent += r == 0 ? sizeof bytes : 0;
    } while (r == 0);
    assert(r == -ENOBUFS && peer.connection.fd >= 0 && sent > ROOM);
    connection_finish(&peer.connection);
    for (int rounds = 0; got < sent && rounds < 1000; rounds++) {
        while ((n = read(fd, back, sizeof back)) > 0)
            for (ssize_t i = 0; i < n; i++)
                assert(back[i] == (char)(got++ % 251));
        if (got < sent) /* what epoll would say now */
            peer.connection.watch.ready(&peer.connection.watch, EPOLLOUT);
    }
    assert(got == sent);
    assert(close(fd) == 0);
    connection_close(&peer.connection);
    (void)loop_free(peer.loop);
}

static void test_finish_tells_and_waits(void) {
    Peer peer;
    const int fd = open_pair(&peer, 100);
    char bytes[8];

    assert(connection_write(&peer.connection, "end", 3) == 0);
    connection_finish(&peer.connection);
    assert(write(fd, "more", 4) == 4); /* unread by the daemon: closing now would destroy "end" */
    run_for(peer.loop, 0.02);
    assert(!peer.closed && peer.n == 0);
    assert(read(fd, bytes, sizeof bytes) == 3 && read(fd, bytes, sizeof bytes) == 0);
    assert(close(fd) == 0);
    assert(peer.connection.fd >= 0);
    connection_close(&peer.connection);
    (void)loop_free(peer.loop);
}

static void test_silent_peer(void) {
    Peer peer;
    const int fd = open_pair(&peer, 100);

    connection_set_read_timeout(&peer.connection, 0.01);
    run_for(peer.loop, 0.05);
    assert(peer.closed && peer.why && strstr(peer.why, "silent"));
    assert(close(fd) == 0);
    (void)loop_free(peer.loop);
}

static void test_vanished_peer(void) {
    Peer peer;
    const int fd = open_pair(&peer, 100);

    assert(close(fd) == 0);
    run_for(peer.loop, 0.02);
    assert(peer.eof || peer.closed);
    assert(peer.closed || connection_write(&peer.connection, "x", 1) == -EPIPE);
    connection_close(&peer.connection);
    (void)loop_free(peer.loop);
}

/* ---------------------------------------------------------------------------------------------------------- addresses */

static void test_addresses(void) {
    static const char *const bad[] = {"", "tcp://", "tcp://:1", "tcp://127.0.0.1", "tcp://127.0.0.1:x", "tcp://host.example:1",
                                      "tcp://::1:1", "unix://relative", "http://127.0.0.1:1", "tcp://127.0.0.1:123456",
                                      "/a/path/that/is/longer/than/the/hundred/and/eight/bytes/that/the/name/of/a/socket/may/"
                                      "have/at/most/on/linux"};
    const char *const path = "/tmp/whisper158-test-listener.sock";
    whisper158_error error;
    bool loopback;
    int fd, second;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        *error.text = '\0';
        assert(listener_bind(bad[i], &loopback, &error) < 0 && *error.text);
    }
    fd = listener_bind("tcp://127.0.0.1:0", &loopback, &error);
    assert(fd >= 0 && loopback);
    assert(close(fd) == 0);
    fd = listener_bind("tcp://0.0.0.0:0", &loopback, &error);
    assert(fd >= 0 && !loopback);
    assert(close(fd) == 0);

    (void)unlink(path);
    fd = listener_bind(path, &loopback, &error);
    assert(fd >= 0 && loopback);
    assert(listener_bind(path, &loopback, &error) == -EADDRINUSE && strstr(error.text, path));
    assert(close(fd) == 0); /* and its maker is gone without removing it */
    second = listener_bind(path, &loopback, &error);
    assert(second >= 0);
    assert(close(second) == 0 && unlink(path) == 0);
}

/* ---------------------------------------------------------------------------------------------------------------- bus */

typedef struct Listening {
    Bus *bus;
    Subscription *subscription, *other;
    unsigned count;
    char line[512];
} Listening;

static void hear(void *user, const Event *event) {
    Listening *const l = user;
    size_t length;
    const char *const line = bus_line(l->bus, event, &length);

    assert(line && length == strlen(line) && length < sizeof l->line && line[length - 1] == '\n');
    memcpy(l->line, line, length + 1);
    l->count++;
}

/* Unsubscribes itself and another while an event is under way, and publishes one within. */
static void hear_and_leave(void *user, const Event *event) {
    Listening *const l = user;

    if (event->kind != EVENT_FINAL)
        return;
    l->count++;
    bus_publish(l->bus, &(Event){.kind = EVENT_LISTENING});
    l->subscription = bus_unsubscribe(l->subscription);
    l->other = bus_unsubscribe(l->other);
}

static void test_bus(void) {
    const Event words = {.kind = EVENT_FINAL, .time = 2, .utterance = 3, .start = 1, .end = 2, .text = "a \"b\"\xff",
                         .length = 6, .language = "en", .confidence = 0.9, .rtf = 0.1, .latency = 0.2, .name = "silence"};
    Listening first = {0}, last = {0}, leaver = {0};
    Bus *bus;
    size_t length;

    assert(bus_new(&bus) == 0);
    first.bus = last.bus = leaver.bus = bus;
    first.subscription = bus_subscribe(bus, EVENT_MASK_USUAL, hear, &first);
    leaver.subscription = bus_subscribe(bus, EVENT_MASK_ALL, hear_and_leave, &leaver);
    last.subscription = leaver.other = bus_subscribe(bus, EVENT_MASK_ALL, hear, &last);
    assert(bus_count(bus, EVENT_MASK(EVENT_LEVEL)) == 2 && !bus_last_line(bus, EVENT_LISTENING, &length));

    bus_publish(bus, &(Event){.kind = EVENT_LEVEL, .time = 1.5, .rms_db = -20, .peak_db = -10, .noise_db = -60, .speech = 0.5});
    assert(first.count == 0 && last.count == 1); /* not among the usual ones */
    assert(strcmp(last.line, "{\"event\":\"level\",\"time\":1.500,\"rms_db\":-20.0,\"peak_db\":-10.0,\"noise_db\":-60.0,"
                             "\"speech\":0.500}\n") == 0);
    bus_publish(bus, &words);
    assert(first.count == 2 && leaver.count == 1 && last.count == 2);
    assert(strstr(first.line, "\"listening\"")); /* the one within came later */
    assert(bus_last_line(bus, EVENT_LISTENING, &length));
    assert(bus_count(bus, EVENT_MASK_ALL) == 1);
    bus_publish(bus, &words);
    assert(strcmp(first.line, "{\"event\":\"final\",\"time\":2.000,\"utterance\":3,\"start\":1.000,\"end\":2.000,"
                              "\"text\":\"a \\\"b\\\"\xef\xbf\xbd\",\"language\":\"en\",\"confidence\":0.900,\"rtf\":0.100,"
                              "\"latency\":0.200,\"why\":\"silence\"}\n") == 0);
    assert(event_kind("partial") == EVENT_PARTIAL && event_kind("nothing") == -EINVAL);
    (void)bus_unsubscribe(first.subscription);
    (void)bus_free(bus);
}

int main(void) {
    test_timers();
    test_posts();
    test_conversation();
    test_slow_reader();
    test_finish_tells_and_waits();
    test_silent_peer();
    test_vanished_peer();
    test_addresses();
    test_bus();
    return 0;
}
