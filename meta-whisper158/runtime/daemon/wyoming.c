/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "wyoming.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "convert.h"
#include "json.h"
#include "listener.h"
#include "log.h"
#include "report.h"
#include "connection.h"
#include "wyoming_parser.h"

enum {
    ROOM = 256 * 1024, /* bytes of answers that may wait for a client */
    LISTENERS = 4,
    MAX_CHANNELS = 8,
    FRAME = MAX_CHANNELS * 4, /* bytes */
    MAX_SAMPLES = WYOMING_SECONDS * WHISPER158_SAMPLE_RATE,
    ALL_SAMPLES = WYOMING_ALL_SECONDS * WHISPER158_SAMPLE_RATE,
};

#define READ_SECONDS 60.0 /* without a byte from a client that is not waiting for us */
#define SEND_SECONDS (2.0 * WYOMING_SECONDS) /* for all that belongs to one transcript, however it comes */

typedef struct Format {
    int rate, width, channels;
} Format;

typedef struct Client {
    Wyoming *wyoming;
    Connection connection;
    WyomingParser parser;
    whisper158_error error; /* why a callback of the parser failed */
    char language[JOB_LANGUAGE];
    Format format;
    Converter *converter; /* NULL: no audio yet */
    unsigned char frame[FRAME];
    size_t frame_bytes; /* of a frame that a chunk was cut in */
    float *samples;     /* [capacity], `count` of which are there */
    size_t count, capacity;
    bool in_chunk; /* the payload to come is audio */
    bool full, crowded, no_memory;
    bool gone; /* only its job is still to come back */
    Job *job;
    Timer late;
    struct Client *next;
} Client;

struct Wyoming {
    WyomingOptions options;
    Listener listeners[LISTENERS];
    size_t n_listeners;
    Client *first;
    size_t n_clients;
    size_t capacity; /* of all clients together */
    bool refusing;
};

static void forget_audio(Client *client) {
    client->converter = converter_free(client->converter);
    free(client->samples);
    client->samples = NULL;
    client->wyoming->capacity -= client->capacity;
    client->count = client->capacity = client->frame_bytes = 0;
    client->full = client->crowded = client->no_memory = false;
}

/* One that has a job under way is kept until that comes back. */
static void drop(Client *client) {
    Wyoming *const wyoming = client->wyoming;
    Client **at = &wyoming->first;

    connection_close(&client->connection);
    timer_cancel(&client->late);
    wyoming_parser_end(&client->parser);
    forget_audio(client);
    if (client->job) {
        client->gone = true;
        job_cancel(client->job);
        return;
    }
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    wyoming->n_clients--;
    wyoming->refusing = false;
    free(client);
}

/* ------------------------------------------------------------------------------------------------------------ sending */

/* Releases `data`, which may be NULL. Returns 0 or a negative errno. */
static int send_event(Client *client, const char *type, struct json_object *data) {
    const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
    const char *const block = data ? json_object_to_json_string_ext(data, flags) : "";
    struct json_object *const header = json_object_new_object();
    const char *line;
    int r = -ENOMEM;

    json_put(header, "type", json_object_new_string(type));
    if (block && *block)
        json_put(header, "data_length", json_object_new_int64((int64_t)strlen(block)));
    line = header ? json_object_to_json_string_ext(header, flags) : NULL;
    if (line && block) {
        r = connection_write(&client->connection, line, strlen(line));
        if (r >= 0)
            r = connection_write(&client->connection, "\n", 1);
        if (r >= 0 && *block)
            r = connection_write(&client->connection, block, strlen(block));
    }
    (void)json_object_put(header);
    (void)json_object_put(data);
    return r;
}

static struct json_object *text_object(const char *text, size_t length) {
    struct json_object *const data = json_object_new_object();

    json_put(data, "text", json_text(text, length));
    return data;
}

