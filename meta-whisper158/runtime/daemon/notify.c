/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "notify.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    MESSAGE = 512,
    FIRST_SOCKET = 3, /* SD_LISTEN_FDS_START */
};

void notify(const char *format, ...) {
    const char *const path = getenv("NOTIFY_SOCKET");
    const struct timeval patience = {.tv_sec = 1};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const size_t length = path ? strlen(path) : 0;
    char message[MESSAGE];
    va_list args;
    int fd;

    if (length < 2 || length >= sizeof name.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(name.sun_path, path, length);
    if (*path == '@')
        *name.sun_path = '\0'; /* an abstract name, which is not a file */
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* While a machine boots, systemd may have more to read than it has room for. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    (void)sendto(fd, message, strlen(message), MSG_NOSIGNAL, (const struct sockaddr *)&name,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)close(fd);
}

/* Whether the process that `variable` names is this one; an absent one means us. */
static int is_us(const char *variable) {
    const char *const value = getenv(variable);

    return !value || strtoll(value, NULL, 10) == (long long)getpid();
}

double notify_watchdog(void) {
    const char *const value = getenv("WATCHDOG_USEC");
    const double seconds = value ? 1e-6 * strtod(value, NULL) : 0.0;

    return is_us("WATCHDOG_PID") && seconds > 0.0 && seconds < 1e9 ? seconds : 0.0;
}

size_t notify_take_sockets(NotifySocket out[NOTIFY_SOCKETS]) {
    const char *const value = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    const long count = value && getenv("LISTEN_PID") && is_us("LISTEN_PID") ? strtol(value, NULL, 10) : 0;
    size_t n = 0;

    for (long i = 0; i < count && n < NOTIFY_SOCKETS; i++) {
        const int fd = FIRST_SOCKET + (int)i;
        const size_t length = names ? strcspn(names, ":") : 0;

        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            break;
        out[n].fd = fd;
        (void)snprintf(out[n].name, sizeof out[n].name, "%.*s", (int)length, names ? names : "");
        if (names)
            names += length + (names[length] == ':');
        n++;
    }
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDNAMES");
    return n;
}
