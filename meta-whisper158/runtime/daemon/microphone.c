/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A microphone that is recorded from for months. Whatever happens to the card, the answer is one of three: go on, start
 * it again, or close it and look for one once more, a second later.
 */
#include "microphone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define MILLISECOND ((uint64_t)1000000)
#define SECOND (1000 * MILLISECOND)

enum {
    BLOCK = 2048,      /* frames that are read at a time, at most */
    MAX_BREAKS = 10,   /* in a row, with no audio between them: then it is closed and opened again */
    MAX_RESUMES = 50,  /* tries, a tenth of a second apart */
    WAIT = 1000,       /* milliseconds; the longest that a card that hangs goes unnoticed beyond PATIENCE */
    DESCRIPTION = 128,
};

static const uint64_t patience = 5 * SECOND;     /* with a card that delivers nothing */
static const uint64_t settled = 10 * SECOND;     /* a card that worked so long is opened again at once */
static const uint64_t shortest_pause = SECOND;   /* between looking for cards */
static const uint64_t longest_pause = 16 * SECOND; /* where they break as soon as they are opened */

typedef struct Microphone {
    Feed *feed;
    const AlsaDriver *driver;
    const char *device;      /* NULL: to be chosen */
    char about[DESCRIPTION]; /* of what is open */
    AlsaCard cards[ALSA_MAX_CARDS];
    AlsaChoice choice;
    AlsaPcm *pcm;
    AlsaSetup setup;
    uint8_t *block;  /* [BLOCK] frames */
    uint64_t heard;  /* when the last audio arrived; 0: never */
    uint64_t alive;  /* when it was opened, or last delivered */
    uint64_t pace;   /* no audio is taken before */
    uint32_t breaks; /* without audio between them */
    bool broken;     /* what comes does not follow what came */
} Microphone;

static uint64_t now(const Microphone *m) {
    return m->driver->now(m->driver->user);
}

static bool wanted(const Microphone *m) {
    return !atomic_load(&m->feed->stop) && !atomic_load(&m->feed->reopen);
}

/* --------------------------------------------------------------------------------------------------------------- audio */

/* How much was lost is what the clock says, less what has come. */
static void tell_gap(Microphone *m, uint64_t at, size_t frames) {
    const double missing = (double)(at - m->heard) / (double)SECOND - (double)frames / m->setup.rate;

    m->broken = false;
    if (m->heard > 0)
        feed_gap(m->feed, missing > 0 ? (uint64_t)(missing * WHISPER158_SAMPLE_RATE) : 0);
}

/*
 * PCMs that are no cards, such as "null" and "file", deliver as fast as they are read. No card is twice as fast as the
 * clock, but it may have some seconds in store.
 */
static void keep_pace(Microphone *m, uint64_t at, size_t frames) {
    if (m->pace + ALSA_BUFFER_SECONDS * SECOND < at)
        m->pace = at - ALSA_BUFFER_SECONDS * SECOND;
    m->pace += SECOND * frames / m->setup.rate / 2;
    if (m->pace > at)
        feed_pause(m->feed, m->pace - at);
}

static int take(Microphone *m, size_t frames) {
    const uint64_t at = now(m);
    int r;

    if (m->broken)
        tell_gap(m, at, frames);
    m->heard = at;
    m->breaks = 0;
    r = feed_push(m->feed, m->block, frames);
    m->alive = now(m); /* the listener's time is not the card's fault */
    if (r >= 0)
        keep_pace(m, at, frames);
    return r;
}

static int start_again(Microphone *m) {
    int r;

    m->broken = true;
    m->alive = now(m);
    if (++m->breaks > MAX_BREAKS)
        return -ETIMEDOUT;
    r = m->driver->prepare(m->pcm);
    return r < 0 ? r : m->driver->start(m->pcm);
}

/* The machine was asleep. Cards that cannot go on where they were are started again. */
static int wake_up(Microphone *m) {
    int r = -EAGAIN;

    m->broken = true;
    for (int i = 0; i < MAX_RESUMES && r == -EAGAIN && wanted(m); i++) {
        r = m->driver->resume(m->pcm);
        if (r == -EAGAIN)
            feed_pause(m->feed, 100 * MILLISECOND);
    }
    m->alive = now(m);
    return r >= 0 ? 0 : start_again(m);
}

/* Reads once. Returns 0, also when there was nothing to read, or a negative errno if the card must be closed. */
static int listen_once(Microphone *m) {
    const ssize_t n = m->driver->read(m->pcm, m->block, BLOCK);

    switch (n) {
    case 0:
    case -EAGAIN:
    case -EINTR:
        /* It was said that there was something to read; not to be told so a million times a second. */
        feed_pause(m->feed, 5 * MILLISECOND);
        return 0;
    case -EPIPE:
    case -EBADFD:
        return start_again(m);
    case -ESTRPIPE:
        return wake_up(m);
    default:
        return n > 0 ? take(m, (size_t)n) : (int)n;
    }
}