static int send_error(Client *client, const char *code, const char *sentence) {
    struct json_object *const data = text_object(sentence, strlen(sentence));

    json_put(data, "code", json_object_new_string(code));
    return send_event(client, "error", data);
}

static int send_transcript(Client *client, const char *text, size_t length, const char *language) {
    const bool streaming = client->wyoming->options.streaming;
    struct json_object *const data = text_object(text, length);
    int r;

    if (language)
        json_put(data, "language", json_object_new_string(language));
    r = send_event(client, "transcript", data);
    return r >= 0 && streaming ? send_event(client, "transcript-stop", NULL) : r;
}

/* --------------------------------------------------------------------------------------------------------------- info */

static struct json_object *describe_artifact(const char *name, size_t length, const char *description) {
    struct json_object *const object = json_object_new_object();
    struct json_object *const attribution = json_object_new_object();

    json_put(attribution, "name", json_object_new_string("whisper158"));
    json_put(attribution, "url", json_object_new_string("https://github.com/openai/whisper"));
    json_put(object, "name", json_text(name, length));
    json_put(object, "attribution", attribution);
    json_put(object, "installed", json_object_new_boolean(1));
    json_put(object, "description", json_object_new_string(description));
    json_put(object, "version", json_object_new_string(whisper158_version()));
    return object;
}

static struct json_object *describe_model(const whisper158_model *model) {
    const char *name = "whisper";
    int length = whisper158_model_get_provenance(model, "name", &name);
    struct json_object *const object =
        describe_artifact(name, length >= 0 ? (size_t)length : strlen(name), "Whisper with weights for small boards");
    struct json_object *const languages = json_object_new_array();
    const char *code;

    for (uint32_t i = 0; languages && (code = whisper158_model_get_language(model, i)); i++)
        (void)json_object_array_add(languages, json_object_new_string(code));
    json_put(object, "languages", languages);
    return object;
}

static struct json_object *array_of(struct json_object *item) {
    struct json_object *const array = json_object_new_array();

    if (array)
        (void)json_object_array_add(array, item);
    else
        (void)json_object_put(item);
    return array;
}

static int send_info(Client *client) {
    static const char *const others[] = {"tts", "handle", "intent", "wake", "mic", "snd"};
    struct json_object *const data = json_object_new_object();
    struct json_object *const program = describe_artifact("whisper158", 10, "Speech to text on the processor of a board");

    json_put(program, "models", array_of(describe_model(client->wyoming->options.model)));
    json_put(program, "supports_transcript_streaming", json_object_new_boolean(client->wyoming->options.streaming));
    json_put(program, "requires_external_vad", json_object_new_boolean(1));
    json_put(data, "asr", array_of(program));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        json_put(data, others[i], json_object_new_array());
    return send_event(client, "info", data);
}

static int send_pong(Client *client, struct json_object *request) {
    const char *const text = wyoming_get_text(request, "text");

    return send_event(client, "pong", text ? text_object(text, strlen(text)) : NULL);
}

/* -------------------------------------------------------------------------------------------------------------- audio */

/* Makes room for `count` more, which MAX_SAMPLES allows. Returns whether there is. */
static bool grow(Client *client, size_t count) {
    size_t *const all = &client->wyoming->capacity;
    const size_t needed = client->count + count;
    const size_t most = ALL_SAMPLES - (*all - client->capacity); /* that others have not taken */
    size_t wanted = 2 * client->capacity + count;
    float *grown;

    if (needed <= client->capacity)
        return true;
    wanted = wanted < MAX_SAMPLES ? wanted : MAX_SAMPLES;
    wanted = wanted < most ? wanted : most;
    client->crowded = wanted < needed;
    if (client->crowded)
        return false;
    grown = realloc(client->samples, wanted * sizeof *grown);
    client->no_memory = !grown;
    if (!grown)
        return false;
    *all += wanted - client->capacity;
    client->samples = grown;
    client->capacity = wanted;
    return true;
}

