/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "alsa.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <alsa/asoundlib.h>

#include "report.h"

enum { MAX_POLLED = 8 };

struct AlsaPcm {
    snd_pcm_t *handle;
    snd_pcm_hw_params_t *hw;
};

static const snd_pcm_format_t formats[SAMPLE_FORMATS] = {
    [SAMPLE_S16] = SND_PCM_FORMAT_S16_LE,     [SAMPLE_S32] = SND_PCM_FORMAT_S32_LE,
    [SAMPLE_S24_3] = SND_PCM_FORMAT_S24_3LE,  [SAMPLE_S24] = SND_PCM_FORMAT_S24_LE,
    [SAMPLE_FLOAT] = SND_PCM_FORMAT_FLOAT_LE, [SAMPLE_U8] = SND_PCM_FORMAT_U8,
};

/* alsa-lib writes what it dislikes to stderr. What matters of it comes as an errno too. */
static void keep_quiet(const char *file, int line, const char *function, int error, const char *format, va_list args) {
    (void)file, (void)line, (void)function, (void)error, (void)format, (void)args;
}

/* --------------------------------------------------------------------------------------------------------------- cards */

/* Drivers of USB cards have many names; the bus has one. */
static bool on_usb(int card, const char *driver) {
    char path[64], bus[256];
    ssize_t length;

    if (strcmp(driver, "USB-Audio") == 0)
        return true;
    (void)snprintf(path, sizeof path, "/sys/class/sound/card%d/device/subsystem", card);
    length = readlink(path, bus, sizeof bus - 1);
    if (length < 4)
        return false;
    bus[length] = '\0';
    return strcmp(bus + length - 4, "/usb") == 0;
}

/* Names come from the device, which may be anybody's, and go to terminals. */
static void copy_name(char *to, size_t size, const char *name) {
    (void)snprintf(to, size, "%s", name);
    report_clean(to);
}

static void describe_card(AlsaCard *to, int card, snd_ctl_card_info_t *info) {
    *to = (AlsaCard){0};
    copy_name(to->id, sizeof to->id, snd_ctl_card_info_get_id(info));
    copy_name(to->name, sizeof to->name, snd_ctl_card_info_get_name(info));
    copy_name(to->driver, sizeof to->driver, snd_ctl_card_info_get_driver(info));
    to->usb = on_usb(card, to->driver);
}

/* Appends those of the card's devices that can record. Returns how many there are then. */
static size_t list_devices(snd_ctl_t *control, const AlsaCard *card, AlsaCard *cards, size_t count, size_t room) {
    snd_pcm_info_t *info;
    int device = -1;

    snd_pcm_info_alloca(&info);
    while (count < room && snd_ctl_pcm_next_device(control, &device) >= 0 && device >= 0) {
        snd_pcm_info_set_device(info, (unsigned)device);
        snd_pcm_info_set_subdevice(info, 0);
        snd_pcm_info_set_stream(info, SND_PCM_STREAM_CAPTURE);
        if (snd_ctl_pcm_info(control, info) < 0)
            continue;
        cards[count] = *card;
        cards[count].device = (uint32_t)device;
        copy_name(cards[count].part, sizeof cards[count].part, snd_pcm_info_get_name(info));
        count++;
    }
    return count;
}

static size_t list_card(int number, AlsaCard *cards, size_t count, size_t room) {
    snd_ctl_card_info_t *info;
    snd_ctl_t *control;
    AlsaCard card;
    char name[16];

    snd_ctl_card_info_alloca(&info);
    (void)snprintf(name, sizeof name, "hw:%d", number);
    if (snd_ctl_open(&control, name, SND_CTL_NONBLOCK) < 0)
        return count;
    if (snd_ctl_card_info(control, info) >= 0) {
        describe_card(&card, number, info);
        count = list_devices(control, &card, cards, count, room);
    }
    (void)snd_ctl_close(control);
    return count;
}

/* alsa-lib skips cards that may not be opened, as if there were none. */
static bool denied(void) {
    DIR *const folder = opendir("/dev/snd");
    const struct dirent *entry;
    bool found = false;

    if (!folder)
        return false;
    while ((entry = readdir(folder)) && !found)
        found = strncmp(entry->d_name, "controlC", 8) == 0 && faccessat(dirfd(folder), entry->d_name, R_OK, 0) < 0 &&
                errno == EACCES;
    (void)closedir(folder);
    return found;
}

static int list_cards(void *user, AlsaCard *cards, size_t room) {
    const snd_local_error_handler_t before = snd_lib_error_set_local(keep_quiet);
    size_t count = 0;
    int number = -1;

    (void)user;
    while (snd_card_next(&number) >= 0 && number >= 0)
        count = list_card(number, cards, count, room);
    (void)snd_lib_error_set_local(before);
    return count == 0 && denied() ? -EACCES : (int)count;
}

/* ----------------------------------------------------------------------------------------------------------------- PCM */

static void close_pcm(AlsaPcm *pcm) {
    if (pcm->handle)
        (void)snd_pcm_close(pcm->handle);
    if (pcm->hw)
        snd_pcm_hw_params_free(pcm->hw);
    free(pcm);
}

static int prepare_choice(AlsaPcm *pcm, const char *name) {
    int r = snd_pcm_open(&pcm->handle, name, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK);

    if (r < 0)
        return r;
    r = snd_pcm_hw_params_malloc(&pcm->hw);
    if (r >= 0)
        r = snd_pcm_hw_params_any(pcm->handle, pcm->hw);
    if (r >= 0)
        r = snd_pcm_hw_params_set_rate_resample(pcm->handle, pcm->hw, 0);
    if (r >= 0)
        r = snd_pcm_hw_params_set_access(pcm->handle, pcm->hw, SND_PCM_ACCESS_RW_INTERLEAVED);
    return r;
}

