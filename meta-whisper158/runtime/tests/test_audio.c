/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * common/audio.c: what arrives of files whose samples are known. WAV files are put together here, byte by byte, so that
 * the reader is not judged by the library it reads with.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sndfile.h>

#include "audio.h"

enum {
    FORMAT_PCM = 1,
    FORMAT_FLOAT = 3,
    FORMAT_ALAW = 6,
    FORMAT_ULAW = 7,
    HEADER = 44,
    MAX_SECONDS = 60,
};

static const double pi = 3.14159265358979323846;
static const AudioLimits limits = {.max_seconds = MAX_SECONDS};

static void put(uint8_t *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

typedef struct Wav {
    uint8_t *bytes;
    size_t size;
} Wav;

/* A WAV file of `count` samples, all channels together; the samples are still zero. */
static Wav wav_new(int format, int bits, uint32_t rate, int channels, size_t count) {
    const size_t frame = (size_t)(channels * bits / 8);
    const size_t data = count * (size_t)bits / 8;
    Wav wav = {.bytes = calloc(1, HEADER + data), .size = HEADER + data};

    assert(wav.bytes);
    memcpy(wav.bytes, "RIFF", 4);
    put(wav.bytes + 4, HEADER - 8 + data, 4);
    memcpy(wav.bytes + 8, "WAVEfmt ", 8);
    put(wav.bytes + 16, 16, 4);
    put(wav.bytes + 20, (uint64_t)format, 2);
    put(wav.bytes + 22, (uint64_t)channels, 2);
    put(wav.bytes + 24, rate, 4);
    put(wav.bytes + 28, rate * frame, 4);
    put(wav.bytes + 32, frame, 2);
    put(wav.bytes + 34, (uint64_t)bits, 2);
    memcpy(wav.bytes + 36, "data", 4);
    put(wav.bytes + 40, data, 4);
    return wav;
}

static void wav_set(const Wav *wav, size_t i, int bits, uint64_t value) {
    put(wav->bytes + HEADER + i * (size_t)bits / 8, value, bits / 8);
}

static uint64_t bits_of_float(float value) {
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t bits_of_double(double value) {
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static Audio read_wav(const Wav *wav) {
    whisper158_error error;
    Audio audio;

    assert(audio_read_memory(&audio, wav->bytes, wav->size, &limits, &error) == 0);
    return audio;
}

static void test_integers(void) {
    static const int bits[] = {8, 16, 24, 32};

    for (size_t b = 0; b < sizeof bits / sizeof *bits; b++) {
        const double scale = ldexp(1.0, bits[b] - 1);
        const int64_t codes[] = {0, 1, -1, 5, 100, -100, (int64_t)scale - 1, -(int64_t)scale};
        const size_t count = sizeof codes / sizeof *codes;
        Wav wav = wav_new(FORMAT_PCM, bits[b], 16000, 1, count);
        Audio audio;

        for (size_t i = 0; i < count; i++)
            wav_set(&wav, i, bits[b], (uint64_t)(codes[i] + (bits[b] == 8 ? 128 : 0)));
        audio = read_wav(&wav);
        assert(audio.count == count && !audio.warning.text[0]);
        for (size_t i = 0; i < count; i++)
            assert(audio.samples[i] == (float)((double)codes[i] / scale));
        audio_free(&audio);
        free(wav.bytes);
    }
}

static void test_floats(void) {
    static const float values[] = {0.0f, 0.5f, -0.25f, 1.0f, -1.0f, 1e-10f, 3.5f};
    const size_t count = sizeof values / sizeof *values;

    for (int bits = 32; bits <= 64; bits += 32) {
        Wav wav = wav_new(FORMAT_FLOAT, bits, 16000, 1, count);
        Audio audio;

        for (size_t i = 0; i < count; i++)
            wav_set(&wav, i, bits, bits == 32 ? bits_of_float(values[i]) : bits_of_double(values[i]));
        audio = read_wav(&wav);
        assert(audio.count == count);
        assert(memcmp(audio.samples, values, sizeof values) == 0);
        audio_free(&audio);
        free(wav.bytes);
    }
}

/* ITU-T G.711: the largest and the smallest code of each law, as 16-bit values. */
static void test_companded(void) {
    static const struct {
        int format;
        uint8_t code;
        int value;
    } cases[] = {
        {FORMAT_ULAW, 0x80, 32124}, {FORMAT_ULAW, 0x00, -32124}, {FORMAT_ULAW, 0xff, 0},
        {FORMAT_ALAW, 0xaa, 32256}, {FORMAT_ALAW, 0x2a, -32256}, {FORMAT_ALAW, 0xd5, 8},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Wav wav = wav_new(cases[i].format, 8, 16000, 1, 1);
        Audio audio;

        wav_set(&wav, 0, 8, cases[i].code);
        audio = read_wav(&wav);
        assert(audio.count == 1 && audio.samples[0] == (float)cases[i].value / 32768.0f);
        audio_free(&audio);
        free(wav.bytes);
    }
}

/* Longer than a block of the reader, so that no frame may be lost between two. */
static void test_channels(void) {
    const size_t frames = 20011;

    for (int channels = 1; channels <= 8; channels++) {
        Wav wav = wav_new(FORMAT_PCM, 16, 16000, channels, frames * (size_t)channels);
        Audio audio;

        for (size_t i = 0; i < frames; i++)
            for (int c = 0; c < channels; c++)
                wav_set(&wav, i * (size_t)channels + (size_t)c, 16, (uint64_t)((i * 7 + (size_t)c * 1000) % 20000));
        audio = read_wav(&wav);
        assert(audio.count == frames);
        for (size_t i = 0; i < frames; i++) {
            double sum = 0.0;

            for (int c = 0; c < channels; c++)
                sum += (double)((i * 7 + (size_t)c * 1000) % 20000) / 32768.0;
            assert(audio.samples[i] == (float)(sum / channels));
        }
        audio_free(&audio);
        free(wav.bytes);
    }
}

/* Largest difference from amplitude x sin(2 pi frequency t), leaving 0.1 s at both ends to the filter's edges. */
static double deviation(const Audio *audio, double frequency, double amplitude) {
    double worst = 0.0;

    for (size_t i = 1600; i + 1600 < audio->count; i++)
        worst = fmax(worst, fabs(audio->samples[i] - amplitude * sin(2.0 * pi * frequency * (double)i / 16000.0)));
    return worst;
}

static Audio read_tone(uint32_t rate, double frequency) {
    Wav wav = wav_new(FORMAT_FLOAT, 32, rate, 1, 2 * rate);
    Audio audio;

    for (size_t i = 0; i < 2 * rate; i++)
        wav_set(&wav, i, 32, bits_of_float((float)(0.5 * sin(2.0 * pi * frequency * (double)i / rate))));
    audio = read_wav(&wav);
    free(wav.bytes);
    return audio;
}

/* What can be heard at 16 kHz stays as it was; what cannot does not come back as something else. */
static void test_rates(void) {
    static const uint32_t rates[] = {1000, 8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000, 1000000};

    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        Audio audio = read_tone(rates[i], 330.0);

        assert(llabs((long long)audio.count - 32000) <= 1);
        assert(deviation(&audio, 330.0, 0.5) < 1e-4);
        audio_free(&audio);
        if (rates[i] > 22050) {
            audio = read_tone(rates[i], 10000.0);
            assert(deviation(&audio, 0.0, 0.0) < 1e-4);
            audio_free(&audio);
        }
    }
}

static void test_flac(void) {
    char path[] = "/tmp/whisper158-test-XXXXXX";
    const int fd = mkstemp(path);
    SF_INFO info = {.samplerate = 16000, .channels = 2, .format = SF_FORMAT_FLAC | SF_FORMAT_PCM_24};
    SNDFILE *file;
    int samples[20000];
    whisper158_error error;
    Audio audio;

    assert(fd >= 0);
    for (int i = 0; i < 20000; i++)
        samples[i] = (i * 31337 % 8000000 - 4000000) * 256;
    file = sf_open_fd(fd, SFM_WRITE, &info, SF_TRUE);
    assert(file && sf_writef_int(file, samples, 10000) == 10000);
    assert(sf_close(file) == 0);

    assert(audio_read(&audio, path, MAX_SECONDS, &error) == 0);
    assert(unlink(path) == 0);
    assert(audio.count == 10000 && !audio.warning.text[0]);
    for (size_t i = 0; i < 10000; i++)
        assert(audio.samples[i] == (float)(((double)samples[2 * i] + (double)samples[2 * i + 1]) / 2.0 / 2147483648.0));
    audio_free(&audio);
}

static void assert_refused(const void *data, size_t size, int code, const char *sentence) {
    whisper158_error error = {{0}};
    Audio audio;

    assert(audio_read_memory(&audio, data, size, &limits, &error) == code);
    assert(strstr(error.text, sentence));
    assert(!audio.samples && audio.count == 0);
}

static void test_refused(void) {
    Wav wav = wav_new(FORMAT_FLOAT, 32, 8000, 2, 100);

    assert_refused("", 0, -EBADMSG, "is empty");
    assert_refused("hello, I am a text.\n", 20, -EBADMSG, "not audio");
    for (size_t size = 1; size < HEADER - 4; size++)
        assert_refused(wav.bytes, size, -EBADMSG, "not audio");
    assert_refused(wav.bytes, HEADER, -EBADMSG, "no audio");

    wav_set(&wav, 85, 32, bits_of_float(NAN));
    assert_refused(wav.bytes, wav.size, -EBADMSG, "frame 42 (0.005 s) holds the number nan");
    wav_set(&wav, 85, 32, bits_of_float(-INFINITY));
    assert_refused(wav.bytes, wav.size, -EBADMSG, "frame 42 (0.005 s) holds the number -inf");
    wav_set(&wav, 85, 32, bits_of_float(3e38f));
    assert_refused(wav.bytes, wav.size, -EBADMSG, "frame 42 (0.005 s) holds the number 3e+38");
    wav_set(&wav, 85, 32, 0);

    static const uint32_t rates[] = {0, 1, 999, 1000001, 2147483647, 4294967295};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        put(wav.bytes + 24, rates[i], 4);
        assert_refused(wav.bytes, wav.size, -EBADMSG, i == 0 || i == 5 ? "damaged" : "rates from 1000 to 1000000 Hz");
    }
    put(wav.bytes + 24, 8000, 4);
    static const uint32_t channels[] = {0, 1025, 65535};
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        put(wav.bytes + 22, channels[i], 2);
        assert_refused(wav.bytes, wav.size, -EBADMSG, "damaged");
    }
    free(wav.bytes);
}

