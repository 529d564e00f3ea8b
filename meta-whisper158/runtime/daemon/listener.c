/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* accept4 */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "report.h"

enum {
    BACKLOG = 64,
    HOST = 64,
};

#define PAUSE_SECONDS 1.0

const char *address_path(const char *address) {
    if (strncmp(address, "unix://", 7) == 0)
        return address + 7;
    return *address == '/' ? address : NULL;
}

/* --------------------------------------------------------------------------------------------------------------- Unix */

/* Removes a socket that the one who made it left behind. Returns 0, or -EADDRINUSE. */
static int remove_stale(const struct sockaddr_un *name) {
    struct stat status;
    int fd, r;

    if (lstat(name->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return -EADDRINUSE;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    r = connect(fd, (const struct sockaddr *)name, sizeof *name) < 0 && errno == ECONNREFUSED ? 0 : -EADDRINUSE;
    (void)close(fd);
    if (r >= 0 && unlink(name->sun_path) < 0)
        r = -errno;
    return r;
}

static int bind_unix(const char *path, whisper158_error *error) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd, r;

    if (*path != '/' || strlen(path) >= sizeof name.sun_path)
        return fail(error, -EINVAL, "%.200s is not the path of a socket: it must begin with / and be shorter than %zu bytes",
                    path, sizeof name.sun_path);
    memcpy(name.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    r = fd < 0 || bind(fd, (const struct sockaddr *)&name, sizeof name) < 0 ? -errno : 0;
    if (r == -EADDRINUSE && (r = remove_stale(&name)) == 0)
        r = bind(fd, (const struct sockaddr *)&name, sizeof name) < 0 ? -errno : 0;
    if (r >= 0 && listen(fd, BACKLOG) < 0)
        r = -errno;
    if (r >= 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    if (r == -EADDRINUSE)
        return fail(error, r, "the socket %.200s is in use; is another whisper158d running?", path);
    return fail(error, r, "the socket %.200s cannot be made: %s", path, strerror(-r));
}

/* ---------------------------------------------------------------------------------------------------------------- TCP */

/* Splits "HOST:PORT" or "[HOST]:PORT". */
static bool split(const char *text, char host[HOST], const char **port) {
    const char *const colon = strrchr(text, ':');
    const bool brackets = *text == '[' && colon && colon > text + 1 && colon[-1] == ']';
    const char *const first = brackets ? text + 1 : text;
    const size_t length = colon ? (size_t)(colon - first) - (brackets ? 1 : 0) : 0;

    if (!colon || length == 0 || length >= HOST || (!brackets && memchr(first, ':', length)))
        return false;
    memcpy(host, first, length);
    host[length] = '\0';
    *port = colon + 1;
    return **port != '\0' && strspn(*port, "0123456789") == strlen(*port) && strlen(*port) <= 5;
}

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static int bind_address(const struct addrinfo *info) {
    const int one = 1;
    const int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    r = -errno;
    (void)close(fd);
    return r;
}

static int bind_tcp(const char *text, bool *loopback, whisper158_error *error) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    char host[HOST];
    const char *port;
    int r;

    if (!split(text, host, &port))
        return fail(error, -EINVAL, "%.200s is not HOST:PORT, such as 127.0.0.1:10300 or [::1]:10300", text);
    if (getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &hints, &found) != 0)
        return fail(error, -EINVAL, "%.200s is not a numeric address with a port, such as 127.0.0.1:10300", text);
    *loopback = is_loopback(found->ai_addr);
    r = bind_address(found);
    freeaddrinfo(found);
    return r < 0 ? fail(error, r, "%.200s cannot be listened to: %s", text, strerror(-r)) : r;
}

int listener_bind(const char *address, bool *loopback, whisper158_error *error) {
    const char *const path = address_path(address);

    *loopback = true;
    if (path)
        return bind_unix(path, error);
    if (strncmp(address, "tcp://", 6) == 0)
        return bind_tcp(address + 6, loopback, error);
    return fail(error, -EINVAL, "%.200s is neither unix://PATH nor tcp://HOST:PORT", address);
}

/* ----------------------------------------------------------------------------------------------------------- accepting */

static void resume(Timer *timer) {
    Listener *const listener = timer->user;

    (void)watch_change(&listener->watch, EPOLLIN);
}

static void incoming(Watch *watch, uint32_t events) {
    Listener *const listener = watch->user;
    const int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd >= 0) {
        listener->told = false;
        listener->accepted(listener->user, fd);
        return;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED || errno == EPROTO)
        return; /* the client has gone again */
    /* It may stay readable, and would be asked for without end. */
    if (!listener->told)
        log_line(LOG_WARNING, "a client has to wait: %s", strerror(errno));
    listener->told = true;
    (void)watch_change(&listener->watch, 0);
    loop_set_timer(listener->loop, &listener->pause, PAUSE_SECONDS, resume, listener);
}

int listener_open(Listener *listener, Loop *loop, int fd, const char *path, void (*accepted)(void *, int), void *user) {
    int r;

    *listener = (Listener){.loop = loop, .fd = fd, .accepted = accepted, .user = user};
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (path && !(listener->path = strdup(path)))
        r = -ENOMEM;
    else
        r = loop_watch(loop, &listener->watch, fd, EPOLLIN, incoming, listener);
    if (r < 0)
        listener_close(listener);
    return r;
}

void listener_close(Listener *listener) {
    if (!listener->loop || listener->fd < 0)
        return;
    timer_cancel(&listener->pause);
    watch_remove(&listener->watch);
    /* Before it is closed: whoever finds a socket of that name that nobody listens to puts another in its place. */
    if (listener->path)
        (void)unlink(listener->path);
    (void)close(listener->fd);
    listener->fd = -1;
    free(listener->path);
    listener->path = NULL;
}
