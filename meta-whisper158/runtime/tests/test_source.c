/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * daemon/source.h as its users see it, with real threads, files, pipes and time: files arrive as they are, pipes may
 * stall and stop anywhere, and nothing keeps a source from being stopped.
 */
#undef NDEBUG
#include "source.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <alsa/asoundlib.h>
#include <sndfile.h>

#include "fake_card.h"
#include "report.h"

enum { RATE = 16000, MAX_SAMPLES = 60 * RATE };

typedef struct Ear {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    float samples[MAX_SAMPLES];
    size_t count;
    uint32_t opened;
    bool ended;
    int error;
    char sentence[400], warning[400];
} Ear;

static Ear ear;

static void lock(void) {
    assert(pthread_mutex_lock(&ear.lock) == 0);
}

static void unlock(void) {
    assert(pthread_cond_broadcast(&ear.changed) == 0);
    assert(pthread_mutex_unlock(&ear.lock) == 0);
}

static void take_samples(void *user, const float *samples, size_t count) {
    lock();
    assert(user == &ear && !ear.ended && count <= MAX_SAMPLES - ear.count);
    memcpy(ear.samples + ear.count, samples, count * sizeof *samples);
    ear.count += count;
    unlock();
}

static void take_gap(void *user, uint64_t lost) {
    assert(user == &ear && lost > 0);
}

static void take_state(void *user, SourceState state, const char *sentence) {
    lock();
    assert(user == &ear && !ear.ended && *sentence);
    ear.opened += state == SOURCE_OPEN;
    unlock();
}

static void take_end(void *user, int error, const char *sentence) {
    lock();
    assert(user == &ear && !ear.ended && *sentence);
    ear.ended = true;
    ear.error = error;
    (void)snprintf(ear.sentence, sizeof ear.sentence, "%s", sentence);
    unlock();
}

static void take_warning(void *user, const char *sentence) {
    lock();
    assert(user == &ear && ear.warning[0] == '\0'); /* said once */
    (void)snprintf(ear.warning, sizeof ear.warning, "%s", sentence);
    unlock();
}

static const SourceListener listener = {take_samples, take_gap, take_state, take_end, take_warning, &ear};

static Source *start(const SourceOptions *options) {
    whisper158_error error;
    Source *source;

    lock();
    ear.count = 0;
    ear.opened = 0;
    ear.ended = false;
    ear.error = 1;
    ear.sentence[0] = ear.warning[0] = '\0';
    unlock();
    assert(source_new(&source, options, &listener, &error) == 0);
    assert(source_start(source, &error) == 0);
    return source;
}

static void wait_for_end(void) {
    lock();
    while (!ear.ended)
        assert(pthread_cond_wait(&ear.changed, &ear.lock) == 0);
    unlock();
}

static void wait_for_samples(size_t count) {
    lock();
    while (ear.count < count)
        assert(pthread_cond_wait(&ear.changed, &ear.lock) == 0);
    unlock();
}

static void run(const SourceOptions *options) {
    Source *const source = start(options);

    wait_for_end();
    assert(source_free(source) == NULL);
}

static void expect_end(int error, const char *part) {
    if (ear.error != error || !strstr(ear.sentence, part))
        fprintf(stderr, "%d: %s\n", ear.error, ear.sentence);
    assert(ear.error == error && strstr(ear.sentence, part));
}

/* --------------------------------------------------------------------------------------------------------------- files */

static char folder[] = "/tmp/whisper158-test-XXXXXX";

