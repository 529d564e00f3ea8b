/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "fake_card.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000000.0

struct AlsaPcm {
    FakeCard *card;
};

static AlsaPcm pcms[4]; /* one is open at a time, and several cards are not needed */

static FakeCard *card_of(AlsaPcm *pcm) {
    assert(pcm->card && pcm->card->open);
    pcm->card->calls++;
    return pcm->card;
}

double fake_card_seconds(const FakeCard *card) {
    return (double)card->now / SECOND;
}

/* ------------------------------------------------------------------------------------------------------------ mishaps */

static void forget_stream(FakeCard *c) {
    c->started = c->now;
    c->fetched = 0;
}

static void befall(FakeCard *c, const Event *event) {
    switch (event->mishap) {
    case MISHAP_PLUG:
        c->present = true;
        break;
    case MISHAP_UNPLUG:
        c->present = false;
        break;
    case MISHAP_BUSY:
        c->busy = event->value != 0;
        break;
    case MISHAP_DENY:
        c->denied = event->value != 0;
        break;
    case MISHAP_XRUN:
        c->xrun = c->open;
        break;
    case MISHAP_SUSPEND:
        c->now += (uint64_t)(event->value * SECOND);
        c->suspended = c->open;
        break;
    case MISHAP_RESUME:
        c->resume_result = event->value;
        break;
    case MISHAP_STORM:
        c->storm = event->value != 0;
        forget_stream(c);
        break;
    case MISHAP_HANG:
        c->hung = event->value != 0;
        forget_stream(c);
        break;
    case MISHAP_BREAK:
        c->break_error = event->value;
        break;
    case MISHAP_BROKEN:
        c->broken_error = event->value;
        break;
    case MISHAP_LEVEL:
        c->level = event->value / 1000.0;
        break;
    case MISHAP_DELAY:
        c->now += (uint64_t)event->value * 1000000;
        break;
    case MISHAP_REOPEN:
    case MISHAP_STOP:
        c->act(c->user, event->mishap);
        break;
    }
}

static void read_clock(FakeCard *c) {
    struct timespec time;

    assert(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    c->now = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Lets so much time pass, and what is to happen in it happen. */
static void pass(FakeCard *c, uint64_t nanoseconds) {
    const uint64_t until = c->now + nanoseconds;

    while (c->script && (uint64_t)(c->script->at * SECOND) <= until) {
        const Event *const event = c->script;

        if ((uint64_t)(event->at * SECOND) > c->now)
            c->now = (uint64_t)(event->at * SECOND);
        c->script = event->mishap == MISHAP_STOP ? NULL : event + 1;
        befall(c, event);
    }
    if (until > c->now)
        c->now = until;
}

static int wait_for(FakeCard *c, int wake_fd, int milliseconds, uint64_t nanoseconds) {
    struct pollfd polled = {.fd = wake_fd, .events = POLLIN};
    int r = 0;

    assert(milliseconds >= 0);
    c->calls++;
    if (!c->real_time) {
        pass(c, nanoseconds);
        return wake_fd >= 0 && poll(&polled, 1, 0) > 0 ? ALSA_WOKEN : 0;
    }
    r = poll(&polled, 1, (int)((nanoseconds + 999999) / 1000000));
    read_clock(c);
    return r > 0 ? ALSA_WOKEN : 0;
}

static int pause_for(void *user, int wake_fd, int milliseconds) {
    return wait_for(user, wake_fd, milliseconds, (uint64_t)milliseconds * 1000000);
}

static uint64_t now(void *user) {
    FakeCard *const c = user;

    if (c->real_time)
        read_clock(c);
    return c->now;
}

/* --------------------------------------------------------------------------------------------------------------- setup */

static int list(void *user, AlsaCard *cards, size_t room) {
    FakeCard *const c = user;
    int count = 0;

    assert(room >= 2);
    c->calls++;
    if (*c->other.id)
        cards[count++] = c->other;
    if (c->present)
        cards[count++] = c->card;
    return count;
}

static int open_card(void *user, AlsaPcm **out, const char *name) {
    FakeCard *const c = user;
    char own[ALSA_NAME];

    assert(!c->open);
    *out = NULL;
    c->calls++;
    alsa_name(own, &c->card);
    if (strcmp(name, own) != 0 || !c->present)
        return -ENOENT;
    if (c->busy || c->denied)
        return c->busy ? -EBUSY : -EACCES;
    for (size_t i = 0; i < sizeof pcms / sizeof *pcms && !*out; i++)
        if (!pcms[i].card)
            *out = &pcms[i];
    assert(*out);
    (*out)->card = c;
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    c->open = true;
    c->running = c->xrun = c->suspended = false;
    c->break_error = 0;
    c->opened++;
    return 0;
}

static void close_card(AlsaPcm *pcm) {
    FakeCard *const c = card_of(pcm);

    c->open = c->running = false;
    c->closed++;
    pcm->card = NULL;
}

static int narrow(uint32_t *value, uint32_t least, uint32_t most, bool exactly) {
    const uint32_t wanted = *value;

    *value = wanted < least ? least : wanted > most ? most : wanted;
    return exactly && *value != wanted ? -EINVAL : 0;
}

static int set_rate(AlsaPcm *pcm, uint32_t *value, bool exactly) {
    FakeCard *const c = card_of(pcm);
    const int r = narrow(value, c->min_rate, c->max_rate, exactly);

    c->setup.rate = *value;
    return r;
}

static int set_channels(AlsaPcm *pcm, uint32_t *value) {
    FakeCard *const c = card_of(pcm);
    const int r = narrow(value, c->min_channels, c->max_channels, false);

    c->setup.channels = *value;
    return r;
}

static int set_format(AlsaPcm *pcm, SampleFormat format) {
    FakeCard *const c = card_of(pcm);

    if (!(c->formats & 1u << format))
        return -EINVAL;
    c->setup.format = format;
    return 0;
}

static int configure(AlsaPcm *pcm, AlsaSetup *setup) {
    FakeCard *const c = card_of(pcm);

    assert(setup->rate == c->setup.rate && setup->channels == c->setup.channels && setup->format == c->setup.format);
    c->setup.period = setup->period;
    c->setup.buffer = setup->buffer < c->largest_buffer ? setup->buffer : c->largest_buffer;
    *setup = c->setup;
    return c->present ? 0 : -ENODEV;
}

static int prepare(AlsaPcm *pcm) {
    FakeCard *const c = card_of(pcm);

    c->xrun = c->suspended = c->running = false;
    return c->present ? 0 : -ENODEV;
}

static int start(AlsaPcm *pcm) {
    FakeCard *const c = card_of(pcm);

    if (!c->present)
        return -ENODEV;
    assert(!c->running);
    c->running = true;
    forget_stream(c);
    return 0;
}

static int resume(AlsaPcm *pcm) {
    FakeCard *const c = card_of(pcm);

    if (c->resume_result == 0) {
        c->suspended = false;
        forget_stream(c);
    }
    return c->present ? c->resume_result : -ENODEV;
}

/* ------------------------------------------------------------------------------------------------------------- reading */

static void put(uint8_t *to, SampleFormat format, double x) {
    const int32_t integer = x >= 1.0 ? INT32_MAX : x <= -1.0 ? INT32_MIN : (int32_t)(x * 2147483648.0);
    const float f = (float)x;
    const uint32_t bits = (uint32_t)integer;
    uint8_t all[4] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)};

    switch (format) {
    case SAMPLE_U8:
        *to = (uint8_t)(all[3] ^ 0x80);
        break;
    case SAMPLE_S16:
        memcpy(to, all + 2, 2);
        break;
    case SAMPLE_S24_3:
        memcpy(to, all + 1, 3);
        break;
    case SAMPLE_S24:
        memcpy(to, all + 1, 3);
        to[3] = 0x55;
        break;
    case SAMPLE_S32:
        memcpy(to, all, 4);
        break;
    case SAMPLE_FLOAT:
        memcpy(to, &f, 4);
        break;
    }
}