static void on_samples(void *user, const float *samples, size_t count) {
    Client *const client = user;

    client->full |= count > MAX_SAMPLES - client->count;
    if (client->full || !grow(client, count))
        return;
    memcpy(client->samples + client->count, samples, count * sizeof *samples);
    client->count += count;
}

static int check_room(Client *client) {
    if (client->no_memory)
        return fail(&client->error, -ENOMEM, "there is no memory for so much audio");
    if (client->crowded)
        return fail(&client->error, -ENOBUFS, "too many others are sending audio; try again later");
    if (client->full)
        return fail(&client->error, -EFBIG, "more than %d s of audio are too much for one transcript", WYOMING_SECONDS);
    return 0;
}

static int flush_converter(Client *client) {
    const int r = client->converter ? converter_flush(client->converter) : 0;

    client->converter = converter_free(client->converter);
    client->frame_bytes = 0;
    return r < 0 ? fail(&client->error, r, "the audio cannot be converted") : check_room(client);
}

/* Takes the format of audio-start or audio-chunk; audio of another one follows what there is. */
static int set_format(Client *client, struct json_object *data) {
    static const SampleFormat formats[] = {[1] = SAMPLE_U8, [2] = SAMPLE_S16, [3] = SAMPLE_S24_3, [4] = SAMPLE_S32};
    const Format format = {
        .rate = wyoming_get_number(data, "rate", CONVERT_MIN_RATE, CONVERT_MAX_RATE),
        .width = wyoming_get_number(data, "width", 1, 4),
        .channels = wyoming_get_number(data, "channels", 1, MAX_CHANNELS),
    };
    const ConverterSink sink = {.samples = on_samples, .user = client};
    int r;

    if (format.rate < 0 || format.width < 0 || format.channels < 0)
        return fail(&client->error, -EINVAL, "audio needs a rate of %d to %d Hz, a width of 1 to 4 bytes and 1 to %d channels",
                    CONVERT_MIN_RATE, CONVERT_MAX_RATE, MAX_CHANNELS);
    if (client->converter && memcmp(&format, &client->format, sizeof format) == 0)
        return 0;
    r = flush_converter(client);
    if (r < 0)
        return r;
    client->format = format;
    return converter_new(&client->converter, formats[format.width], (uint32_t)format.rate, (uint32_t)format.channels, &sink,
                         &client->error);
}

/* Any number of bytes: frames that were cut in two are put together again. */
static int push_bytes(Client *client, const unsigned char *bytes, size_t count) {
    const size_t frame = (size_t)(client->format.width * client->format.channels);
    size_t whole;
    int r = 0;

    if (client->frame_bytes > 0) {
        const size_t missing = frame - client->frame_bytes;
        const size_t n = count < missing ? count : missing;

        memcpy(client->frame + client->frame_bytes, bytes, n);
        client->frame_bytes += n;
        bytes += n;
        count -= n;
        if (client->frame_bytes < frame)
            return 0;
        client->frame_bytes = 0;
        r = converter_push(client->converter, client->frame, 1);
    }
    whole = count / frame;
    if (r >= 0 && whole > 0)
        r = converter_push(client->converter, bytes, whole);
    if (r < 0)
        return fail(&client->error, r, "the audio cannot be converted");
    client->frame_bytes = count - whole * frame;
    memcpy(client->frame, bytes + whole * frame, client->frame_bytes);
    return check_room(client);
}

/* --------------------------------------------------------------------------------------------------------------- jobs */

static void on_late(Timer *timer) {
    log_line(LOG_WARNING, "wyoming: a client is dropped: it sends too slowly");
    drop(timer->user);
}

/* Without it, who sends a byte now and then would keep a place and its audio for ever. */
static void begin_anew(Client *client) {
    loop_set_timer(client->wyoming->options.loop, &client->late, SEND_SECONDS, on_late, client);
}

