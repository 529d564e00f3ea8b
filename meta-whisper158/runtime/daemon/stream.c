/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A file or a pipe in the microphone's place. Files are read by libsndfile, pipes here, since whoever waits for a pipe
 * must hear when it is told to stop. A pipe may stall as long as it likes.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <poll.h>
#include <sndfile.h>

#include "report.h"
#include "wav.h"

#define SECOND ((uint64_t)1000000000)

enum {
    PIECES_PER_SECOND = 50,
    MAX_BLOCK = 1024,        /* frames that are read at a time, at most */
    MAX_ABOUT = 160,         /* bytes of a name in a sentence */
};

/* Who was held up catches up, but for what lies further back than this. */
static const uint64_t longest_lag = 3 * SECOND;

typedef struct Stream {
    Feed *feed;
    const StreamOptions *options;
    whisper158_error *error;
    char about[MAX_ABOUT];
    int fd;
    SampleFormat format;
    uint32_t rate, channels;
    size_t frame;    /* bytes of one */
    uint64_t frames; /* passed on */
    uint64_t origin; /* when the first one was due */
    uint8_t *block;  /* [MAX_BLOCK] frames */
} Stream;

static bool stopped(const Stream *s) {
    return atomic_load(&s->feed->stop);
}

/* Waits until `frames` more frames have been spoken. */
static void keep_pace(Stream *s, size_t frames) {
    const uint64_t due = (s->frames + frames) / s->rate * SECOND + (s->frames + frames) % s->rate * SECOND / s->rate;
    uint64_t now;

    while (s->options->real_time && !stopped(s)) {
        now = s->feed->driver->now(s->feed->driver->user);
        if (s->frames == 0 && s->origin == 0)
            s->origin = now;
        if (now > s->origin + due + longest_lag)
            s->origin = now - due - longest_lag;
        if (now >= s->origin + due)
            return;
        feed_pause(s->feed, s->origin + due - now);
    }
}

static int pass_on(Stream *s, size_t frames) {
    int r;

    keep_pace(s, frames);
    if (stopped(s))
        return -ECANCELED;
    r = feed_push(s->feed, s->block, frames);
    s->frames += frames;
    return r;
}

static int begin(Stream *s) {
    char about[MAX_ABOUT + 16];

    s->frame = s->channels * sample_size(s->format);
    s->block = malloc(MAX_BLOCK * s->frame);
    if (!s->block)
        return fail(s->error, -ENOMEM, "there is no memory to read %s", s->about);
    (void)snprintf(about, sizeof about, "reading %s", s->about);
    return feed_open(s->feed, s->format, s->rate, s->channels, about, s->error);
}

static size_t block_frames(const Stream *s) {
    const size_t piece = s->rate / PIECES_PER_SECOND;

    return piece < MAX_BLOCK ? piece : MAX_BLOCK;
}

/* --------------------------------------------------------------------------------------------------------------- pipes */

/* Waits for what can be read. Returns how much it was, 0 at the end, -ECANCELED when the source is stopped. */
static ssize_t read_some(Stream *s, void *data, size_t size) {
    struct pollfd polled[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->feed->wake_fd, .events = POLLIN}};
    ssize_t n;

    for (;;) {
        if (stopped(s))
            return -ECANCELED;
        if (poll(polled, 2, -1) < 0) {
            if (errno != EINTR && errno != EAGAIN)
                return -errno;
            continue;
        }
        if (polled[1].revents)
            feed_woken(s->feed);
        if (!polled[0].revents)
            continue;
        n = read(s->fd, data, size);
        if (n >= 0)
            return n;
        if (errno != EINTR && errno != EAGAIN)
            return -errno;
    }
}

static int fail_read(const Stream *s, int e) {
    return e == -ECANCELED ? e : fail(s->error, e, "%s cannot be read: %s", s->about, strerror(-e));
}

/* Reads the header byte by byte: what follows it belongs to no buffer. */
static int read_header(Stream *s, uint64_t *frames) {
    whisper158_error error;
    Wav wav = {0};
    uint8_t byte;
    int r = 0;

    while (r == 0) {
        const ssize_t n = read_some(s, &byte, 1);

        if (n < 0)
            return fail_read(s, (int)n);
        if (n == 0)
            return fail(s->error, -EBADMSG, "%s ends before its first sample", s->about);
        r = wav_push(&wav, byte, &error);
    }
    if (r < 0)
        return fail(s->error, r, "%s %s", s->about, error.text);
    s->format = wav.format;
    s->rate = wav.rate;
    s->channels = wav.channels;
    *frames = wav.frames;
    return 0;
}

