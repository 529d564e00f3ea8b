/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Which of the sound cards to record from, and how: what of alsa.h needs no alsa-lib.
 */
#include "alsa.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

enum {
    PERIODS_PER_SECOND = 50,
    DESCRIPTION = 128,
};

void alsa_name(char name[ALSA_NAME], const AlsaCard *card) {
    (void)snprintf(name, ALSA_NAME, "hw:CARD=%s,DEV=%u", card->id, card->device);
}

void alsa_describe(char *text, size_t size, const AlsaCard *card) {
    (void)snprintf(text, size, "%s (card %s)", card->name, card->id);
}

int alsa_check_name(const char *device, whisper158_error *error) {
    if (*device == '\0')
        return fail(error, -EINVAL, "an empty name names no sound card");
    if (strlen(device) >= ALSA_NAME)
        return fail(error, -EINVAL, "the name of a sound card is no longer than %d bytes", ALSA_NAME - 1);
    if (device[strspn(device, "0123456789")] == '\0')
        return fail(error, -EINVAL,
                    "%s is the number of a sound card, and numbers change from boot to boot; name it by its id, which "
                    "whisper158 devices shows",
                    device);
    return 0;
}

static void choose_card(AlsaChoice *choice, const AlsaCard *cards, size_t i, const char *why) {
    char description[DESCRIPTION];

    alsa_describe(description, sizeof description, &cards[i]);
    alsa_name(choice->pcm, &cards[i]);
    choice->card = (int)i;
    (void)fail(&choice->reason, 0, "%s is %s", description, why);
}

static void choose_named(AlsaChoice *choice, const AlsaCard *cards, size_t count, const char *device) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(cards[i].id, device) == 0) {
            choose_card(choice, cards, i, "what --device names");
            return;
        }
    /* A name of alsa-lib's configuration, or a card that is not there yet: opening it will tell. */
    (void)snprintf(choice->pcm, sizeof choice->pcm, "%s", device);
    for (size_t i = 0; i < count; i++) {
        char name[ALSA_NAME];

        alsa_name(name, &cards[i]);
        if (strcmp(name, device) == 0)
            choice->card = (int)i;
    }
    (void)fail(&choice->reason, 0, "%s is what --device names", device);
}

void alsa_choose(AlsaChoice *choice, const AlsaCard *cards, size_t count, const char *device) {
    *choice = (AlsaChoice){.card = -1};
    if (device) {
        choose_named(choice, cards, count, device);
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (cards[i].usb) {
            choose_card(choice, cards, i, "the first USB card that can record");
            return;
        }
    if (count == 0) {
        (void)fail(&choice->reason, 0, "there is no sound card that can record; plug in a USB microphone");
        return;
    }
    (void)fail(&choice->reason, 0,
               "there is no USB microphone; plug one in, or choose another card by its id, such as --device %s (%s)",
               cards[0].id, cards[0].name);
}

static int settle_rate(const AlsaDriver *driver, AlsaPcm *pcm, uint32_t *rate) {
    static const uint32_t wanted[] = {16000, 48000, 32000, 44100, 96000};

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        *rate = wanted[i];
        if (driver->set_rate(pcm, rate, true) >= 0)
            return 0;
    }
    *rate = 48000;
    return driver->set_rate(pcm, rate, false);
}

int alsa_negotiate(const AlsaDriver *driver, AlsaPcm *pcm, AlsaSetup *setup) {
    int r;

    *setup = (AlsaSetup){.channels = 1};
    r = settle_rate(driver, pcm, &setup->rate);
    if (r >= 0)
        r = driver->set_channels(pcm, &setup->channels);
    if (r < 0)
        return r;
    for (setup->format = 0; setup->format < SAMPLE_FORMATS; setup->format++)
        if (driver->set_format(pcm, setup->format) >= 0)
            break;
    if (setup->format == SAMPLE_FORMATS || setup->channels > CONVERT_MAX_CHANNELS || setup->rate < CONVERT_MIN_RATE ||
        setup->rate > CONVERT_MAX_RATE)
        return -ENOTSUP;
    setup->period = setup->rate / PERIODS_PER_SECOND;
    setup->buffer = ALSA_BUFFER_SECONDS * setup->rate;
    return driver->configure(pcm, setup);
}
