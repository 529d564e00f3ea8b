/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

enum {
    HEADER = 44,
    ROOM = 16 * WHISPER158_SAMPLE_RATE,     /* samples that wait for the disk, at most */
    ENOUGH = WHISPER158_SAMPLE_RATE,        /* samples that are worth a write */
    BLOCK = 8192,                           /* samples in a write */
    MINUTE = 60 * WHISPER158_SAMPLE_RATE,   /* samples in a file, at most ... */
    SHARES = 8,                             /* ... and that part of all that is allowed */
    MAX_NUMBER = 99999999,
    RETRY = 10,                             /* seconds until a disk that failed is tried again */
    MAX_FILES = 1000,                       /* a daemon that is restarted again and again leaves small ones */
};

struct Recorder {
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows, up to the blank line */
    pthread_cond_t changed;
    size_t first, count; /* of the samples that wait */
    bool stop, failed, late, joined;
    bool tell_failed, tell_resumed, told_late;
    whisper158_error trouble;

    char *folder;
    uint64_t limit;
    uint32_t file_samples; /* a file holds, at most */
    int fd;                /* of the file in hand, -1: none */
    uint32_t written;      /* samples in it */
    char path[4096];       /* its name */
    int16_t waiting[ROOM];
    int16_t block[BLOCK];
};

/* --------------------------------------------------------------------------------------------------------------- files */

static void put(uint8_t *at, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static int write_header(int fd, uint32_t samples) {
    uint8_t header[HEADER] = "RIFF....WAVEfmt \20\0\0\0\1\0\1";
    const uint32_t bytes = 2 * samples;

    put(header + 4, HEADER - 8 + bytes, 4);
    put(header + 24, WHISPER158_SAMPLE_RATE, 4);
    put(header + 28, 2 * WHISPER158_SAMPLE_RATE, 4);
    put(header + 32, 2, 2);
    put(header + 34, 16, 2);
    memcpy(header + 36, "data", 4);
    put(header + 40, bytes, 4);
    return pwrite(fd, header, sizeof header, 0) == HEADER ? 0 : -EIO;
}

/* What of the folder is ours. */
typedef struct Folder {
    uint64_t bytes;
    uint32_t count;
    uint32_t oldest, newest; /* numbers */
    char oldest_name[64];
} Folder;

/* The number in the name of one of our files, 0 for others. */
static uint32_t parse_name(const char *name) {
    unsigned number = 0;
    int length = 0;

    if (strlen(name) >= sizeof ((Folder *)0)->oldest_name)
        return 0;
    if (sscanf(name, "heard-%8u-%*[0-9TZ].wav%n", &number, &length) != 1 || length == 0 || name[length] != '\0')
        return 0;
    return number;
}

/* `name` is one that parse_name knows, so it fits. */
static void add_file(Folder *f, uint32_t number, const char *name, uint64_t bytes) {
    f->bytes += bytes;
    f->count++;
    if (number > f->newest)
        f->newest = number;
    if (f->count == 1 || number < f->oldest) {
        f->oldest = number;
        memcpy(f->oldest_name, name, strlen(name) + 1);
    }
}

static int read_folder(const Recorder *r, Folder *f) {
    DIR *const stream = opendir(r->folder);
    const struct dirent *entry;

    *f = (Folder){0};
    if (!stream)
        return -errno;
    while ((entry = readdir(stream))) {
        const uint32_t number = parse_name(entry->d_name);
        struct stat status;

        if (number > 0 && fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode))
            add_file(f, number, entry->d_name, (uint64_t)status.st_size);
    }
    (void)closedir(stream);
    return 0;
}