static const char *path_of(const char *name) {
    static char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static float tone(size_t i, uint32_t rate) {
    return roundf(0.5f * 32768.0f * sinf(2 * 3.14159265f * 300 * (float)i / (float)rate)) / 32768.0f;
}

static void make_file(const char *name, int format, uint32_t rate, int channels, size_t frames) {
    SF_INFO info = {.samplerate = (int)rate, .channels = channels, .format = format};
    SNDFILE *const file = sf_open(path_of(name), SFM_WRITE, &info);

    assert(file);
    for (size_t i = 0; i < frames; i++) {
        const short x = (short)(32768.0f * tone(i, rate));
        const short frame[2] = {x, x};

        assert(sf_writef_short(file, frame, 1) == 1);
    }
    assert(sf_close(file) == 0);
}

/* Resamplers may round the length down. */
static void expect_tone(size_t count, float slack) {
    const size_t least = slack > 0.0f ? count - 1 : count;

    if (ear.count > count || ear.count < least)
        fprintf(stderr, "%zu samples, not %zu (%s)\n", ear.count, count, ear.sentence);
    assert(ear.count <= count && ear.count >= least);
    for (size_t i = 100; i + 100 < ear.count; i++)
        assert(fabsf(ear.samples[i] - tone(i, RATE)) <= slack);
}

static void test_files(void) {
    make_file("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 20000);
    run(&(SourceOptions){.input = path_of("a.wav")});
    expect_end(0, "a.wav has ended after 1.25 s");
    expect_tone(20000, 0.0f);
    make_file("a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 48000, 2, 60000);
    run(&(SourceOptions){.input = path_of("a.flac")});
    expect_end(0, "has ended after 1.25 s");
    expect_tone(20000, 0.002f);
}

static void test_bad_files(void) {
    FILE *file;

    run(&(SourceOptions){.input = path_of("absent.wav")});
    expect_end(-ENOENT, "absent.wav cannot be opened: No such file");
    run(&(SourceOptions){.input = folder});
    expect_end(-EISDIR, "is a directory");
    file = fopen(path_of("bad.wav"), "w");
    assert(file && fputs("no audio at all", file) >= 0 && fclose(file) == 0);
    run(&(SourceOptions){.input = path_of("bad.wav")});
    expect_end(-EBADMSG, "is neither WAV nor FLAC");
    file = fopen(path_of("bad.wav"), "w");
    assert(file && fputs("RIFF____WAVEfmt nonsense", file) >= 0 && fclose(file) == 0);
    run(&(SourceOptions){.input = path_of("bad.wav")});
    expect_end(-EBADMSG, "no audio can be read");
    assert(truncate(path_of("bad.wav"), 0) == 0);
    run(&(SourceOptions){.input = path_of("bad.wav")});
    expect_end(-EBADMSG, "is neither WAV nor FLAC");
    run(&(SourceOptions){.input = path_of("bad.wav"), .input_raw = true});
    expect_end(0, "has ended after 0.00 s");
}

static double seconds(void) {
    struct timespec time;

    assert(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void test_real_time(void) {
    const double from = seconds();

    make_file("b.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 1, 44100);
    run(&(SourceOptions){.input = path_of("b.wav"), .real_time = true});
    assert(seconds() - from >= 0.99);
    expect_tone(16000, 0.002f);
}

/* --------------------------------------------------------------------------------------------------------------- pipes */

/* What a writer puts into a pipe: a file, cut into pieces. */
typedef struct Writer {
    pthread_t thread;
    char path[256];
    uint8_t bytes[200000];
    size_t size, piece;
    bool hold; /* the end open until `go` */
    int go[2];
} Writer;

static void *write_pipe(void *user) {
    Writer *const w = user;
    const int fd = open(w->path, O_WRONLY);
    char byte;

    assert(fd >= 0);
    for (size_t i = 0; i < w->size; i += w->piece) {
        const size_t n = w->size - i < w->piece ? w->size - i : w->piece;

        if (write(fd, w->bytes + i, n) != (ssize_t)n)
            break; /* the reader has gone */
        if (w->piece < 100)
            sched_yield();
    }
    if (w->hold)
        assert(read(w->go[0], &byte, 1) == 1);
    assert(close(fd) == 0);
    return NULL;
}

static Writer writer;

static void load(const char *name, size_t piece) {
    FILE *const file = fopen(path_of(name), "r");

    assert(file);
    writer.size = fread(writer.bytes, 1, sizeof writer.bytes, file);
    writer.piece = piece;
    writer.hold = false;
    assert(fclose(file) == 0);
    (void)snprintf(writer.path, sizeof writer.path, "%s", path_of("pipe"));
}

/* Reads from a pipe what load() has prepared. */
static Source *start_pipe(bool raw) {
    Source *const source = start(&(SourceOptions){.input = writer.path, .input_raw = raw});

    assert(pthread_create(&writer.thread, NULL, write_pipe, &writer) == 0);
    return source;
}

static void run_pipe(bool raw) {
    Source *const source = start_pipe(raw);

    wait_for_end();
    assert(source_free(source) == NULL);
    assert(pthread_join(writer.thread, NULL) == 0);
}

static void put(uint8_t *at, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void test_pipes(void) {
    assert(mkfifo(path_of("pipe"), 0600) == 0);
    load("a.wav", 4096);
    run_pipe(false);
    expect_end(0, "has ended after 1.25 s");
    expect_tone(20000, 0.0f);
    load("a.wav", 7); /* frames in two pieces */
    run_pipe(false);
    expect_tone(20000, 0.0f);
    load("a.wav", 4096); /* of a program that could not know the length */
    put(writer.bytes + 40, UINT32_MAX, 4);
    run_pipe(false);
    expect_tone(20000, 0.0f);
    load("a.wav", 4096); /* something after the samples */
    put(writer.bytes + 40, 2 * 10000, 4);
    run_pipe(false);
    expect_tone(10000, 0.0f);
    load("a.wav", 999);
    memmove(writer.bytes, writer.bytes + 44, writer.size - 44);
    writer.size -= 43; /* and half a sample */
    run_pipe(true);
    expect_end(0, "has ended after 1.25 s");
    expect_tone(20000, 0.0f);
}

static void test_bad_pipes(void) {
    load("a.wav", 4096);
    writer.size = 30;
    run_pipe(false);
    expect_end(-EBADMSG, "ends before its first sample");
    load("a.wav", 4096);
    writer.bytes[0] = 'r';
    run_pipe(false);
    expect_end(-EBADMSG, "does not begin as WAV does; samples without a header need --raw");
    load("a.wav", 4096);
    put(writer.bytes + 20, 6, 2);
    run_pipe(false);
    expect_end(-EBADMSG, "encoding unknown here");
    load("a.wav", 4096);
    put(writer.bytes + 32, 3, 2);
    run_pipe(false);
    expect_end(-EBADMSG, "is damaged: its frames should take 2 bytes, not 3");
    load("a.wav", 4096);
    put(writer.bytes + 16, 1u << 30, 4);
    run_pipe(false);
    expect_end(-EBADMSG, "is damaged");
}

/* A pipe that has nothing for a while is no error, and does not keep the source from being stopped. */
static void test_stalled_pipe(void) {
    const struct timespec while_ = {.tv_nsec = 200000000};
    Source *source;

    load("a.wav", 4096);
    put(writer.bytes + 40, UINT32_MAX, 4);
    writer.hold = true;
    assert(pipe(writer.go) == 0);
    source = start_pipe(false);
    wait_for_samples(20000);
    assert(nanosleep(&while_, NULL) == 0);
    lock();
    assert(!ear.ended);
    unlock();
    source_stop(source);
    assert(!ear.ended);
    assert(source_free(source) == NULL);
    assert(write(writer.go[1], "", 1) == 1);
    assert(pthread_join(writer.thread, NULL) == 0);
    assert(close(writer.go[0]) == 0 && close(writer.go[1]) == 0);
    /* A pipe that nobody ever writes to. */
    source = start(&(SourceOptions){.input = writer.path});
    assert(nanosleep(&while_, NULL) == 0);
    assert(source_free(source) == NULL);
    assert(!ear.ended);
}

/* ---------------------------------------------------------------------------------------------------------- microphone */

static void test_microphone(void) {
    FakeCard card;
    Source *source;

    fake_card_init(&card, NULL);
    card.real_time = true;
    source = start(&(SourceOptions){.driver = &card.driver});
    wait_for_samples(RATE / 10);
    source_reopen(source);
    lock();
    while (ear.count < RATE)
        assert(pthread_cond_wait(&ear.changed, &ear.lock) == 0);
    unlock();
    assert(source_free(source) == NULL);
    assert(card.opened >= 2 && card.closed == card.opened);
    card.present = false;
    source = start(&(SourceOptions){.driver = &card.driver});
    source_reopen(source);
    assert(source_free(source) == NULL);
}

/* alsa-lib itself, with PCMs of its own in place of a card. */
static void test_alsa(void) {
    static short samples[4 * RATE];
    FILE *file = fopen(path_of("mic.raw"), "w");
    Source *source;

    for (size_t i = 0; i < 4 * RATE; i++)
        samples[i] = (short)(32768.0f * tone(i, RATE));
    assert(file && fwrite(samples, sizeof samples, 1, file) == 1 && fclose(file) == 0);
    file = fopen(path_of("asound.conf"), "w");
    assert(file && fprintf(file,
                           "pcm.mic {\n type file\n slave.pcm { type null }\n file /dev/null\n"
                           " infile %s/mic.raw\n format raw\n}\n",
                           folder) > 0);
    assert(fclose(file) == 0 && setenv("ALSA_CONFIG_PATH", path_of("asound.conf"), 1) == 0);
    source = start(&(SourceOptions){.device = "mic"});
    wait_for_samples(RATE);
    assert(source_free(source) == NULL);
    for (size_t i = 0; i < RATE; i++)
        assert(ear.samples[i] == tone(i, RATE));
    assert(snd_config_update_free_global() == 0);
}

/* ----------------------------------------------------------------------------------------------------------- recording */

typedef struct Recordings {
    uint32_t files;
    uint64_t bytes;
    sf_count_t frames;
} Recordings;

static Recordings look(const char *name) {
    Recordings found = {0};
    char path[600];
    DIR *const stream = opendir(path_of(name));
    const struct dirent *entry;

    assert(stream);
    while ((entry = readdir(stream))) {
        SF_INFO info = {0};
        struct stat status;
        SNDFILE *file;

        if (strncmp(entry->d_name, "heard-", 6) != 0)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", path_of(name), entry->d_name);
        assert(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
        file = sf_open(path, SFM_READ, &info);
        assert(file && info.samplerate == RATE && info.channels == 1);
        found.files++;
        found.bytes += (uint64_t)status.st_size;
        found.frames += info.frames;
        assert(sf_close(file) == 0);
    }
    assert(closedir(stream) == 0);
    return found;
}

static void test_recording(void) {
    SourceOptions o = {.record_bytes = SOURCE_MIN_RECORD_BYTES};
    Recordings found;

    o.input = strdup(path_of("a.wav"));
    o.record_dir = strdup(path_of("kept"));
    assert(o.input && o.record_dir && mkdir(o.record_dir, 0700) == 0);
    run(&o);
    found = look("kept");
    assert(found.files == 1 && found.frames == 20000);
    for (int i = 0; i < 39; i++)
        run(&o);
    found = look("kept");
    assert(found.bytes <= SOURCE_MIN_RECORD_BYTES && found.bytes > SOURCE_MIN_RECORD_BYTES / 2);
    assert(*ear.warning == '\0');
    free((char *)o.record_dir);
    free((char *)o.input);
}

static void test_failed_recording(void) {
    struct rlimit before, small = {.rlim_cur = 10000};
    FakeCard card;
    SourceOptions o = {.driver = &card.driver, .record_dir = strdup(path_of("kept"))};
    Source *source;

    assert(o.record_dir);
    fake_card_init(&card, NULL);
    card.real_time = true;
    assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && getrlimit(RLIMIT_FSIZE, &before) == 0);
    small.rlim_max = before.rlim_max;
    assert(setrlimit(RLIMIT_FSIZE, &small) == 0);
    source = start(&o);
    lock();
    while (*ear.warning == '\0')
        assert(pthread_cond_wait(&ear.changed, &ear.lock) == 0);
    unlock();
    wait_for_samples(2 * RATE); /* audio goes on, and nothing is said a second time */
    assert(source_free(source) == NULL);
    assert(setrlimit(RLIMIT_FSIZE, &before) == 0);
    assert(strstr(ear.warning, "recording in ") && strstr(ear.warning, "can be written to: File too large"));
    free((char *)o.record_dir);
    o.record_dir = "/nonexistent";
    fake_card_init(&card, NULL);
    card.real_time = true;
    source = start(&o);
    wait_for_samples(2 * RATE);
    assert(source_free(source) == NULL);
    assert(strstr(ear.warning, "can be written to: No such file"));
}

static void expect_refusal(const SourceOptions *options, const char *part) {
    whisper158_error error;
    Source *source;

    assert(source_new(&source, options, &listener, &error) == -EINVAL);
    assert(!source && strstr(error.text, part));
}

static void test_options(void) {
    expect_refusal(&(SourceOptions){.device = "x", .input = "y"}, "exclude each other");
    expect_refusal(&(SourceOptions){.input_raw = true}, "--input");
    expect_refusal(&(SourceOptions){.device = "1"}, "number");
    expect_refusal(&(SourceOptions){.record_dir = "/tmp", .record_bytes = 1}, "1 MiB");
    assert(source_free(NULL) == NULL);
}

static void remove_folder(void) {
    char command[300];

    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert(system(command) == 0);
}

int main(void) {
    assert(pthread_mutex_init(&ear.lock, NULL) == 0 && pthread_cond_init(&ear.changed, NULL) == 0);
    assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    assert(mkdtemp(folder));
    test_options();
    test_files();
    test_bad_files();
    test_real_time();
    test_pipes();
    test_bad_pipes();
    test_stalled_pipe();
    test_microphone();
    test_alsa();
    test_recording();
    test_failed_recording();
    remove_folder();
    return 0;
}
