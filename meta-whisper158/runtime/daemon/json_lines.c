/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "json_lines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "json.h"
#include "json_command.h"
#include "listener.h"
#include "log.h"
#include "connection.h"

enum {
    ROOM = 64 * 1024, /* bytes of events that may wait for a subscriber */
    LISTENERS = 4,
};

typedef struct Client {
    JsonLines *lines;
    Connection connection;
    Subscription *subscription;
    char line[JSON_COMMAND_BYTES];
    size_t length;
    struct Client *next;
} Client;

struct JsonLines {
    JsonLinesOptions options;
    Listener listeners[LISTENERS];
    size_t n_listeners;
    Client *first;
    size_t n_clients;
    bool full; /* the last one that came was refused */
};

static void drop(Client *client) {
    JsonLines *const lines = client->lines;
    Client **at = &lines->first;

    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    lines->n_clients--;
    lines->full = false;
    client->subscription = bus_unsubscribe(client->subscription);
    connection_close(&client->connection);
    free(client);
}

/* ------------------------------------------------------------------------------------------------------------ sending */

/* Returns whether the client is still there. */
static bool send_bytes(Client *client, const char *bytes, size_t length) {
    const int r = connection_write(&client->connection, bytes, length);

    if (r >= 0)
        return true;
    if (r == -ENOBUFS)
        log_line(LOG_WARNING, "a subscriber is dropped: it does not read its events, %d KiB of which wait", ROOM / 1024);
    drop(client);
    return false;
}

/* The same for an object, which it releases. */
static bool send_json(Client *client, struct json_object *object) {
    const char *const text =
        object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;
    const bool sent = !text || (send_bytes(client, text, strlen(text)) && send_bytes(client, "\n", 1));

    (void)json_object_put(object);
    return sent;
}

static void on_event(void *user, const Event *event) {
    Client *const client = user;
    size_t length;
    const char *const line = bus_line(client->lines->options.bus, event, &length);

    if (line)
        (void)send_bytes(client, line, length);
}

static bool send_refusal(Client *client, const char *sentence) {
    struct json_object *const object = json_object_new_object();

    json_put(object, "event", json_object_new_string("refused"));
    json_put(object, "text", json_text(sentence, strlen(sentence)));
    return send_json(client, object);
}

static bool send_pong(Client *client, const char *text) {
    struct json_object *const object = json_object_new_object();

    json_put(object, "event", json_object_new_string("pong"));
    json_put(object, "text", json_text(text, strlen(text)));
    return send_json(client, object);
}

static bool greet(Client *client) {
    static const EventKind kinds[] = {EVENT_STATE, EVENT_LISTENING};
    const JsonLinesOptions *const options = &client->lines->options;
    struct json_object *const object = json_object_new_object();

    json_put(object, "event", json_object_new_string("hello"));
    json_put(object, "version", json_object_new_string(whisper158_version()));
    json_put(object, "model", json_text(options->stats->model, strlen(options->stats->model)));
    if (!send_json(client, object))
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length;
        const char *const line = bus_last_line(options->bus, kinds[i], &length);

        if (line && !send_bytes(client, line, length))
            return false;
    }
    return true;
}

/* ----------------------------------------------------------------------------------------------------------- commands */

/* Returns whether the client is still there. */
static bool obey(Client *client, const char *line, size_t length) {
    const JsonLinesOptions *const options = &client->lines->options;
    whisper158_error error;
    JsonCommand command;

    if (json_command_parse(&command, line, length, &error) < 0)
        return send_refusal(client, error.text);
    if (command.subscribe)
        subscription_set_mask(client->subscription, command.mask);
    if (command.stats && !send_json(client, stats_to_json(options->stats, options->queue)))
        return false;
    if (command.ping && !send_pong(client, command.text))
        return false;
    if (command.subscribe && options->subscribed)
        options->subscribed(options->user);
    return true;
}

/* Returns whether the client is still there. */
static bool take_bytes(Client *client, const char *bytes, size_t count) {
    while (count > 0) {
        const char *const end = memchr(bytes, '\n', count);
        const size_t n = end ? (size_t)(end - bytes) : count;

        if (n > sizeof client->line - client->length) {
            if (send_refusal(client, "a command is at most 4096 bytes long; the connection is closed")) {
                subscription_set_mask(client->subscription, 0);
                connection_finish(&client->connection);
            }
            return false;
        }
        memcpy(client->line + client->length, bytes, n);
        client->length += n;
        if (!end)
            return true;
        if (client->length > 0 && !obey(client, client->line, client->length))
            return false;
        client->length = 0;
        bytes += n + 1;
        count -= n + 1;
    }
    return true;
}

static void on_data(void *user, const unsigned char *bytes, size_t count) {
    (void)take_bytes(user, (const char *)bytes, count);
}

static void on_eof(void *user) {
    (void)user; /* who only listens may say so */
}

static void on_closed(void *user, const char *why) {
    if (why)
        log_line(LOG_WARNING, "a subscriber is dropped: %s", why);
    drop(user);
}

/* ------------------------------------------------------------------------------------------------------------ clients */

static const ConnectionHandler handler = {.data = on_data, .eof = on_eof, .closed = on_closed};

static void refuse(JsonLines *lines, int fd) {
    static const char sentence[] = "{\"event\":\"refused\",\"text\":\"there are too many subscribers\"}\n";

    (void)send(fd, sentence, sizeof sentence - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
    if (!lines->full)
        log_line(LOG_WARNING, "a subscriber is refused: there are %zu, which is the limit", lines->n_clients);
    lines->full = true;
}

static void accepted(void *user, int fd) {
    JsonLines *const lines = user;
    Client *const client = lines->n_clients < lines->options.clients ? calloc(1, sizeof *client) : NULL;

    if (!client) {
        refuse(lines, fd);
        return;
    }
    client->lines = lines;
    client->next = lines->first;
    lines->first = client;
    lines->n_clients++;
    client->connection.fd = -1;
    client->subscription = bus_subscribe(lines->options.bus, EVENT_MASK_USUAL, on_event, client);
    if (!client->subscription)
        (void)close(fd);
    if (!client->subscription || connection_open(&client->connection, lines->options.loop, fd, ROOM, &handler, client) < 0) {
        log_line(LOG_ERR, "no memory for another subscriber");
        drop(client);
        return;
    }
    if (greet(client) && lines->options.subscribed)
        lines->options.subscribed(lines->options.user);
}

int json_lines_new(JsonLines **out, const JsonLinesOptions *options) {
    *out = calloc(1, sizeof **out);
    if (!*out)
        return -ENOMEM;
    (*out)->options = *options;
    return 0;
}

int json_lines_listen(JsonLines *lines, int fd, const char *path) {
    int r;

    if (lines->n_listeners == LISTENERS) {
        (void)close(fd);
        return -E2BIG;
    }
    r = listener_open(&lines->listeners[lines->n_listeners], lines->options.loop, fd, path, accepted, lines);
    lines->n_listeners += r >= 0;
    return r;
}

size_t json_lines_pending(const JsonLines *lines) {
    size_t bytes = 0;

    for (const Client *client = lines->first; client; client = client->next)
        bytes += client->connection.end - client->connection.start;
    return bytes;
}

JsonLines *json_lines_free(JsonLines *lines) {
    if (!lines)
        return NULL;
    for (size_t i = 0; i < lines->n_listeners; i++)
        listener_close(&lines->listeners[i]);
    while (lines->first)
        drop(lines->first);
    free(lines);
    return NULL;
}
