/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "audio.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sndfile.h>

#include "report.h"
#include "resample.h"
#include "whisper158.h"

enum {
    BLOCK = 16384, /* samples, all channels together, that are read at a time */
    MIN_RATE = 1000,
    MAX_RATE = 1000000, /* between them libsamplerate's ratios (1/256 to 256) suffice */
};

typedef struct Decoder {
    SNDFILE *file;
    SF_INFO info;
    Resampler *resampler;
    float *block;      /* [BLOCK] as read, then averaged in place */
    sf_count_t frames; /* read so far */
    size_t capacity;   /* of audio->samples */
    AudioLimits limits;
    Audio *audio;
    whisper158_error *error;
} Decoder;

static int append(void *user, const float *samples, size_t count) {
    Decoder *const d = user;
    Audio *const audio = d->audio;

    if (count > d->limits.max_seconds * WHISPER158_SAMPLE_RATE - audio->count)
        return fail(d->error, -EFBIG, "is longer than %g hours; cut it into parts", (double)d->limits.max_seconds / 3600);
    if (count > d->capacity - audio->count) {
        const size_t capacity = 2 * d->capacity + count;
        float *const grown = realloc(audio->samples, capacity * sizeof *grown);

        if (!grown)
            return fail(d->error, -ENOMEM, "is too long for the memory of this machine");
        audio->samples = grown;
        d->capacity = capacity;
    }
    memcpy(audio->samples + audio->count, samples, count * sizeof *samples);
    audio->count += count;
    return 0;
}

static int fail_sample(const Decoder *d, float sample, sf_count_t frame) {
    return fail(d->error, -EBADMSG, "is damaged: frame %lld (%.3f s) holds the number %g", (long long)frame,
                (double)frame / d->info.samplerate, isnan(sample) ? (double)NAN : (double)sample);
}

/* Averages the channels of `frames` frames in d->block, in place. */
static int mix_down(Decoder *d, size_t frames) {
    const size_t channels = (size_t)d->info.channels;

    for (size_t i = 0; i < frames; i++) {
        double sum = 0.0;

        for (size_t c = 0; c < channels; c++) {
            const float x = d->block[i * channels + c];

            if (!(fabsf(x) <= WHISPER158_MAX_SAMPLE))
                return fail_sample(d, x, d->frames + (sf_count_t)i);
            sum += x;
        }
        d->block[i] = (float)(sum / (double)channels);
    }
    return 0;
}

/* What the resampler's sink refused has its sentence already. */
static int resampled(const Decoder *d, int r) {
    return r == -EBADMSG ? fail(d->error, r, "cannot be converted to 16 kHz") : r;
}

static bool is_cancelled(const Decoder *d) {
    return d->limits.cancelled && atomic_load(d->limits.cancelled);
}

static int decode_all(Decoder *d) {
    const sf_count_t block = BLOCK / d->info.channels;
    sf_count_t frames;
    int r;

    while (!is_cancelled(d) && (frames = sf_readf_float(d->file, d->block, block)) > 0) {
        r = mix_down(d, (size_t)frames);
        if (r >= 0)
            r = resampled(d, resampler_push(d->resampler, d->block, (size_t)frames));
        if (r < 0)
            return r;
        d->frames += frames;
    }
    if (is_cancelled(d))
        return fail(d->error, -ECANCELED, "is not wanted any more");
    if (d->frames > 0) {
        r = resampled(d, resampler_flush(d->resampler));
        if (r >= 0 && d->audio->count == 0)
            return fail(d->error, -EBADMSG, "holds no audio: it is shorter than a sample at 16 kHz");
        return r;
    }
    if (sf_error(d->file) != SF_ERR_NO_ERROR)
        return fail(d->error, -EBADMSG, "is damaged: no audio can be read from it");
    return fail(d->error, -EBADMSG, "holds no audio: its length is zero");
}

/* Bytes of one sample of one channel, 0 for formats that pack several together. */
static int bytes_per_sample(int format) {
    switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW:
        return 1;
    case SF_FORMAT_PCM_16:
        return 2;
    case SF_FORMAT_PCM_24:
        return 3;
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_FLOAT:
        return 4;
    case SF_FORMAT_DOUBLE:
        return 8;
    default:
        return 0;
    }
}

/*
 * How many frames the header promises. libsndfile reports what a WAV file really has; its data chunk tells what it was
 * meant to have, unless a program that wrote to a pipe put the largest number there because it could not know.
 */