/* Sends the last answer and closes. */
static void finish(Client *client, int r) {
    timer_cancel(&client->late);
    if (r < 0)
        drop(client);
    else
        connection_finish(&client->connection);
}

static void on_segment(Job *job, const char *text) {
    Client *const client = job->user;

    if (!client->gone && send_event(client, "transcript-chunk", text_object(text, strlen(text))) < 0)
        drop(client);
}

static void on_done(Job *job) {
    Client *const client = job->user;
    size_t length;
    const char *const text = transcript_text(&job->transcript, &length);

    (void)stats_job(client->wyoming->options.stats, job, "wyoming");
    client->job = NULL;
    if (client->gone)
        drop(client);
    else if (job->error < 0)
        finish(client, send_error(client, "transcription-failed", job->sentence.text));
    else
        finish(client, send_transcript(client, text, length, job->transcript.language));
    (void)job_free(job);
}

static int make_job(Client *client) {
    Job *const job = job_new(JOB_REQUEST, client->samples, client->count);
    int r;

    if (!job)
        return fail(&client->error, -ENOMEM, "there is no memory for so much audio");
    memcpy(job->language, client->language, sizeof job->language);
    job->end = (double)client->count / WHISPER158_SAMPLE_RATE;
    job->heard = loop_now();
    job->segment = client->wyoming->options.streaming ? on_segment : NULL;
    job->done = on_done;
    job->user = client;
    r = queue_put(client->wyoming->options.queue, job);
    if (r < 0) {
        (void)job_free(job);
        return fail(&client->error, r, "too much waits to be transcribed already; try again later");
    }
    client->job = job;
    timer_cancel(&client->late);
    forget_audio(client);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- events */

static int on_transcribe(Client *client, struct json_object *data) {
    const char *const language = wyoming_get_text(data, "language");
    const size_t length = language ? strcspn(language, "-_") : 0; /* en-GB is en */

    client->language[0] = '\0';
    if (length == 0)
        return 0;
    for (uint32_t i = 0; whisper158_model_get_language(client->wyoming->options.model, i); i++) {
        const char *const known = whisper158_model_get_language(client->wyoming->options.model, i);

        if (strlen(known) == length && length < sizeof client->language && strncmp(language, known, length) == 0) {
            memcpy(client->language, known, length + 1);
            return 0;
        }
    }
    return fail(&client->error, -EINVAL, "the model does not know the language '%.20s'", language);
}

static int on_audio_stop(Client *client) {
    int r = flush_converter(client);

    if (r >= 0 && client->wyoming->options.streaming)
        r = send_event(client, "transcript-start", NULL);
    if (r < 0)
        return r;
    if (client->count > 0)
        return make_job(client);
    r = send_transcript(client, "", 0, NULL);
    if (r >= 0)
        connection_finish(&client->connection);
    return r;
}

static int on_event(void *user, const char *type, struct json_object *data) {
    Client *const client = user;

    client->in_chunk = false;
    if (!client->converter && !client->job && !client->connection.finishing)
        begin_anew(client);
    if (strcmp(type, "describe") == 0)
        return send_info(client);
    if (strcmp(type, "ping") == 0)
        return send_pong(client, data);
    if (client->job || client->connection.finishing)
        return 0; /* nothing else counts until the transcript is sent */
    if (strcmp(type, "transcribe") == 0)
        return on_transcribe(client, data);
    if (strcmp(type, "audio-start") == 0) {
        forget_audio(client);
        begin_anew(client);
        return set_format(client, data);
    }
    if (strcmp(type, "audio-chunk") == 0) {
        client->in_chunk = true;
        return set_format(client, data);
    }
    return strcmp(type, "audio-stop") == 0 ? on_audio_stop(client) : 0;
}

static int on_payload(void *user, const unsigned char *bytes, size_t count) {
    Client *const client = user;

    return client->in_chunk ? push_bytes(client, bytes, count) : 0;
}

/* ------------------------------------------------------------------------------------------------------------ clients */

static void on_data(void *user, const unsigned char *bytes, size_t count) {
    Client *const client = user;
    const WyomingSink sink = {.event = on_event, .payload = on_payload, .user = client};
    int r;

    client->error.text[0] = '\0';
    r = wyoming_parse(&client->parser, bytes, count, &sink, &client->error);
    if (r < 0 && *client->error.text) {
        log_line(LOG_WARNING, "wyoming: a client is refused: %s", client->error.text);
        forget_audio(client);
        finish(client, send_error(client, "refused", client->error.text));
    } else if (r < 0) {
        drop(client);
    } else {
        connection_set_read_timeout(&client->connection, client->job || client->connection.finishing ? 0.0 : READ_SECONDS);
    }
}

/* Who waits for a transcript and goes is not told from who only stops sending, over TCP; the first is what happens. */
static void on_eof(void *user) {
    Client *const client = user;

    if (client->job)
        drop(client);
    else
        connection_finish(&client->connection);
}

static void on_closed(void *user, const char *why) {
    if (why)
        log_line(LOG_WARNING, "wyoming: a client is dropped: %s", why);
    drop(user);
}

static const ConnectionHandler handler = {.data = on_data, .eof = on_eof, .closed = on_closed};

static void refuse(Wyoming *wyoming, int fd) {
    static const char sentence[] =
        "{\"type\":\"error\",\"data\":{\"text\":\"there are too many clients\",\"code\":\"too-many-clients\"}}\n";

    (void)send(fd, sentence, sizeof sentence - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
    if (!wyoming->refusing)
        log_line(LOG_WARNING, "wyoming: a client is refused: there are %zu, which is the limit", wyoming->n_clients);
    wyoming->refusing = true;
}

static void accepted(void *user, int fd) {
    Wyoming *const wyoming = user;
    Client *const client = wyoming->n_clients < wyoming->options.clients ? calloc(1, sizeof *client) : NULL;

    if (!client) {
        refuse(wyoming, fd);
        return;
    }
    client->wyoming = wyoming;
    client->next = wyoming->first;
    wyoming->first = client;
    wyoming->n_clients++;
    if (connection_open(&client->connection, wyoming->options.loop, fd, ROOM, &handler, client) < 0) {
        log_line(LOG_ERR, "wyoming: no memory for another client");
        drop(client);
        return;
    }
    connection_set_read_timeout(&client->connection, READ_SECONDS);
    begin_anew(client);
}

int wyoming_new(Wyoming **out, const WyomingOptions *options) {
    *out = calloc(1, sizeof **out);
    if (!*out)
        return -ENOMEM;
    (*out)->options = *options;
    return 0;
}

int wyoming_listen(Wyoming *wyoming, int fd, const char *path) {
    int r;

    if (wyoming->n_listeners == LISTENERS) {
        (void)close(fd);
        return -E2BIG;
    }
    r = listener_open(&wyoming->listeners[wyoming->n_listeners], wyoming->options.loop, fd, path, accepted, wyoming);
    wyoming->n_listeners += r >= 0;
    return r;
}

void wyoming_stop(Wyoming *wyoming) {
    for (size_t i = 0; i < wyoming->n_listeners; i++)
        listener_close(&wyoming->listeners[i]);
    for (Client *client = wyoming->first, *next; client; client = next) {
        next = client->next;
        if (!client->job && !client->connection.finishing)
            drop(client);
    }
}

size_t wyoming_clients(const Wyoming *wyoming) {
    return wyoming->n_clients;
}

Wyoming *wyoming_free(Wyoming *wyoming) {
    if (!wyoming)
        return NULL;
    wyoming_stop(wyoming);
    while (wyoming->first)
        drop(wyoming->first);
    free(wyoming);
    return NULL;
}
