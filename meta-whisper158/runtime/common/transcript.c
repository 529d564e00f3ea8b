/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "transcript.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* Makes room for `more` elements of `size` bytes behind `count`; NULL leaves *array as it was. */
static void *grow(void *array, size_t count, size_t more, size_t size) {
    return realloc(array, (count + more + 1) * size);
}

/* Narrows [*first, *first + *length) of `text` by the spaces at both ends. */
static void trim(const char *text, size_t *first, size_t *length) {
    while (*length > 0 && text[*first] == ' ') {
        ++*first;
        --*length;
    }
    while (*length > 0 && text[*first + *length - 1] == ' ')
        --*length;
}

int transcript_add(Transcript *t, const whisper158_segment *from) {
    const size_t n_bytes = strlen(from->text);
    Segment *const segments = grow(t->segments, t->n_segments, 1, sizeof *t->segments);
    uint32_t *const tokens = grow(t->tokens, t->n_tokens, from->n_tokens, sizeof *t->tokens);
    char *const text = grow(t->text, t->n_bytes, n_bytes, 1);
    Segment *segment;

    t->segments = segments ? segments : t->segments;
    t->tokens = tokens ? tokens : t->tokens;
    t->text = text ? text : t->text;
    if (!segments || !tokens || !text)
        return -ENOMEM;

    segment = &segments[t->n_segments++];
    *segment = (Segment){
        .start = from->start,
        .end = from->end,
        .first_byte = t->n_bytes,
        .n_bytes = n_bytes,
        .first_token = t->n_tokens,
        .n_tokens = from->n_tokens,
        .avg_logprob = from->avg_logprob,
        .no_speech_prob = from->no_speech_prob,
        .repetition = from->repetition,
    };
    for (size_t i = 0; i < n_bytes; i++) {
        const unsigned char c = (unsigned char)from->text[i];

        text[t->n_bytes++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
    }
    for (size_t i = 0; i < from->n_tokens; i++)
        tokens[t->n_tokens++] = from->tokens[i];
    trim(text, &segment->first_byte, &segment->n_bytes);
    t->language = from->language;
    return 0;
}

static void write_time(FILE *stream, double seconds, char point) {
    const unsigned long long ms = seconds > 0.0 ? (unsigned long long)llround(seconds * 1000.0) : 0;

    (void)fprintf(stream, "%02llu:%02llu:%02llu%c%03llu", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, point,
                  ms % 1000);
}

/* What ends when it begins would never be shown. */
static void write_span(FILE *stream, const Segment *segment, char point) {
    write_time(stream, segment->start, point);
    (void)fputs(" --> ", stream);
    write_time(stream, fmax(segment->end, segment->start + 0.001), point);
}

const char *transcript_text(const Transcript *t, size_t *length) {
    size_t first = 0;

    *length = t->n_bytes;
    trim(t->text, &first, length);
    return *length > 0 ? t->text + first : "";
}

static void write_text(FILE *stream, const Transcript *t) {
    size_t length;
    const char *const text = transcript_text(t, &length);

    (void)fwrite(text, 1, length, stream);
    (void)fputc('\n', stream);
}

void transcript_write_line(FILE *stream, const Transcript *t, const Segment *segment) {
    if (segment->n_bytes == 0)
        return;
    (void)fputc('[', stream);
    write_span(stream, segment, '.');
    (void)fputs("] ", stream);
    (void)fwrite(t->text + segment->first_byte, 1, segment->n_bytes, stream);
    (void)fputc('\n', stream);
}

static void write_srt(FILE *stream, const Transcript *t) {
    size_t number = 0;

    for (const Segment *s = t->segments; s != t->segments + t->n_segments; s++) {
        if (s->n_bytes == 0)
            continue;
        (void)fprintf(stream, "%s%zu\n", number ? "\n" : "", number + 1);
        number++;
        write_span(stream, s, ',');
        (void)fputc('\n', stream);
        (void)fwrite(t->text + s->first_byte, 1, s->n_bytes, stream);
        (void)fputc('\n', stream);
    }
}

/* In WebVTT "<", "&" and the arrow "-->" mean something (W3C, section 4.2.2). */
static void write_vtt_text(FILE *stream, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '&')
            (void)fputs("&amp;", stream);
        else if (text[i] == '<')
            (void)fputs("&lt;", stream);
        else if (text[i] == '>')
            (void)fputs("&gt;", stream);
        else
            (void)fputc(text[i], stream);
    }
}

