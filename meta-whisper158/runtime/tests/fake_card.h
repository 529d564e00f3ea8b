/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A sound card that befalls whatever a test's script says, behind the functions of common/alsa.h. Its time is made up, so
 * that an hour takes a moment, and the same each time; or it is real, for tests of threads.
 */
#ifndef TESTS_FAKE_CARD_H
#define TESTS_FAKE_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alsa.h"

typedef enum Mishap {
    MISHAP_PLUG,      /* the card is there */
    MISHAP_UNPLUG,
    MISHAP_BUSY,      /* value: another program has it, or no more */
    MISHAP_DENY,      /* value: it may not be opened, or it may */
    MISHAP_XRUN,      /* audio was lost */
    MISHAP_SUSPEND,   /* for `value` seconds */
    MISHAP_RESUME,    /* value: what resume returns from here on (-ENOSYS: it cannot) */
    MISHAP_STORM,     /* value: "there is something to read", when there is not; or no more */
    MISHAP_HANG,      /* value: it delivers nothing; or it does */
    MISHAP_BREAK,     /* reads fail with `value` until it is opened again */
    MISHAP_BROKEN,    /* value: all reads fail with it, 0: no more */
    MISHAP_LEVEL,     /* of the tone in thousandths of full scale */
    MISHAP_DELAY,     /* the program is held up, for `value` milliseconds */
    MISHAP_REOPEN,    /* someone asks for it */
    MISHAP_STOP,
} Mishap;

typedef struct Event {
    double at; /* seconds */
    Mishap mishap;
    int value;
} Event;

typedef struct FakeCard {
    AlsaDriver driver;
    AlsaCard card;
    AlsaCard other;        /* listed before it, unless its id is empty */
    const Event *script;   /* sorted, with a MISHAP_STOP at its end */
    void (*act)(void *user, Mishap mishap); /* for reopen and stop; may be NULL */
    void *user;
    bool real_time;

    /* What it offers. */
    uint32_t min_rate, max_rate; /* any between them */
    uint32_t min_channels, max_channels;
    uint32_t formats;       /* bit i: SampleFormat i */
    uint32_t largest_buffer; /* frames */

    /* Its state. */
    uint64_t now; /* nanoseconds */
    bool present, busy, denied, open, running, xrun, suspended, storm, hung;
    int resume_result, break_error, broken_error;
    double level;           /* of full scale */
    AlsaSetup setup;
    uint64_t started;       /* when */
    uint64_t fetched;       /* frames since then */
    double phase;           /* of the tone */

    /* What was done with it. */
    uint32_t opened, closed, calls;
    char name[ALSA_NAME]; /* that was opened last */
} FakeCard;

/* A USB microphone, 16 kHz, two channels, 16 bits, plugged in, playing a tone of 440 Hz at half of full scale. */
void fake_card_init(FakeCard *card, const Event *script);

/* Of the time that it has. */
double fake_card_seconds(const FakeCard *card);

#endif