static void test_limits(void) {
    Wav wav = wav_new(FORMAT_PCM, 16, 192000, 2, 1000);
    atomic_bool cancelled = true;
    AudioLimits narrow = {.max_seconds = MAX_SECONDS, .max_rate = 383999, .cancelled = &cancelled};
    whisper158_error error;
    Audio audio;

    assert(audio_read_memory(&audio, wav.bytes, wav.size, &narrow, &error) == -EBADMSG);
    assert(strstr(error.text, "has 2 channels at 192000 Hz"));
    narrow.max_rate = 384000;
    assert(audio_read_memory(&audio, wav.bytes, wav.size, &narrow, &error) == -ECANCELED);
    assert(!audio.samples && audio.count == 0);
    atomic_store(&cancelled, false);
    assert(audio_read_memory(&audio, wav.bytes, wav.size, &narrow, &error) == 0 && audio.count > 0);
    audio_free(&audio);
    free(wav.bytes);
}

static void test_too_long(void) {
    Wav wav = wav_new(FORMAT_PCM, 8, 8000, 1, 8000 * (MAX_SECONDS + 1));

    assert_refused(wav.bytes, wav.size, -EFBIG, "longer than");
    free(wav.bytes);
    wav = wav_new(FORMAT_PCM, 8, 16000, 1, 16000 * MAX_SECONDS);
    Audio audio = read_wav(&wav);
    assert(audio.count == 16000 * MAX_SECONDS);
    audio_free(&audio);
    free(wav.bytes);
}