static void play(FakeCard *c, uint8_t *data, size_t frames) {
    const size_t size = sample_size(c->setup.format);

    for (size_t i = 0; i < frames; i++) {
        const double x = c->level * sin(c->phase);

        c->phase = fmod(c->phase + 2 * 3.14159265358979323846 * 440 / c->setup.rate, 2 * 3.14159265358979323846);
        for (uint32_t channel = 0; channel < c->setup.channels; channel++) {
            put(data, c->setup.format, x);
            data += size;
        }
    }
}

static uint64_t available(const FakeCard *c) {
    const uint64_t produced = (uint64_t)((double)(c->now - c->started) / SECOND * c->setup.rate);

    return c->running && !c->hung && produced > c->fetched ? produced - c->fetched : 0;
}

/* What a read would fail with now. */
static int trouble(FakeCard *c) {
    if (!c->present)
        return -ENODEV;
    if (c->broken_error || c->break_error)
        return c->broken_error ? c->broken_error : c->break_error;
    if (c->suspended)
        return -ESTRPIPE;
    if (available(c) > c->setup.buffer)
        c->xrun = true;
    return c->xrun ? -EPIPE : 0;
}

static ssize_t read_card(AlsaPcm *pcm, void *data, size_t frames) {
    FakeCard *const c = card_of(pcm);
    const int error = trouble(c);
    size_t n;

    if (error < 0)
        return error;
    n = available(c) < frames ? (size_t)available(c) : frames;
    if (n == 0 || c->storm)
        return -EAGAIN;
    play(c, data, n);
    c->fetched += n;
    return (ssize_t)n;
}

static int wait_card(AlsaPcm *pcm, int wake_fd, int milliseconds) {
    FakeCard *const c = card_of(pcm);
    const uint64_t most = (uint64_t)milliseconds * 1000000;
    uint64_t until = most;
    int r;

    if (trouble(c) < 0 || c->storm)
        return ALSA_READY;
    if (c->running && !c->hung) {
        const uint64_t missing = available(c) < c->setup.period ? c->setup.period - available(c) : 0;

        until = (uint64_t)((double)missing / c->setup.rate * SECOND) + 1000;
    }
    r = wait_for(c, wake_fd, milliseconds, until < most ? until : most);
    return r | (trouble(c) < 0 || c->storm || available(c) >= c->setup.period ? ALSA_READY : 0);
}

void fake_card_init(FakeCard *card, const Event *script) {
    *card = (FakeCard){
        .driver = {list, open_card, set_rate, set_channels, set_format, configure, prepare, start, resume, read_card,
                   wait_card, close_card, pause_for, now, card},
        .card = {.id = "Fake", .name = "Fake Microphone", .part = "USB Audio", .driver = "USB-Audio", .usb = true},
        .script = script,
        .min_rate = 16000,
        .max_rate = 16000,
        .min_channels = 2,
        .max_channels = 2,
        .formats = 1u << SAMPLE_S16,
        .largest_buffer = 16000,
        .present = true,
        .level = 0.5,
        .now = 1,
    };
}