/* Deletes the oldest files until there is room for another. Returns the number for it, or a negative errno. */
static int make_room(const Recorder *r) {
    const uint64_t file = HEADER + 2 * (uint64_t)r->file_samples;
    char path[4096];
    Folder f;
    int e;

    while ((e = read_folder(r, &f)) >= 0 && f.count > 0 && (f.bytes + file > r->limit || f.count >= MAX_FILES)) {
        if (snprintf(path, sizeof path, "%s/%s", r->folder, f.oldest_name) >= (int)sizeof path)
            return -ENAMETOOLONG;
        if (unlink(path) < 0)
            return -errno;
    }
    return e < 0 ? e : f.newest < MAX_NUMBER ? (int)f.newest + 1 : -EOVERFLOW;
}

static int open_file(Recorder *r) {
    const int number = make_room(r);
    const time_t now = time(NULL);
    char when[32] = "0";
    struct tm parts;

    if (number < 0)
        return number;
    if (gmtime_r(&now, &parts))
        (void)strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &parts);
    if (snprintf(r->path, sizeof r->path, "%s/heard-%08d-%s.wav", r->folder, number, when) >= (int)sizeof r->path)
        return -ENAMETOOLONG;
    r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    r->written = 0;
    return r->fd < 0 ? -errno : 0;
}

static void close_file(Recorder *r) {
    if (r->fd >= 0)
        (void)close(r->fd);
    r->fd = -1;
}

/* Leaves nothing half-written. */
static void abandon_file(Recorder *r) {
    if (r->fd >= 0 && (r->written == 0 || ftruncate(r->fd, HEADER + 2 * (off_t)r->written) < 0))
        (void)unlink(r->path);
    close_file(r);
}

static int write_all(int fd, const uint8_t *data, size_t size, off_t at) {
    while (size > 0) {
        const ssize_t n = pwrite(fd, data, size, at);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
            at += n;
        }
    }
    return 0;
}

