/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * daemon/microphone.c on a card to which everything happens that happens to cards. Whatever it was, samples and gaps
 * together must be as long as the time that has passed, nobody may be kept busy, and what was wrong must have been said.
 */
#undef NDEBUG
#include "microphone.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fake_card.h"

enum { MAX_SAID = 32 };

typedef struct Test {
    FakeCard card;
    Feed feed;
    double first;         /* when the first samples came, and how long they were */
    uint64_t samples, lost, gaps;
    double squares;
    uint32_t crossings;   /* of zero */
    float last;
    uint32_t said;
    SourceState states[MAX_SAID];
    double when[MAX_SAID];
    char sentences[MAX_SAID][256];
} Test;

static void take_samples(void *user, const float *samples, size_t count) {
    Test *const t = user;

    if (t->samples == 0)
        t->first = fake_card_seconds(&t->card) - (double)count / 16000;
    for (size_t i = 0; i < count; i++) {
        t->squares += (double)samples[i] * (double)samples[i];
        t->crossings += (t->last < 0.0f) != (samples[i] < 0.0f);
        t->last = samples[i];
    }
    t->samples += count;
}

static void take_gap(void *user, uint64_t lost) {
    Test *const t = user;

    assert(lost > 0);
    t->lost += lost;
    t->gaps++;
}

static void take_state(void *user, SourceState state, const char *sentence) {
    Test *const t = user;

    assert(t->said < MAX_SAID);
    assert(strlen(sentence) > 10 && !strchr(sentence, '\n'));
    t->states[t->said] = state;
    t->when[t->said] = fake_card_seconds(&t->card);
    (void)snprintf(t->sentences[t->said++], sizeof t->sentences[0], "%s", sentence);
}

static void act(void *user, Mishap mishap) {
    Test *const t = user;

    if (mishap == MISHAP_STOP)
        atomic_store(&t->feed.stop, true);
    else
        atomic_store(&t->feed.reopen, true);
}

static void set_up(Test *t, const Event *script) {
    *t = (Test){.feed = {.driver = &t->card.driver, .wake_fd = -1}};
    t->feed.listener = (SourceListener){.samples = take_samples, .gap = take_gap, .state = take_state, .user = t};
    fake_card_init(&t->card, script);
    t->card.act = act;
    t->card.user = t;
}

static void run(Test *t, const char *device) {
    microphone_run(&t->feed, device);
    feed_close(&t->feed);
    assert(!t->card.open && t->card.opened == t->card.closed);
    /* Fifty periods a second, and at each: wait, read, the clock a few times. */
    assert(t->card.calls < 300 * fake_card_seconds(&t->card) + 100);
}

static void complain(const Test *t) {
    for (uint32_t i = 0; i < t->said; i++)
        fprintf(stderr, "%8.2f %s: %s\n", t->when[i], source_state_name(t->states[i]), t->sentences[i]);
    fprintf(stderr, "%.3f s of samples, %.3f s lost in %u gaps, of %.3f s\n", (double)t->samples / 16000,
            (double)t->lost / 16000, (unsigned)t->gaps, fake_card_seconds(&t->card) - t->first);
}

/* All time is accounted for; the tone is what it should be. */
static void expect_audio(const Test *t, double lost, uint64_t gaps, double slack) {
    const double heard = (double)t->samples / 16000;
    const double passed = fake_card_seconds(&t->card) - t->first;
    const bool complete = fabs(heard + (double)t->lost / 16000 - passed) < slack;
    const bool tone = fabs(t->crossings / heard - 880) < 20 && fabs(sqrt(2 * t->squares / (double)t->samples) - 0.5) < 0.02;

    if (complete && tone && fabs((double)t->lost / 16000 - lost) < slack && t->gaps == gaps)
        return;
    complain(t);
    fprintf(stderr, "%.1f crossings a second, level %g\n", t->crossings / heard,
            sqrt(2 * t->squares / (double)t->samples));
    assert(!"audio is not accounted for");
}

