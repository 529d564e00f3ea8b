/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "report.h"
#include "socket_path.h"

static int connect_to(const char *path, whisper158_error *error) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(path) >= sizeof name.sun_path)
        return fail(error, -ENAMETOOLONG, "%.100s...: the path of a socket is shorter than %zu bytes", path,
                    sizeof name.sun_path);
    memcpy(name.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    r = -errno;
    if (fd >= 0)
        (void)close(fd);
    if (r == -ENOENT || r == -ECONNREFUSED)
        return fail(error, -ENOENT, "no daemon listens on %s; start whisper158d, or name its socket with --socket", path);
    if (r == -EACCES)
        return fail(error, r, "%s is for members of its group only (SocketGroup= of whisper158d.socket)", path);
    return fail(error, r, "%s: %s", path, strerror(-r));
}

int events_open(Events *events, const char *path, const char *command, whisper158_error *error) {
    const int fd = connect_to(find_socket_path(path), error);
    const size_t length = strlen(command);

    if (fd < 0)
        return fd;
    *events = (Events){.fd = fd, .bytes = malloc(EVENTS_LINE)};
    if (!events->bytes) {
        events_close(events);
        return fail(error, -ENOMEM, "no memory for events");
    }
    if (send(fd, command, length, MSG_NOSIGNAL) != (ssize_t)length) {
        const int r = fail(error, -EIO, "the daemon does not listen to us: %s", strerror(errno));

        events_close(events);
        return r;
    }
    return 0;
}

/* Reads more behind what there is. Returns as events_next. */
static int read_more(Events *e, whisper158_error *error) {
    ssize_t n;

    if (e->start > 0) {
        memmove(e->bytes, e->bytes + e->start, e->end - e->start);
        e->end -= e->start;
        e->start = 0;
    }
    if (e->end == EVENTS_LINE)
        return fail(error, -EBADMSG, "the daemon sent a line of more than %d bytes", EVENTS_LINE);
    do
        n = recv(e->fd, e->bytes + e->end, EVENTS_LINE - e->end, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != ECONNRESET)
        return fail(error, -EIO, "the daemon's events cannot be read: %s", strerror(errno));
    if (n <= 0)
        return 0;
    e->end += (size_t)n;
    return 1;
}

int events_next(Events *e, const char **line, struct json_object **object, whisper158_error *error) {
    size_t looked = 0;
    char *end;
    int r = 1;

    while (!(end = memchr(e->bytes + e->start + looked, '\n', e->end - e->start - looked)) && r > 0) {
        looked = e->end - e->start;
        r = read_more(e, error);
    }
    if (r <= 0)
        return r;
    *end = '\0';
    *line = e->bytes + e->start;
    e->start = (size_t)(end + 1 - e->bytes);
    *object = json_tokener_parse(*line);
    if (!json_object_is_type(*object, json_type_object)) {
        (void)json_object_put(*object);
        return fail(error, -EBADMSG, "the daemon sent a line that is not a JSON object; is it a whisper158d?");
    }
    return 1;
}

void events_close(Events *events) {
    (void)close(events->fd);
    free(events->bytes);
    *events = (Events){.fd = -1};
}

const char *events_text(struct json_object *object, const char *key) {
    struct json_object *value;

    return json_object_object_get_ex(object, key, &value) && json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : "";
}

double events_number(struct json_object *object, const char *key) {
    struct json_object *value;

    return json_object_object_get_ex(object, key, &value) ? json_object_get_double(value) : 0.0;
}
