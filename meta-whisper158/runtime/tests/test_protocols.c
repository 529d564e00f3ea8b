/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * daemon/json_command.c, wyoming_parser.c and notify.c: what clients and systemd may send, and what they may not.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus.h"
#include "json_command.h"
#include "notify.h"
#include "wyoming_parser.h"

/* ------------------------------------------------------------------------------------------------------ JSON commands */

static JsonCommand parse(const char *line) {
    whisper158_error error;
    JsonCommand command;

    assert(json_command_parse(&command, line, strlen(line), &error) == 0);
    return command;
}

static void refuse(const char *line, const char *expected) {
    whisper158_error error;
    JsonCommand command;

    assert(json_command_parse(&command, line, strlen(line), &error) == -EINVAL);
    if (!strstr(error.text, expected)) {
        fprintf(stderr, "%s: %s\n", line, error.text);
        abort();
    }
}

static void test_commands(void) {
    char *const deep = calloc(1, JSON_COMMAND_BYTES + 2);
    JsonCommand command = parse("{\"subscribe\": [\"final\", \"level\"]}");

    assert(command.subscribe && command.mask == (EVENT_MASK(EVENT_FINAL) | EVENT_MASK(EVENT_LEVEL)) && !command.stats);
    assert(parse("{\"subscribe\": [\"all\"]}").mask == EVENT_MASK_ALL);
    assert(parse("{\"subscribe\": []}").subscribe && parse("{\"subscribe\": []}").mask == 0);
    assert(parse(" {\"stats\": true, \"ping\": \"x\"} ").stats);
    assert(strcmp(parse("{\"ping\": \"x\"}").text, "x") == 0 && parse("{\"ping\": 1}").ping);
    assert(!parse("{}").subscribe && !parse("{\"stats\": false}").stats);
    refuse("", "JSON object");
    refuse("[1]", "JSON object");
    refuse("7", "JSON object");
    refuse("null", "JSON object");
    refuse("{\"stats\": true} x", "JSON object");
    refuse("{\"stats\": true", "JSON object");
    refuse("{\"ping\": \"\xff\"}", "JSON object");
    refuse("{\"subscribe\": \"final\"}", "array");
    refuse("{\"subscribe\": [\"finale\"]}", "finale");
    refuse("{\"subscribe\": [1]}", "no event");
    refuse("{\"launch\": 1}", "launch");
    assert(deep);
    memset(deep, '[', JSON_COMMAND_BYTES);
    refuse(deep, "JSON object");
    memset(deep, ' ', JSON_COMMAND_BYTES + 1);
    refuse(deep, "4096");
    free(deep);
}

/* ------------------------------------------------------------------------------------------------------------- Wyoming */

typedef struct Heard {
    char text[512];
    size_t payload;
    int stop; /* returned by the next event */
} Heard;

static int on_event(void *user, const char *type, struct json_object *data) {
    Heard *const heard = user;
    const size_t used = strlen(heard->text);

    (void)snprintf(heard->text + used, sizeof heard->text - used, "%s%s;", type,
                   data ? json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN) : "");
    return heard->stop;
}

static int on_payload(void *user, const unsigned char *bytes, size_t count) {
    Heard *const heard = user;

    for (size_t i = 0; i < count; i++)
        assert(bytes[i] == 'p');
    heard->payload += count;
    return 0;
}

/* Feeds `count` bytes in pieces of `piece`. */
static int feed(Heard *heard, const char *bytes, size_t count, size_t piece, whisper158_error *error) {
    const WyomingSink sink = {.event = on_event, .payload = on_payload, .user = heard};
    WyomingParser *const parser = calloc(1, sizeof *parser);
    int r = 0;

    assert(parser);
    for (size_t i = 0; i < count && r >= 0; i += piece)
        r = wyoming_parse(parser, (const unsigned char *)bytes + i, count - i < piece ? count - i : piece, &sink, error);
    wyoming_parser_end(parser);
    free(parser);
    return r;
}

static void test_frames(void) {
    static const char bytes[] = "{\"type\": \"describe\", \"version\": \"1.10.2\"}\n"
                                "{\"type\":\"audio-chunk\",\"data\":{\"rate\":1,\"width\":2},\"data_length\":10,"
                                "\"payload_length\":5}\n{\"rate\":3}ppppp"
                                "{\"type\":\"a-type-that-is-longer-than-any-that-is-known\",\"payload_length\":2}\npp"
                                "{\"type\":\"audio-stop\",\"data_length\":null}\n";
    static const char expected[] = "describe;audio-chunk{\"rate\":3,\"width\":2};;audio-stop;";

    for (size_t piece = 1; piece < sizeof bytes; piece++) {
        Heard heard = {0};
        whisper158_error error;

        assert(feed(&heard, bytes, sizeof bytes - 1, piece, &error) == 0);
        assert(strcmp(heard.text, expected) == 0 && heard.payload == 7);
    }
}