/* Reads until a block is full or the pipe has no more just now, and passes whole frames on. */
static int read_samples(Stream *s, uint64_t frames) {
    size_t have = 0;

    while (s->frames < frames) {
        const size_t most = frames - s->frames < block_frames(s) ? (size_t)(frames - s->frames) : block_frames(s);
        const ssize_t n = read_some(s, s->block + have, most * s->frame - have);
        size_t whole;
        int r;

        if (n <= 0)
            return n == 0 ? 0 : fail_read(s, (int)n);
        have += (size_t)n;
        whole = have / s->frame;
        if (whole == 0)
            continue;
        r = pass_on(s, whole);
        if (r < 0)
            return r;
        have -= whole * s->frame;
        memmove(s->block, s->block + whole * s->frame, have);
    }
    return 0;
}

static int read_pipe(Stream *s) {
    uint64_t frames = UINT64_MAX;
    int r = 0;

    if (s->options->raw) {
        s->format = SAMPLE_S16;
        s->rate = WHISPER158_SAMPLE_RATE;
        s->channels = 1;
    } else {
        r = read_header(s, &frames);
    }
    if (r >= 0)
        r = begin(s);
    return r < 0 ? r : read_samples(s, frames);
}

/* --------------------------------------------------------------------------------------------------------------- files */

static int read_frames(Stream *s, SNDFILE *file) {
    sf_count_t n;
    int r = 0;

    while (r >= 0 && (n = sf_readf_float(file, (float *)(void *)s->block, (sf_count_t)block_frames(s))) > 0)
        r = pass_on(s, (size_t)n);
    if (r >= 0 && sf_error(file) != SF_ERR_NO_ERROR)
        return fail(s->error, -EBADMSG, "%s is damaged after %.2f s", s->about, (double)s->frames / s->rate);
    return r;
}

static int read_opened(Stream *s, SNDFILE *file, const SF_INFO *info) {
    int r;

    if (info->channels < 1 || info->channels > CONVERT_MAX_CHANNELS)
        return fail(s->error, -EBADMSG, "%s has %d channels; 1 to %d can be mixed", s->about, info->channels,
                    CONVERT_MAX_CHANNELS);
    if (info->samplerate < CONVERT_MIN_RATE || info->samplerate > CONVERT_MAX_RATE)
        return fail(s->error, -EBADMSG, "%s has a sample rate of %d Hz; rates from %d to %d Hz can be converted",
                    s->about, info->samplerate, CONVERT_MIN_RATE, CONVERT_MAX_RATE);
    s->format = SAMPLE_FLOAT;
    s->rate = (uint32_t)info->samplerate;
    s->channels = (uint32_t)info->channels;
    r = begin(s);
    return r < 0 ? r : read_frames(s, file);
}

static int read_file(Stream *s) {
    char magic[4];
    SF_INFO info = {0};
    SNDFILE *file;
    int r;

    /* Other formats have other libraries behind them, and what those write to stderr. */
    if (pread(s->fd, magic, sizeof magic, 0) != (ssize_t)sizeof magic ||
        (memcmp(magic, "RIFF", 4) != 0 && memcmp(magic, "RF64", 4) != 0 && memcmp(magic, "fLaC", 4) != 0))
        return fail(s->error, -EBADMSG, "%s is neither WAV nor FLAC; samples without a header need --raw",
                    s->about);
    file = sf_open_fd(s->fd, SFM_READ, &info, SF_FALSE);
    if (!file)
        return fail(s->error, -EBADMSG, "%s is damaged: no audio can be read from it", s->about);
    r = read_opened(s, file, &info);
    (void)sf_close(file);
    return r;
}

static int read_input(Stream *s) {
    struct stat status;
    int r;

    if (fstat(s->fd, &status) < 0)
        return fail(s->error, -errno, "%s cannot be read: %s", s->about, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return fail(s->error, -EISDIR, "%s is a directory; name an audio file", s->about);
    /* libsndfile counts from the start of the file; what someone has read of standard input is gone. */
    r = S_ISREG(status.st_mode) && !s->options->raw && lseek(s->fd, 0, SEEK_CUR) == 0 ? read_file(s) : read_pipe(s);
    return r < 0 || stopped(s) ? r : feed_flush(s->feed);
}

int stream_run(Feed *feed, const StreamOptions *options, whisper158_error *sentence) {
    const bool standard = strcmp(options->path, "-") == 0;
    Stream s = {.feed = feed, .options = options, .error = sentence};
    int r;

    (void)snprintf(s.about, sizeof s.about, "%s", standard ? "standard input" : options->path);
    (void)fail(sentence, 0, "%s cannot be converted to 16 kHz", s.about);
    /* Named pipes would wait here for who writes to them. */
    s.fd = standard ? STDIN_FILENO : open(options->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (s.fd < 0)
        return fail(sentence, -errno, "%s cannot be opened: %s", s.about, strerror(errno));
    r = read_input(&s);
    free(s.block);
    if (!standard)
        (void)close(s.fd);
    if (r == -ECANCELED)
        return fail(sentence, 0, "%s was not read to its end", s.about);
    return r < 0 ? r : fail(sentence, 0, "%s has ended after %.2f s", s.about, s.rate ? (double)s.frames / s.rate : 0.0);
}
