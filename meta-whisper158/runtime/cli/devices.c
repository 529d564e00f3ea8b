/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158 devices: the sound cards as whisper158d sees them, and which one it would record from.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "alsa.h"
#include "command.h"
#include "file.h"
#include "json.h"
#include "report.h"

static const char help[] = "Usage: whisper158 devices [OPTION]...\n"
                           "List the sound cards that can record, what they offer, and which of them\n"
                           "whisper158d would take, and why.\n"
                           "\n"
                           "  -D, --device NAME  as if whisper158d were told to take this one: the id of a\n"
                           "                     card, or a PCM of alsa-lib's configuration\n"
                           "      --json         print one JSON object\n"
                           "  -h, --help         print this text\n"
                           "\n"
                           "Exit status:\n"
                           "  0   all went well, also where there is no sound card\n"
                           "  64  wrong usage\n"
                           "  71  not enough memory\n"
                           "  74  output error\n";

static const char short_options[] = ":D:h";

static const struct option long_options[] = {
    {"device", required_argument, NULL, 'D'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* What a PCM would deliver: opened for a moment, and not started. */
typedef struct Offer {
    int error; /* 0, or a negative errno: why it cannot be told */
    AlsaSetup setup;
} Offer;

typedef struct Devices {
    AlsaCard cards[ALSA_MAX_CARDS];
    Offer offers[ALSA_MAX_CARDS];
    size_t count;
    int error; /* of listing them */
    AlsaChoice choice;
    Offer other; /* of choice.pcm, where it is none of the cards */
} Devices;

static Offer ask(const char *pcm) {
    Offer offer = {0};
    AlsaPcm *opened;

    offer.error = alsa_driver.open(alsa_driver.user, &opened, pcm);
    if (offer.error < 0)
        return offer;
    offer.error = alsa_negotiate(&alsa_driver, opened, &offer.setup);
    alsa_driver.close(opened);
    return offer;
}

static void look(Devices *d, const char *device) {
    const int count = alsa_driver.list(alsa_driver.user, d->cards, ALSA_MAX_CARDS);

    d->count = count < 0 ? 0 : (size_t)count;
    d->error = count < 0 ? count : 0;
    for (size_t i = 0; i < d->count; i++) {
        char pcm[ALSA_NAME];

        alsa_name(pcm, &d->cards[i]);
        d->offers[i] = ask(pcm);
    }
    alsa_choose(&d->choice, d->cards, d->count, device);
    if (d->choice.card < 0 && *d->choice.pcm)
        d->other = ask(d->choice.pcm);
}

/* Of what is chosen, which must be something. */
static const Offer *chosen_offer(const Devices *d) {
    return d->choice.card < 0 ? &d->other : &d->offers[d->choice.card];
}

static const char *explain(int error) {
    switch (-error) {
    case EBUSY:
        return "another program records from it";
    case EACCES:
    case EPERM:
        return "it may not be opened; join the group audio";
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return "it is not there";
    case EINVAL:
    case ENOTSUP:
        return "it offers no kind of audio that is known here";
    default:
        return strerror(-error);
    }
}

/* ------------------------------------------------------------------------------------------------------------ for people */

static void print_offer(const Offer *offer) {
    if (offer->error < 0)
        (void)printf("%s\n", explain(offer->error));
    else
        (void)printf("%u Hz, %u channel%s, %s\n", offer->setup.rate, offer->setup.channels,
                     offer->setup.channels > 1 ? "s" : "", sample_name(offer->setup.format));
}

static void print_cards(const Devices *d) {
    if (d->count > 0)
        (void)printf("  %-16s %6s  %-3s  %-32s  %s\n", "Card", "Device", "USB", "Name", "Offers");
    for (size_t i = 0; i < d->count; i++) {
        const AlsaCard *const card = &d->cards[i];

        (void)printf("%c %-16s %6u  %-3s  %-32s  ", d->choice.card == (int)i ? '*' : ' ', card->id, card->device,
                     card->usb ? "yes" : "no", card->name);
        print_offer(&d->offers[i]);
    }
    if (d->count > 0)
        (void)putchar('\n');
}

static void print_text(const Devices *d) {
    print_cards(d);
    if (d->error < 0) {
        (void)printf("The sound cards cannot be listed: %s.\n", explain(d->error));
        return;
    }
    if (*d->choice.pcm == '\0')
        (void)printf("whisper158d would wait: %s.\n", d->choice.reason.text);
    else if (chosen_offer(d)->error < 0)
        (void)printf("whisper158d would wait for %s: %s.\n", d->choice.pcm, explain(chosen_offer(d)->error));
    else
        (void)printf("whisper158d would record from %s: %s.\n", d->choice.pcm, d->choice.reason.text);
    if (d->choice.card < 0 && *d->choice.pcm && d->other.error >= 0) {
        (void)printf("It offers ");
        print_offer(&d->other);
    }
}

/* ---------------------------------------------------------------------------------------------------------- for programs */

static struct json_object *text(const char *value) {
    return json_text(value, strlen(value));
}

/* Adds what is offered, or why it is not known. */
static void put_offer(struct json_object *to, const Offer *offer) {
    struct json_object *const setup = offer->error < 0 ? NULL : json_object_new_object();

    json_put(to, "offer", setup);
    json_put(to, "error", offer->error < 0 ? text(explain(offer->error)) : NULL);
    if (!setup)
        return;
    json_put(setup, "rate", json_object_new_int((int)offer->setup.rate));
    json_put(setup, "channels", json_object_new_int((int)offer->setup.channels));
    json_put(setup, "format", text(sample_name(offer->setup.format)));
    json_put(setup, "period", json_object_new_int((int)offer->setup.period));
    json_put(setup, "buffer", json_object_new_int((int)offer->setup.buffer));
}

static struct json_object *describe(const AlsaCard *card, const Offer *offer) {
    struct json_object *const object = json_object_new_object();
    char pcm[ALSA_NAME];

    alsa_name(pcm, card);
    json_put(object, "card", text(card->id));
    json_put(object, "device", json_object_new_int((int)card->device));
    json_put(object, "name", text(card->name));
    json_put(object, "part", text(card->part));
    json_put(object, "driver", text(card->driver));
    json_put(object, "usb", json_object_new_boolean(card->usb));
    json_put(object, "pcm", text(pcm));
    put_offer(object, offer);
    return object;
}

static struct json_object *describe_choice(const Devices *d) {
    struct json_object *const object = json_object_new_object();

    json_put(object, "pcm", *d->choice.pcm ? text(d->choice.pcm) : NULL);
    json_put(object, "reason", text(d->error < 0 ? explain(d->error) : d->choice.reason.text));
    if (*d->choice.pcm)
        put_offer(object, chosen_offer(d));
    return object;
}

static int print_json(const Devices *d) {
    struct json_object *const object = json_object_new_object();
    struct json_object *const cards = json_object_new_array();

    for (size_t i = 0; i < d->count && cards; i++)
        (void)json_object_array_add(cards, describe(&d->cards[i], &d->offers[i]));
    json_put(object, "cards", cards);
    json_put(object, "choice", describe_choice(d));
    return json_print(stdout, object);
}

static int show(const char *device, bool json) {
    whisper158_error error;
    Devices devices = {0};
    OutputFile out;
    int r = 0;

    look(&devices, device);
    (void)output_open(&out, NULL, &error);
    if (json)
        r = print_json(&devices);
    else
        print_text(&devices);
    if (r < 0) {
        report("no memory to describe the sound cards");
        return EX_OSERR;
    }
    r = output_flush(&out, &error);
    return r < 0 ? report_output(r, &error) : 0;
}

int command_devices(int argc, char **argv) {
    const char *device = NULL;
    whisper158_error error;
    bool json = false;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
        switch (option) {
        case 'D':
            device = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'h':
            return print_help(help);
        default:
            return report_option("devices", option, argv, short_options);
        }
    if (optind < argc)
        return report_usage("devices", "there is nothing that %s could mean", argv[optind]);
    if (device && alsa_check_name(device, &error) < 0)
        return report_usage("devices", "%s", error.text);
    return show(device, json);
}