static void write_vtt(FILE *stream, const Transcript *t) {
    (void)fputs("WEBVTT\n", stream);
    for (const Segment *s = t->segments; s != t->segments + t->n_segments; s++) {
        if (s->n_bytes == 0)
            continue;
        (void)fputc('\n', stream);
        write_span(stream, s, '.');
        (void)fputc('\n', stream);
        write_vtt_text(stream, t->text + s->first_byte, s->n_bytes);
        (void)fputc('\n', stream);
    }
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static struct json_object *segment_object(const Transcript *t, const Segment *segment) {
    struct json_object *const object = json_object_new_object();
    struct json_object *const tokens = json_object_new_array();

    if (!object || !tokens) {
        (void)json_object_put(tokens);
        return object;
    }
    for (size_t i = 0; i < segment->n_tokens; i++)
        (void)json_object_array_add(tokens, json_object_new_int64(t->tokens[segment->first_token + i]));
    (void)json_object_object_add(object, "start", json_number(segment->start, "%.2f"));
    (void)json_object_object_add(object, "end", json_number(segment->end, "%.2f"));
    (void)json_object_object_add(object, "text", json_text(t->text + segment->first_byte, segment->n_bytes));
    (void)json_object_object_add(object, "tokens", tokens);
    (void)json_object_object_add(object, "avg_logprob", json_number(segment->avg_logprob, "%.4f"));
    (void)json_object_object_add(object, "no_speech_prob", json_number(segment->no_speech_prob, "%.4f"));
    (void)json_object_object_add(object, "repetition", json_object_new_boolean(segment->repetition));
    return object;
}

static struct json_object *model_object(const whisper158_model *model) {
    static const char *const keys[] = {"name", "format"};
    struct json_object *const object = json_object_new_object();

    for (size_t i = 0; object && i < sizeof keys / sizeof *keys; i++) {
        const char *value;
        const int length = whisper158_model_get_provenance(model, keys[i], &value);

        (void)json_object_object_add(object, keys[i], length >= 0 ? json_text(value, (size_t)length) : NULL);
    }
    return object;
}

static struct json_object *timings_object(const Transcript *t) {
    struct json_object *const object = json_object_new_object();
    const struct {
        const char *name;
        double seconds;
    } parts[] = {
        {"total", t->seconds},
        {"mel", t->timings.mel},
        {"encode", t->timings.encode},
        {"decode", t->timings.decode},
        {"mel_cpu", t->timings.mel_cpu},
        {"encode_cpu", t->timings.encode_cpu},
        {"decode_cpu", t->timings.decode_cpu},
    };

    if (!object)
        return NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        (void)json_object_object_add(object, parts[i].name, json_number(parts[i].seconds, "%.6f"));
    (void)json_object_object_add(object, "windows", json_object_new_int64(t->timings.windows));
    (void)json_object_object_add(object, "frames", json_object_new_int64((int64_t)t->timings.frames));
    (void)json_object_object_add(object, "tokens", json_object_new_int64(t->timings.tokens));
    return object;
}

/* Adds what both forms of JSON have. `verbose` makes segments what OpenAI's servers send; what these know and we do not, is
 * left out: compression_ratio and seek. */
static int put_transcript(struct json_object *object, const Transcript *t, bool verbose) {
    struct json_object *const segments = json_object_new_array();
    size_t length;
    const char *const text = transcript_text(t, &length);

    if (!object || !segments) {
        (void)json_object_put(segments);
        return -ENOMEM;
    }
    for (size_t i = 0; i < t->n_segments; i++) {
        struct json_object *const segment = segment_object(t, &t->segments[i]);

        if (verbose) {
            json_put(segment, "id", json_object_new_int64((int64_t)i));
            json_put(segment, "temperature", json_number(0.0, "%.1f"));
        }
        (void)json_object_array_add(segments, segment);
    }
    json_put(object, "duration", json_number(t->duration, "%.3f"));
    json_put(object, "language", t->language ? json_text(t->language, strlen(t->language)) : NULL);
    json_put(object, "text", json_text(text, length));
    json_put(object, "segments", segments);
    return 0;
}

/* Releases `object`. */
static int print_object(FILE *stream, struct json_object *object, int r) {
    if (r >= 0)
        return json_print(stream, object);
    (void)json_object_put(object);
    return r;
}

static int write_json(FILE *stream, const Transcript *t, const whisper158_model *model) {
    struct json_object *const object = json_object_new_object();
    int r;

    json_put(object, "file", json_text(t->file, strlen(t->file)));
    r = put_transcript(object, t, false);
    json_put(object, "model", model_object(model));
    json_put(object, "timings", timings_object(t));
    return print_object(stream, object, r);
}

static int write_verbose(FILE *stream, const Transcript *t) {
    struct json_object *const object = json_object_new_object();

    json_put(object, "task", json_object_new_string("transcribe"));
    return print_object(stream, object, put_transcript(object, t, true));
}

int transcript_write(FILE *stream, const Transcript *t, Form form, const whisper158_model *model) {
    switch (form) {
    case FORM_TEXT:
        write_text(stream, t);
        break;
    case FORM_TIMESTAMPS: /* each line was written when it came */
        break;
    case FORM_JSON:
        return write_json(stream, t, model);
    case FORM_SRT:
        write_srt(stream, t);
        break;
    case FORM_VTT:
        write_vtt(stream, t);
        break;
    case FORM_VERBOSE:
        return write_verbose(stream, t);
    }
    return 0;
}

void transcript_free(Transcript *t) {
    free(t->segments);
    free(t->tokens);
    free(t->text);
    *t = (Transcript){0};
}