/* What is there is used, and a person is told if the header promised more; a header that could not know tells a lie. */
static void test_lengths(void) {
    static const struct {
        uint32_t promise; /* bytes of data, of which 3200 are there */
        const char *warning;
    } cases[] = {
        {3200, ""},       {6400, "0.10 s of the 0.20 s"}, {0x6fffffff, "0.10 s of the 58720.26 s"}, {0x7ffff000, ""},
        {0xffffffff, ""},
    };
    Wav wav = wav_new(FORMAT_PCM, 16, 16000, 1, 1600);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(wav.bytes + 40, cases[i].promise, 4);
        Audio audio = read_wav(&wav);
        assert(audio.count == 1600);
        assert(strstr(audio.warning.text, cases[i].warning));
        assert(*cases[i].warning || !*audio.warning.text);
        audio_free(&audio);
    }
    free(wav.bytes);
}

static void test_one_sample(void) {
    static const uint32_t rates[] = {8000, 16000, 48000};

    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        Wav wav = wav_new(FORMAT_PCM, 16, rates[i], 1, 1);

        if (rates[i] > WHISPER158_SAMPLE_RATE) {
            assert_refused(wav.bytes, wav.size, -EBADMSG, "shorter than a sample");
        } else {
            Audio audio = read_wav(&wav);

            assert(audio.count >= 1 && audio.count <= 2);
            audio_free(&audio);
        }
        free(wav.bytes);
    }
}

int main(void) {
    test_integers();
    test_floats();
    test_companded();
    test_channels();
    test_rates();
    test_flac();
    test_refused();
    test_limits();
    test_too_long();
    test_lengths();
    test_one_sample();
    return 0;
}