/* The header is written after the samples, so that a file that is cut off says what it has. */
static int write_samples(Recorder *r, const int16_t *samples, size_t count) {
    int e = r->fd < 0 ? open_file(r) : 0;

    if (e >= 0)
        e = write_all(r->fd, (const uint8_t *)samples, 2 * count, HEADER + 2 * (off_t)r->written);
    if (e >= 0)
        e = write_header(r->fd, r->written + (uint32_t)count);
    if (e < 0)
        return e;
    r->written += (uint32_t)count;
    if (r->written >= r->file_samples)
        close_file(r);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------------- thread */

/* Takes what waits, at most a block and what the file in hand can hold, and waits for it. Returns 0 at the end. */
static size_t fetch(Recorder *r) {
    size_t n, tail;

    (void)pthread_mutex_lock(&r->lock);
    while (r->count < ENOUGH && !r->stop)
        (void)pthread_cond_wait(&r->changed, &r->lock);
    n = r->count < BLOCK ? r->count : BLOCK;
    if (r->fd >= 0 && n > r->file_samples - r->written)
        n = r->file_samples - r->written;
    tail = n < ROOM - r->first ? n : ROOM - r->first;
    memcpy(r->block, r->waiting + r->first, tail * sizeof *r->block);
    memcpy(r->block + tail, r->waiting, (n - tail) * sizeof *r->block);
    r->first = (r->first + n) % ROOM;
    r->count -= n;
    (void)pthread_mutex_unlock(&r->lock);
    return n;
}

/* Waits so long, unless the recording is stopped. Returns whether it goes on. */
static bool wait_seconds(Recorder *r, time_t seconds) {
    struct timespec until;
    bool stop;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    (void)pthread_mutex_lock(&r->lock);
    while (!r->stop && pthread_cond_timedwait(&r->changed, &r->lock, &until) != ETIMEDOUT)
        continue;
    stop = r->stop;
    (void)pthread_mutex_unlock(&r->lock);
    return !stop;
}

/* Begins a file if all of it has room, so that a disk with little is not left and taken up again all the time. */
static int resume(Recorder *r) {
    int e = open_file(r);

    if (e >= 0)
        e = -posix_fallocate(r->fd, 0, HEADER + 2 * (off_t)r->file_samples);
    if (e >= 0 && ftruncate(r->fd, 0) < 0)
        e = -errno;
    if (e < 0)
        abandon_file(r);
    return e;
}

/* The disk has failed with `e`; what comes is thrown away until it can be written. Returns whether that is so. */
static bool recover(Recorder *r, int e) {
    abandon_file(r);
    (void)pthread_mutex_lock(&r->lock);
    r->failed = r->tell_failed = true;
    r->first = r->count = 0;
    (void)fail(&r->trouble, 0, "recording in %.200s pauses until that can be written to: %s", r->folder, strerror(-e));
    (void)pthread_mutex_unlock(&r->lock);
    do {
        if (!wait_seconds(r, RETRY))
            return false;
    } while (resume(r) < 0);
    (void)pthread_mutex_lock(&r->lock);
    r->failed = false;
    r->tell_resumed = true;
    (void)pthread_mutex_unlock(&r->lock);
    return true;
}

static void *record(void *user) {
    Recorder *const r = user;
    size_t n;
    int e = 0;

    do {
        n = fetch(r);
        if (n > 0)
            e = write_samples(r, r->block, n);
    } while (n > 0 && (e >= 0 || recover(r, e)));
    abandon_file(r);
    return NULL;
}

int recorder_new(Recorder **out, const char *folder, uint64_t bytes, whisper158_error *error) {
    Recorder *const r = calloc(1, sizeof *r);
    const uint64_t share = (bytes / SHARES - HEADER) / 2;
    pthread_condattr_t monotonic;
    int e;

    *out = NULL;
    if (!r || !(r->folder = strdup(folder))) {
        free(r);
        return fail(error, -ENOMEM, "there is no memory to record");
    }
    r->limit = bytes;
    r->file_samples = share < MINUTE ? (uint32_t)share : MINUTE;
    r->fd = -1;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    e = pthread_create(&r->thread, NULL, record, r);
    if (e != 0) {
        free(r->folder);
        free(r);
        return fail(error, -e, "there is no thread to record with: %s", strerror(e));
    }
    *out = r;
    return 0;
}

static int16_t to_integer(float sample) {
    return (int16_t)lrintf(32767.0f * fmaxf(-1.0f, fminf(1.0f, sample)));
}

void recorder_push(Recorder *r, const float *samples, size_t count) {
    (void)pthread_mutex_lock(&r->lock);
    if (!r->failed && count > ROOM - r->count) {
        r->late = true;
        count = ROOM - r->count;
    }
    for (size_t i = 0; i < count && !r->failed; i++)
        r->waiting[(r->first + r->count++) % ROOM] = to_integer(samples[i]);
    if (r->count >= ENOUGH)
        (void)pthread_cond_signal(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
}

bool recorder_trouble(Recorder *r, whisper158_error *sentence) {
    bool news = true;

    (void)pthread_mutex_lock(&r->lock);
    if (r->tell_failed) {
        r->tell_failed = false;
        *sentence = r->trouble;
    } else if (r->tell_resumed) {
        r->tell_resumed = false;
        (void)fail(sentence, 0, "recording in %.200s goes on", r->folder);
    } else if (r->late && !r->told_late) {
        r->told_late = true;
        (void)fail(sentence, 0, "audio comes faster than it can be written to %.200s: parts are missing there", r->folder);
    } else {
        news = false;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return news;
}

void recorder_stop(Recorder *r) {
    (void)pthread_mutex_lock(&r->lock);
    r->stop = true;
    (void)pthread_cond_signal(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
    if (!r->joined)
        (void)pthread_join(r->thread, NULL);
    r->joined = true;
}

Recorder *recorder_free(Recorder *r) {
    if (!r)
        return NULL;
    recorder_stop(r);
    (void)pthread_cond_destroy(&r->changed);
    (void)pthread_mutex_destroy(&r->lock);
    free(r->folder);
    free(r);
    return NULL;
}