static sf_count_t promised_frames(const Decoder *d) {
    const int container = d->info.format & SF_FORMAT_TYPEMASK;
    const int frame = bytes_per_sample(d->info.format) * d->info.channels;
    SF_CHUNK_INFO chunk = {.id = "data", .id_size = 4};
    SF_CHUNK_ITERATOR *iterator;

    if ((container != SF_FORMAT_WAV && container != SF_FORMAT_WAVEX) || frame == 0)
        return d->info.frames;
    iterator = sf_get_chunk_iterator(d->file, &chunk);
    if (!iterator || sf_get_chunk_size(iterator, &chunk) != SF_ERR_NO_ERROR || chunk.datalen >= 0x7fff0000u)
        return d->info.frames;
    return (sf_count_t)chunk.datalen / frame;
}

static void warn_if_short(Decoder *d) {
    const sf_count_t promised = promised_frames(d);
    const double rate = d->info.samplerate;

    if (promised > d->frames && promised < SF_COUNT_MAX)
        (void)fail(&d->audio->warning, 0, "is cut short: %.2f s of the %.2f s that it should hold are used",
                   (double)d->frames / rate, (double)promised / rate);
    else if (sf_error(d->file) != SF_ERR_NO_ERROR)
        (void)fail(&d->audio->warning, 0, "is damaged: only the first %.2f s are used", (double)d->frames / rate);
}

static int explain_open(whisper158_error *error) {
    switch (sf_error(NULL)) {
    case SF_ERR_UNRECOGNISED_FORMAT:
        return fail(error, -EBADMSG, "is not audio in a format known here, such as WAV or FLAC");
    case SF_ERR_UNSUPPORTED_ENCODING:
        return fail(error, -EBADMSG, "is audio in an encoding unknown here; convert it to WAV or FLAC");
    default: {
        const char *const cause = sf_strerror(NULL);
        size_t length = strlen(cause);

        while (length > 0 && strchr(".\n ", cause[length - 1]))
            length--;
        return fail(error, -EBADMSG, "is damaged, or not audio (libsndfile: %.*s)", (int)length, cause);
    }
    }
}

static int decode_opened(Decoder *d) {
    int r;

    if (d->info.samplerate < MIN_RATE || d->info.samplerate > MAX_RATE)
        return fail(d->error, -EBADMSG, "has a sample rate of %d Hz; rates from %d to %d Hz can be converted",
                    d->info.samplerate, MIN_RATE, MAX_RATE);
    if (d->info.channels < 1 || d->info.channels > BLOCK)
        return fail(d->error, -EBADMSG, "has %d channels", d->info.channels);
    if (d->limits.max_rate && (size_t)d->info.samplerate * (size_t)d->info.channels > d->limits.max_rate)
        return fail(d->error, -EBADMSG, "has %d channels at %d Hz, which is too much to convert; one at 16000 Hz is enough",
                    d->info.channels, d->info.samplerate);
    d->block = malloc(BLOCK * sizeof *d->block);
    if (!d->block || resampler_new(&d->resampler, (uint32_t)d->info.samplerate, append, d) < 0)
        return fail(d->error, -ENOMEM, "no memory to read it");
    r = decode_all(d);
    if (r >= 0)
        warn_if_short(d);
    return r;
}

/* Decodes what is in `fd`, or behind `io` if that is given. */
static int decode(Audio *audio, int fd, SF_VIRTUAL_IO *io, void *user, const AudioLimits *limits, whisper158_error *error) {
    Decoder d = {.limits = *limits, .audio = audio, .error = error};
    int r;

    *audio = (Audio){0};
    d.file = io ? sf_open_virtual(io, SFM_READ, &d.info, user) : sf_open_fd(fd, SFM_READ, &d.info, SF_FALSE);
    r = d.file ? decode_opened(&d) : explain_open(error);
    if (d.file)
        (void)sf_close(d.file);
    resampler_free(d.resampler);
    free(d.block);
    if (r < 0)
        audio_free(audio);
    return r;
}

/* -------------------------------------------------------------------------------------------------- files in memory */

typedef struct Memory {
    const unsigned char *data;
    sf_count_t size;
    sf_count_t position;
} Memory;

static sf_count_t memory_length(void *user) {
    return ((const Memory *)user)->size;
}