/* Returns 0 when another thread wants something, or a negative errno if the card must be closed. */
static int listen_on(Microphone *m) {
    int r = m->driver->start(m->pcm);

    if (r == -EPIPE || r == -ESTRPIPE)
        r = start_again(m);
    while (r >= 0 && wanted(m)) {
        r = m->driver->wait(m->pcm, m->feed->wake_fd, WAIT);
        if (r < 0)
            break;
        if (r & ALSA_WOKEN)
            feed_woken(m->feed);
        r = r & ALSA_READY ? listen_once(m) : 0;
        if (r >= 0 && now(m) - m->alive > patience)
            r = -ETIMEDOUT;
    }
    return r;
}

/* ------------------------------------------------------------------------------------------------------------- opening */

static void tell_waiting(Microphone *m, int error) {
    const char *const about = m->about;

    switch (-error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        feed_state(m->feed, SOURCE_WAITING, "there is no sound card %s; waiting for it", about);
        break;
    case EBUSY:
        feed_state(m->feed, SOURCE_WAITING, "another program records from %s; waiting until it is free", about);
        break;
    case EACCES:
    case EPERM:
        feed_state(m->feed, SOURCE_WAITING, "%s may not be opened; the program's user must be in the group audio", about);
        break;
    case ENOTSUP:
    case EINVAL:
    case ERANGE:
        feed_state(m->feed, SOURCE_WAITING, "%s delivers no audio of a kind known here; take another", about);
        break;
    default:
        feed_state(m->feed, SOURCE_WAITING, "%s cannot be opened: %s; trying again", about, strerror(-error));
        break;
    }
}

static void tell_lost(Microphone *m, int error) {
    switch (-error) {
    case ENODEV:
    case ENXIO:
        feed_state(m->feed, SOURCE_LOST, "%s was unplugged; waiting for it", m->about);
        break;
    case ETIMEDOUT:
        feed_state(m->feed, SOURCE_LOST, "%s delivers nothing; opening it again", m->about);
        break;
    default:
        feed_state(m->feed, SOURCE_LOST, "%s has broken down: %s; opening it again", m->about, strerror(-error));
        break;
    }
}

/* Returns 0, with m->choice.pcm empty where there is nothing to open, or a negative errno. */
static int choose(Microphone *m) {
    const int count = m->driver->list(m->driver->user, m->cards, ALSA_MAX_CARDS);

    (void)snprintf(m->about, sizeof m->about, "%s", m->device ? m->device : "the microphone");
    if (count < 0)
        return count;
    alsa_choose(&m->choice, m->cards, (size_t)count, m->device);
    if (m->choice.card >= 0)
        alsa_describe(m->about, sizeof m->about, &m->cards[m->choice.card]);
    return 0;
}

static int prepare(Microphone *m) {
    whisper158_error error;
    char about[DESCRIPTION + 16];
    int r = m->driver->open(m->driver->user, &m->pcm, m->choice.pcm);

    if (r < 0)
        return r;
    r = alsa_negotiate(m->driver, m->pcm, &m->setup);
    if (r < 0)
        return r;
    m->block = calloc(BLOCK * m->setup.channels, sample_size(m->setup.format)); /* the PCM "null" fills in nothing */
    if (!m->block)
        return -ENOMEM;
    (void)snprintf(about, sizeof about, "listening to %s", m->about);
    r = feed_open(m->feed, m->setup.format, m->setup.rate, m->setup.channels, about, &error);
    m->alive = now(m);
    m->pace = m->alive;
    m->breaks = 0;
    m->broken = true;
    return r;
}

static void close_card(Microphone *m) {
    if (m->pcm)
        m->driver->close(m->pcm);
    m->pcm = NULL;
    free(m->block);
    m->block = NULL;
}

/* Finds a card and listens to it as long as it lasts. Returns true if it lasted. */
static bool session(Microphone *m) {
    const uint64_t from = now(m);
    int r = choose(m);

    if (r >= 0 && *m->choice.pcm == '\0') {
        feed_state(m->feed, SOURCE_WAITING, "%s", m->choice.reason.text);
        return true;
    }
    if (r >= 0)
        r = prepare(m);
    if (r < 0) {
        close_card(m);
        tell_waiting(m, r);
        return true;
    }
    r = listen_on(m);
    close_card(m);
    if (r < 0)
        tell_lost(m, r);
    return r >= 0 || now(m) - from >= settled;
}

void microphone_run(Feed *feed, const char *device) {
    Microphone m = {.feed = feed, .driver = feed->driver, .device = device};
    uint64_t pause = shortest_pause;

    while (!atomic_load(&feed->stop)) {
        bool lasted;

        atomic_store(&feed->reopen, false);
        lasted = session(&m);
        if (wanted(&m))
            feed_pause(feed, pause);
        pause = lasted ? shortest_pause : 2 * pause < longest_pause ? 2 * pause : longest_pause;
    }
}