/* The n-th thing that was said, at about that time. */
static void expect_said(const Test *t, uint32_t n, double when, SourceState state, const char *part) {
    if (n < t->said && t->states[n] == state && fabs(t->when[n] - when) < 1.1 && strstr(t->sentences[n], part))
        return;
    complain(t);
    fprintf(stderr, "instead of (%u) %g %s: %s\n", n, when, source_state_name(state), part);
    assert(!"something else was said");
}

static void expect_silence_after(const Test *t, uint32_t n) {
    if (t->said != n)
        complain(t);
    assert(t->said == n);
}

static void test_ordinary(void) {
    static const Event script[] = {{.at = 60, .mishap = MISHAP_STOP}};
    Test t;

    set_up(&t, script);
    run(&t, NULL);
    expect_said(&t, 0, 0, SOURCE_OPEN, "listening to Fake Microphone (card Fake): 16000 Hz, 2 channels, 16 bits");
    expect_silence_after(&t, 1);
    expect_audio(&t, 0, 0, 0.1);
    assert(strcmp(t.card.name, "hw:CARD=Fake,DEV=0") == 0);
    assert(t.card.opened == 1);
}

static void test_absent(void) {
    static const Event script[] = {
        {.at = 0, .mishap = MISHAP_UNPLUG},
        {.at = 3600, .mishap = MISHAP_PLUG},
        {.at = 3610, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    t.card.present = false;
    run(&t, NULL);
    expect_said(&t, 0, 0, SOURCE_WAITING, "no sound card");
    expect_said(&t, 1, 3600, SOURCE_OPEN, "Fake Microphone");
    expect_silence_after(&t, 2);
    expect_audio(&t, 0, 0, 0.1);
}

/* The board's own dummy is not listened to. */
static void test_other_card(void) {
    static const Event script[] = {
        {.at = 10, .mishap = MISHAP_PLUG},
        {.at = 20, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    t.card.present = false;
    t.card.other = (AlsaCard){.id = "board", .name = "soc-dmic"};
    run(&t, NULL);
    expect_said(&t, 0, 0, SOURCE_WAITING, "no USB microphone; plug one in, or choose another card by its id, such as "
                                          "--device board (soc-dmic)");
    expect_said(&t, 1, 10, SOURCE_OPEN, "Fake Microphone");
    expect_audio(&t, 0, 0, 0.1);
}

static void test_named(void) {
    static const Event script[] = {
        {.at = 0, .mishap = MISHAP_UNPLUG},
        {.at = 5, .mishap = MISHAP_BUSY, .value = 1},
        {.at = 5, .mishap = MISHAP_PLUG},
        {.at = 10, .mishap = MISHAP_DENY, .value = 1},
        {.at = 10, .mishap = MISHAP_BUSY, .value = 0},
        {.at = 15, .mishap = MISHAP_DENY, .value = 0},
        {.at = 30, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    t.card.present = false;
    t.card.card.usb = false;
    t.card.card.device = 3;
    run(&t, "Fake");
    expect_said(&t, 0, 0, SOURCE_WAITING, "there is no sound card Fake; waiting for it");
    expect_said(&t, 1, 5, SOURCE_WAITING, "another program records from Fake Microphone");
    expect_said(&t, 2, 10, SOURCE_WAITING, "the program's user must be in the group audio");
    expect_said(&t, 3, 15, SOURCE_OPEN, "Fake Microphone");
    assert(strcmp(t.card.name, "hw:CARD=Fake,DEV=3") == 0);
    expect_audio(&t, 0, 0, 0.1);
}

static void test_unplugged(void) {
    static const Event script[] = {
        {.at = 20, .mishap = MISHAP_UNPLUG},
        {.at = 80, .mishap = MISHAP_PLUG},
        {.at = 100, .mishap = MISHAP_UNPLUG},
        {.at = 100.1, .mishap = MISHAP_PLUG},
        {.at = 120, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    run(&t, NULL);
    expect_said(&t, 1, 20, SOURCE_LOST, "Fake Microphone (card Fake) was unplugged");
    expect_said(&t, 2, 21, SOURCE_WAITING, "plug in a USB microphone");
    expect_said(&t, 3, 80, SOURCE_OPEN, "Fake Microphone");
    expect_said(&t, 4, 100, SOURCE_LOST, "unplugged");
    expect_said(&t, 5, 101, SOURCE_OPEN, "Fake Microphone");
    expect_silence_after(&t, 6);
    expect_audio(&t, 61.5, 2, 1.1);
}

static void test_xruns(void) {
    static const Event script[] = {
        {.at = 10, .mishap = MISHAP_XRUN},
        {.at = 20, .mishap = MISHAP_DELAY, .value = 60000}, /* SIGSTOP for a minute */
        {.at = 90, .mishap = MISHAP_DELAY, .value = 700},   /* the buffer is as long as that */
        {.at = 100, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    run(&t, NULL);
    expect_silence_after(&t, 1);
    expect_audio(&t, 60.02, 2, 0.1);
}

static void test_suspended(void) {
    static const Event script[] = {
        {.at = 10, .mishap = MISHAP_SUSPEND, .value = 3600},
        {.at = 3650, .mishap = MISHAP_RESUME, .value = -ENOSYS},
        {.at = 3650, .mishap = MISHAP_SUSPEND, .value = 60},
        {.at = 3750, .mishap = MISHAP_RESUME, .value = -EAGAIN},
        {.at = 3750, .mishap = MISHAP_SUSPEND, .value = 60},
        {.at = 3811, .mishap = MISHAP_RESUME, .value = 0},
        {.at = 3850, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    run(&t, NULL);
    expect_silence_after(&t, 1);
    expect_audio(&t, 3600 + 60 + 61, 3, 0.3);
}

static void test_storms(void) {
    static const Event script[] = {
        {.at = 10, .mishap = MISHAP_STORM, .value = 1},
        {.at = 12, .mishap = MISHAP_STORM, .value = 0},
        {.at = 20, .mishap = MISHAP_STORM, .value = 1},
        {.at = 60, .mishap = MISHAP_STORM, .value = 0},
        {.at = 120, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    run(&t, NULL);
    expect_said(&t, 1, 31, SOURCE_LOST, "delivers nothing"); /* ten overruns later */
    assert(t.states[t.said - 1] == SOURCE_OPEN);
    assert(t.samples > 75 * 16000);
}

static void test_hung(void) {
    static const Event script[] = {
        {.at = 20, .mishap = MISHAP_HANG, .value = 1},
        {.at = 25.5, .mishap = MISHAP_HANG, .value = 0},
        {.at = 60, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    run(&t, NULL);
    expect_said(&t, 1, 25.5, SOURCE_LOST, "delivers nothing");
    expect_said(&t, 2, 26.5, SOURCE_OPEN, "Fake");
    expect_silence_after(&t, 3);
    expect_audio(&t, 6.5, 1, 1.1);
}

static void test_broken(void) {
    static const Event script[] = {
        {.at = 20, .mishap = MISHAP_BREAK, .value = -EIO},
        {.at = 40, .mishap = MISHAP_BROKEN, .value = -EPIPE}, /* again and again */
        {.at = 300, .mishap = MISHAP_BROKEN, .value = 0},
        {.at = 400, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    run(&t, NULL);
    expect_said(&t, 1, 20, SOURCE_LOST, "has broken down: Input/output error");
    expect_said(&t, 2, 21, SOURCE_OPEN, "Fake");
    expect_said(&t, 3, 40, SOURCE_LOST, "delivers nothing");
    assert(t.card.opened < 30); /* in 260 s: less and less often */
    expect_silence_after(&t, 5); /* said once */
    assert(t.states[t.said - 1] == SOURCE_OPEN);
    expect_audio(&t, 1 + 260, 2, 20);
}

static void test_reopened(void) {
    static const Event script[] = {
        {.at = 10, .mishap = MISHAP_REOPEN},
        {.at = 20, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    run(&t, NULL);
    assert(t.card.opened == 2);
    expect_silence_after(&t, 1);
    expect_audio(&t, 0.03, t.gaps, 0.1);
}

static void test_level(void) {
    static const Event script[] = {
        {.at = 20, .mishap = MISHAP_LEVEL, .value = 0},
        {.at = 40, .mishap = MISHAP_LEVEL, .value = 500},
        {.at = 60, .mishap = MISHAP_LEVEL, .value = 4000},
        {.at = 70, .mishap = MISHAP_LEVEL, .value = 500},
        {.at = 90, .mishap = MISHAP_STOP},
    };
    Test t;

    set_up(&t, script);
    run(&t, NULL);
    expect_said(&t, 1, 30, SOURCE_SILENT, "zeros");
    expect_said(&t, 2, 40, SOURCE_FINE, "fine");
    expect_said(&t, 3, 61.5, SOURCE_CLIPPED, "clipped");
    expect_said(&t, 4, 76, SOURCE_FINE, "fine");
    expect_silence_after(&t, 5);
    set_up(&t, script);
    t.card.level = 0; /* from the start */
    run(&t, NULL);
    expect_said(&t, 1, 2, SOURCE_SILENT, "zeros");
}

/* Cards with one way to deliver audio, each a strange one. */
static void test_kind(uint32_t rate, uint32_t channels, SampleFormat format, uint32_t buffer) {
    static const Event script[] = {{.at = 5, .mishap = MISHAP_STOP}};
    Test t;

    set_up(&t, script);
    t.card.min_rate = t.card.max_rate = rate;
    t.card.min_channels = t.card.max_channels = channels;
    t.card.formats = 1u << format;
    t.card.largest_buffer = buffer;
    run(&t, NULL);
    expect_said(&t, 0, 0, SOURCE_OPEN, sample_name(format));
    expect_silence_after(&t, 1);
    expect_audio(&t, 0, 0, 0.1);
}

static void test_preferences(void) {
    static const Event script[] = {{.at = 1, .mishap = MISHAP_STOP}};
    Test t;

    set_up(&t, script);
    t.card.min_rate = 8000;
    t.card.max_rate = 192000;
    t.card.min_channels = 1;
    t.card.max_channels = 8;
    t.card.formats = (1u << SAMPLE_FORMATS) - 1;
    run(&t, NULL);
    assert(t.card.setup.rate == 16000 && t.card.setup.channels == 1 && t.card.setup.format == SAMPLE_S16);
    set_up(&t, script);
    t.card.formats = 0;
    run(&t, NULL);
    expect_said(&t, 0, 0, SOURCE_WAITING, "delivers no audio of a kind known here");
    expect_silence_after(&t, 1);
}

static void test_names(void) {
    whisper158_error error;
    char name[200];

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert(alsa_check_name("", &error) == -EINVAL);
    assert(alsa_check_name("0", &error) == -EINVAL && strstr(error.text, "whisper158 devices"));
    assert(alsa_check_name("12", &error) == -EINVAL);
    assert(alsa_check_name(name, &error) == -EINVAL);
    assert(alsa_check_name("plughw:CARD=Yeti,DEV=0", &error) == 0);
    assert(alsa_check_name("default", &error) == 0);
}

int main(void) {
    test_ordinary();
    test_absent();
    test_other_card();
    test_named();
    test_unplugged();
    test_xruns();
    test_suspended();
    test_storms();
    test_hung();
    test_broken();
    test_reopened();
    test_level();
    test_kind(48000, 2, SAMPLE_S16, 48000);
    test_kind(44100, 1, SAMPLE_S24_3, 16000);
    test_kind(96000, 8, SAMPLE_S32, 96000);
    test_kind(22050, 6, SAMPLE_S24, 4096);
    test_kind(16000, 1, SAMPLE_FLOAT, 16000);
    test_kind(8000, 2, SAMPLE_U8, 2048);
    test_kind(192000, 2, SAMPLE_S16, 24000);
    test_preferences();
    test_names();
    return 0;
}