static sf_count_t memory_tell(void *user) {
    return ((const Memory *)user)->position;
}

static sf_count_t memory_seek(sf_count_t offset, int whence, void *user) {
    Memory *const m = user;
    const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->position : m->size;

    if (offset < -base || offset > m->size - base)
        return -1;
    m->position = base + offset;
    return m->position;
}

static sf_count_t memory_read(void *to, sf_count_t count, void *user) {
    Memory *const m = user;
    const sf_count_t left = m->size - m->position;

    if (count > left)
        count = left;
    if (count <= 0)
        return 0;
    memcpy(to, m->data + m->position, (size_t)count);
    m->position += count;
    return count;
}

int audio_read_memory(Audio *audio, const void *data, size_t size, const AudioLimits *limits, whisper158_error *error) {
    SF_VIRTUAL_IO io = {.get_filelen = memory_length, .seek = memory_seek, .read = memory_read, .tell = memory_tell};
    Memory memory = {.data = data, .size = (sf_count_t)size};

    *audio = (Audio){0};
    if (size == 0)
        return fail(error, -EBADMSG, "is empty");
    return decode(audio, -1, &io, &memory, limits, error);
}

/* All bytes of a stream that cannot be sought in; *data is the caller's to free, also on failure. */
static int read_stream(int fd, unsigned char **data, size_t *size, whisper158_error *error) {
    size_t capacity = 0;

    *data = NULL;
    *size = 0;
    for (;;) {
        ssize_t n;

        if (*size == capacity) {
            unsigned char *grown;

            if (capacity >= AUDIO_MAX_STREAM_BYTES)
                return fail(error, -EFBIG, "is more than %zu MiB; give it as a file", AUDIO_MAX_STREAM_BYTES >> 20);
            capacity = capacity ? 2 * capacity : 1 << 16;
            grown = realloc(*data, capacity);
            if (!grown)
                return fail(error, -ENOMEM, "is too long for the memory of this machine; give it as a file");
            *data = grown;
        }
        n = read(fd, *data + *size, capacity - *size);
        if (n == 0)
            return 0;
        if (n > 0)
            *size += (size_t)n;
        else if (errno != EINTR)
            return fail(error, -errno, "cannot be read: %s", strerror(errno));
    }
}

static int read_descriptor(Audio *audio, int fd, const AudioLimits *limits, whisper158_error *error) {
    unsigned char *data;
    struct stat status;
    size_t size;
    int r;

    if (fstat(fd, &status) < 0)
        return fail(error, -errno, "cannot be read: %s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return fail(error, -EISDIR, "is a directory; name the audio files in it");
    if (S_ISREG(status.st_mode) && status.st_size == 0)
        return fail(error, -EBADMSG, "is empty");
    /* libsndfile counts from the start of the file; what someone has read of standard input is gone. */
    if (S_ISREG(status.st_mode) && lseek(fd, 0, SEEK_CUR) == 0)
        return decode(audio, fd, NULL, NULL, limits, error);
    r = read_stream(fd, &data, &size, error);
    if (r >= 0)
        r = audio_read_memory(audio, data, size, limits, error);
    free(data);
    return r;
}

/*
 * libmpg123, which libsndfile may use, writes what it dislikes about a file to stderr and cannot be told not to. glibc
 * lets the stream be replaced.
 */
static FILE *swap_stderr(FILE *replacement) {
    FILE *const before = stderr;

#ifdef __GLIBC__
    if (replacement)
        stderr = replacement;
#else
    (void)replacement;
#endif
    return before;
}

int audio_read(Audio *audio, const char *path, size_t max_seconds, whisper158_error *error) {
    const bool standard = strcmp(path, "-") == 0;
    const int fd = standard ? STDIN_FILENO : open(path, O_RDONLY);
    FILE *nowhere, *normal;
    int r;

    *audio = (Audio){0};
    if (fd < 0)
        return fail(error, -errno, "cannot be opened: %s", strerror(errno));
    nowhere = fopen("/dev/null", "w");
    normal = swap_stderr(nowhere);
    r = read_descriptor(audio, fd, &(AudioLimits){.max_seconds = max_seconds}, error);
    (void)swap_stderr(normal);
    if (nowhere)
        (void)fclose(nowhere);
    if (!standard)
        (void)close(fd);
    return r;
}

void audio_free(Audio *audio) {
    free(audio->samples);
    *audio = (Audio){0};
}