static int open_pcm(void *user, AlsaPcm **out, const char *name) {
    const snd_local_error_handler_t before = snd_lib_error_set_local(keep_quiet);
    AlsaPcm *const pcm = calloc(1, sizeof *pcm);
    int r;

    (void)user;
    *out = NULL;
    r = pcm ? prepare_choice(pcm, name) : -ENOMEM;
    if (r >= 0)
        *out = pcm;
    else if (pcm)
        close_pcm(pcm);
    (void)snd_lib_error_set_local(before);
    return r < 0 ? r : 0;
}

static int set_rate(AlsaPcm *pcm, uint32_t *value, bool exactly) {
    unsigned rate = *value;
    int direction = 0, r;

    r = exactly ? snd_pcm_hw_params_set_rate(pcm->handle, pcm->hw, rate, 0)
                : snd_pcm_hw_params_set_rate_near(pcm->handle, pcm->hw, &rate, &direction);
    *value = rate;
    return r;
}

static int set_channels(AlsaPcm *pcm, uint32_t *value) {
    unsigned channels = *value;
    const int r = snd_pcm_hw_params_set_channels_near(pcm->handle, pcm->hw, &channels);

    *value = channels;
    return r;
}

static int set_format(AlsaPcm *pcm, SampleFormat format) {
    return snd_pcm_hw_params_set_format(pcm->handle, pcm->hw, formats[format]);
}

static int set_software(AlsaPcm *pcm, const AlsaSetup *setup) {
    snd_pcm_sw_params_t *software;
    int r;

    snd_pcm_sw_params_alloca(&software);
    r = snd_pcm_sw_params_current(pcm->handle, software);
    if (r >= 0)
        r = snd_pcm_sw_params_set_avail_min(pcm->handle, software, setup->period);
    return r < 0 ? r : snd_pcm_sw_params(pcm->handle, software);
}

static int configure(AlsaPcm *pcm, AlsaSetup *setup) {
    snd_pcm_uframes_t period = setup->period, buffer = setup->buffer;
    int direction = 0, r;

    /* Many cards know 32 periods at most: to lose nothing matters more than to be woken soon. */
    r = snd_pcm_hw_params_set_buffer_size_near(pcm->handle, pcm->hw, &buffer);
    if (r >= 0)
        r = snd_pcm_hw_params_set_period_size_near(pcm->handle, pcm->hw, &period, &direction);
    if (r >= 0)
        r = snd_pcm_hw_params(pcm->handle, pcm->hw);
    if (r < 0)
        return r;
    setup->period = (uint32_t)period;
    setup->buffer = (uint32_t)buffer;
    r = set_software(pcm, setup);
    return r < 0 ? r : snd_pcm_prepare(pcm->handle);
}

static int prepare(AlsaPcm *pcm) {
    return snd_pcm_prepare(pcm->handle);
}

static int start(AlsaPcm *pcm) {
    return snd_pcm_start(pcm->handle);
}

static int resume(AlsaPcm *pcm) {
    return snd_pcm_resume(pcm->handle);
}

static ssize_t read_pcm(AlsaPcm *pcm, void *data, size_t frames) {
    return snd_pcm_readi(pcm->handle, data, frames);
}

/* Negative for poll's errors, but those that leave nothing but to try again. */
static int poll_some(struct pollfd *polled, nfds_t count, int milliseconds) {
    const int r = poll(polled, count, milliseconds);

    return r < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : r < 0 ? -errno : r;
}

static int wait_pcm(AlsaPcm *pcm, int wake_fd, int milliseconds) {
    struct pollfd polled[MAX_POLLED + 1] = {{.fd = wake_fd, .events = POLLIN}};
    const int count = snd_pcm_poll_descriptors(pcm->handle, polled + 1, MAX_POLLED);
    unsigned short events = 0;
    int r;

    if (count <= 0)
        return count < 0 ? count : ALSA_READY; /* it cannot be waited for, but read */
    r = poll_some(polled, (nfds_t)count + 1, milliseconds);
    if (r < 0)
        return r;
    if (r > 0)
        (void)snd_pcm_poll_descriptors_revents(pcm->handle, polled + 1, (unsigned)count, &events);
    return (polled[0].revents ? ALSA_WOKEN : 0) | (events ? ALSA_READY : 0);
}

/* ------------------------------------------------------------------------------------------------------------- waiting */

static int pause_for(void *user, int wake_fd, int milliseconds) {
    struct pollfd polled = {.fd = wake_fd, .events = POLLIN};
    const int r = poll_some(&polled, 1, milliseconds);

    (void)user;
    return r > 0 ? ALSA_WOKEN : r;
}

static uint64_t now(void *user) {
    struct timespec time;

    (void)user;
    (void)clock_gettime(CLOCK_BOOTTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

const AlsaDriver alsa_driver = {
    .list = list_cards,
    .open = open_pcm,
    .set_rate = set_rate,
    .set_channels = set_channels,
    .set_format = set_format,
    .configure = configure,
    .prepare = prepare,
    .start = start,
    .resume = resume,
    .read = read_pcm,
    .wait = wait_pcm,
    .close = close_pcm,
    .pause = pause_for,
    .now = now,
};