static void refuse_frame(const char *bytes, int code, const char *expected) {
    whisper158_error error = {{0}};
    Heard heard = {0};
    const int r = feed(&heard, bytes, strlen(bytes), 7, &error);

    if (r != code || !strstr(error.text, expected)) {
        fprintf(stderr, "%.60s: %d %s\n", bytes, r, error.text);
        abort();
    }
}

static void test_bad_frames(void) {
    char *const line = calloc(1, WYOMING_HEADER_BYTES + 2);
    whisper158_error error;
    Heard heard = {.stop = -EPIPE};

    refuse_frame("\n", -EBADMSG, "not a JSON object");
    refuse_frame("[]\n", -EBADMSG, "not a JSON object");
    refuse_frame("{}\n", -EBADMSG, "no type");
    refuse_frame("{\"type\": 3}\n", -EBADMSG, "no type");
    refuse_frame("{\"type\": \"ping\", \"data_length\": -1}\n", -EMSGSIZE, "data_length");
    refuse_frame("{\"type\": \"ping\", \"data_length\": 1.5}\n", -EMSGSIZE, "data_length");
    refuse_frame("{\"type\": \"ping\", \"data_length\": 16385}\n", -EMSGSIZE, "data_length");
    refuse_frame("{\"type\": \"ping\", \"data_length\": 99999999999999999999999}\n", -EMSGSIZE, "data_length");
    refuse_frame("{\"type\": \"ping\", \"payload_length\": 16777217}\n", -EMSGSIZE, "payload_length");
    refuse_frame("{\"type\": \"ping\", \"payload_length\": \"1\"}\n", -EMSGSIZE, "payload_length");
    refuse_frame("{\"type\": \"ping\", \"data_length\": 2}\n[]", -EBADMSG, "data");
    refuse_frame("{\"type\": \"ping\", \"data\": {\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}\n", -EBADMSG,
                 "not a JSON object");
    assert(line);
    memset(line, 'x', WYOMING_HEADER_BYTES + 1);
    refuse_frame(line, -EMSGSIZE, "longer");
    free(line);
    assert(feed(&heard, "{\"type\": \"ping\"}\n{\"type\": \"ping\"}\n", 34, 34, &error) == -EPIPE);
    assert(strcmp(heard.text, "ping;") == 0); /* the sink's refusal ends it */
}

/* ------------------------------------------------------------------------------------------------------------- systemd */

static void test_notify(void) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    char path[64], bytes[64] = "";

    (void)snprintf(path, sizeof path, "@whisper158-test-%ld", (long)getpid());
    memcpy(name.sun_path, path, strlen(path));
    *name.sun_path = '\0';
    assert(fd >= 0 && bind(fd, (const struct sockaddr *)&name,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) == 0);
    notify("READY=%d", 1); /* to nobody */
    assert(setenv("NOTIFY_SOCKET", path, 1) == 0);
    notify("READY=%d", 1);
    assert(recv(fd, bytes, sizeof bytes, 0) == 7 && memcmp(bytes, "READY=1", 7) == 0);
    assert(setenv("NOTIFY_SOCKET", "relative", 1) == 0);
    notify("READY=%d", 1);
    assert(recv(fd, bytes, sizeof bytes, 0) < 0);
    assert(close(fd) == 0);

    assert(notify_watchdog() == 0.0);
    assert(setenv("WATCHDOG_USEC", "1500000", 1) == 0 && notify_watchdog() == 1.5);
    assert(setenv("WATCHDOG_PID", "1", 1) == 0 && notify_watchdog() == 0.0); /* another's */
    assert(setenv("WATCHDOG_USEC", "x", 1) == 0 && unsetenv("WATCHDOG_PID") == 0 && notify_watchdog() == 0.0);
}

static void test_handed_sockets(void) {
    NotifySocket sockets[NOTIFY_SOCKETS];
    char us[24];

    (void)snprintf(us, sizeof us, "%ld", (long)getpid());
    assert(notify_take_sockets(sockets) == 0);
    assert(setenv("LISTEN_FDS", "2", 1) == 0 && setenv("LISTEN_PID", "1", 1) == 0);
    assert(notify_take_sockets(sockets) == 0); /* not for us */
    assert(dup2(STDERR_FILENO, 3) == 3 && dup2(STDERR_FILENO, 4) == 4);
    assert(setenv("LISTEN_FDS", "2", 1) == 0 && setenv("LISTEN_PID", us, 1) == 0);
    assert(setenv("LISTEN_FDNAMES", "json:wyoming", 1) == 0);
    assert(notify_take_sockets(sockets) == 2);
    assert(sockets[0].fd == 3 && strcmp(sockets[0].name, "json") == 0);
    assert(sockets[1].fd == 4 && strcmp(sockets[1].name, "wyoming") == 0);
    assert(notify_take_sockets(sockets) == 0); /* only once */
    assert(setenv("LISTEN_FDS", "99999", 1) == 0 && setenv("LISTEN_PID", us, 1) == 0);
    assert(notify_take_sockets(sockets) <= NOTIFY_SOCKETS && !*sockets[0].name);
}

int main(void) {
    test_commands();
    test_frames();
    test_bad_frames();
    test_notify();
    test_handed_sockets();
    return 0;
}
