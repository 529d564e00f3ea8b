/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sound cards behind a few functions: those of alsa-lib, or in tests a card that is made to misbehave.
 *
 * Functions that can fail return a negative errno, those of alsa-lib: -ENODEV the card was pulled out, -EPIPE audio was
 * lost since nobody fetched it, -ESTRPIPE the machine was suspended, -EAGAIN there is nothing yet, -EBUSY another
 * program records.
 */
#ifndef COMMON_ALSA_H
#define COMMON_ALSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "convert.h"

#define ALSA_MAX_CARDS 64
#define ALSA_NAME 96 /* bytes of the name of a PCM */

/* What is wished for; cards may keep less. Recorded sound waits there while the machine is busy with other things. */
#define ALSA_BUFFER_SECONDS 2

/* A device that can record; a card may have several. Names are any bytes but control characters. */
typedef struct AlsaCard {
    char id[32];        /* of the card, unique; what it is called in names of PCMs */
    char name[80];      /* of the card, for people */
    char part[80];      /* of the device */
    char driver[32];
    uint32_t device;    /* which of the card's */
    bool usb;
} AlsaCard;

/* How audio is delivered. */
typedef struct AlsaSetup {
    SampleFormat format;
    uint32_t rate;
    uint32_t channels;
    uint32_t period; /* frames between wake-ups */
    uint32_t buffer; /* frames that the card keeps: how long a busy machine may leave them there */
} AlsaSetup;

typedef struct AlsaPcm AlsaPcm;

#define ALSA_READY 1
#define ALSA_WOKEN 2

typedef struct AlsaDriver {
    /* All that can record, in the order of card numbers, at most `room`. Returns how many there are, or -EACCES: there are
     * cards, but not for us. */
    int (*list)(void *user, AlsaCard *cards, size_t room);
    /* Opens a PCM for recording; reads do not block. */
    int (*open)(void *user, AlsaPcm **out, const char *name);
    /* Narrow down what it may deliver: 0, or a negative errno and it is as it was. *value becomes what was settled on, the
     * nearest that is left. */
    int (*set_rate)(AlsaPcm *pcm, uint32_t *value, bool exactly);
    int (*set_channels)(AlsaPcm *pcm, uint32_t *value);
    int (*set_format)(AlsaPcm *pcm, SampleFormat format);
    /* Settles on all of it; setup->period and buffer are wishes, and become what is. */
    int (*configure)(AlsaPcm *pcm, AlsaSetup *setup);
    int (*prepare)(AlsaPcm *pcm);
    int (*start)(AlsaPcm *pcm);
    int (*resume)(AlsaPcm *pcm);
    ssize_t (*read)(AlsaPcm *pcm, void *data, size_t frames);
    /* Waits until there is something to read, an error included, or `wake_fd` can be read. Returns ALSA_ bits. */
    int (*wait)(AlsaPcm *pcm, int wake_fd, int milliseconds);
    void (*close)(AlsaPcm *pcm);
    /* The same without a PCM. */
    int (*pause)(void *user, int wake_fd, int milliseconds);
    /* Nanoseconds of a clock that is never set, and goes on while the machine is suspended. */
    uint64_t (*now)(void *user);
    void *user;
} AlsaDriver;

/* The machine's sound cards. */
extern const AlsaDriver alsa_driver;

/* Settles what an opened PCM delivers: what is nearest to 16 kHz, mono, 16 bits, without conversions by alsa-lib. */
int alsa_negotiate(const AlsaDriver *driver, AlsaPcm *pcm, AlsaSetup *setup);

/* ------------------------------------------------------------------------------------------------------------- choice */

typedef struct AlsaChoice {
    char pcm[ALSA_NAME]; /* to open; empty: nothing yet */
    int card;            /* which of the list, -1: none of them */
    whisper158_error reason; /* a sentence: why this one, or why none */
} AlsaChoice;

/*
 * What to record from: of `cards`, the first on USB; or what `device` names, the id of a card or a PCM of alsa-lib's
 * configuration. Numbers of cards change from boot to boot and are not names.
 */
void alsa_choose(AlsaChoice *choice, const AlsaCard *cards, size_t count, const char *device);

/* 0, or -EINVAL and a sentence: no card will ever be called that. */
int alsa_check_name(const char *device, whisper158_error *error);

/* The name of a card's PCM. */
void alsa_name(char name[ALSA_NAME], const AlsaCard *card);

/* "Blue Yeti (card Yeti)" */
void alsa_describe(char *text, size_t size, const AlsaCard *card);

#endif
