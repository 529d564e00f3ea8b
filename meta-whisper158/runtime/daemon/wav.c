/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "wav.h"

#include <errno.h>
#include <string.h>

#include "report.h"

enum {
    RIFF = 12,       /* bytes of the file's header */
    CHUNK = 8,       /* bytes of a chunk's header */
    FMT = 16,        /* bytes of the shortest "fmt " */
    EXTENSIBLE = 26, /* bytes of it that tell the format behind that tag */
    UNKNOWN = 0x7fff0000, /* sizes from here on are those of programs that could not know */
};

enum { STAGE_RIFF, STAGE_CHUNK, STAGE_FMT, STAGE_SKIP };

enum { TAG_PCM = 1, TAG_FLOAT = 3, TAG_EXTENSIBLE = 0xfffe };

static uint32_t get16(const uint8_t *b) {
    return b[0] | (uint32_t)b[1] << 8;
}

static uint32_t get32(const uint8_t *b) {
    return get16(b) | get16(b + 2) << 16;
}

static bool is(const uint8_t *b, const char *four) {
    return memcmp(b, four, 4) == 0;
}

/* What is to be read next: `left` bytes, of which the first fit into wav->bytes. */
static int expect(Wav *w, int stage, uint32_t left) {
    w->stage = stage;
    w->left = left;
    w->have = 0;
    return 0;
}

static int find_format(SampleFormat *format, uint32_t tag, uint32_t bits) {
    static const struct {
        uint32_t tag, bits;
        SampleFormat format;
    } known[] = {
        {TAG_PCM, 8, SAMPLE_U8},   {TAG_PCM, 16, SAMPLE_S16},     {TAG_PCM, 24, SAMPLE_S24_3},
        {TAG_PCM, 32, SAMPLE_S32}, {TAG_FLOAT, 32, SAMPLE_FLOAT},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].tag == tag && known[i].bits == bits) {
            *format = known[i].format;
            return 0;
        }
    return -EBADMSG;
}

static int take_format(Wav *w, whisper158_error *error) {
    uint32_t tag = get16(w->bytes);
    const uint32_t bits = get16(w->bytes + 14);

    w->channels = get16(w->bytes + 2);
    w->rate = get32(w->bytes + 4);
    if (tag == TAG_EXTENSIBLE && w->have >= EXTENSIBLE)
        tag = get16(w->bytes + 24);
    if (find_format(&w->format, tag, bits) < 0)
        return fail(error, -EBADMSG, "is WAV in an encoding unknown here (format %u, %u bits); send PCM of 8 to 32 bits, "
                    "or float", tag, bits);
    if (w->channels < 1 || w->channels > CONVERT_MAX_CHANNELS)
        return fail(error, -EBADMSG, "has %u channels; 1 to %d can be mixed", w->channels, CONVERT_MAX_CHANNELS);
    if (w->rate < CONVERT_MIN_RATE || w->rate > CONVERT_MAX_RATE)
        return fail(error, -EBADMSG, "has a sample rate of %u Hz; rates from %d to %d Hz can be converted", w->rate,
                    CONVERT_MIN_RATE, CONVERT_MAX_RATE);
    if (get16(w->bytes + 12) != w->channels * sample_size(w->format))
        return fail(error, -EBADMSG, "is damaged: its frames should take %zu bytes, not %u",
                    w->channels * sample_size(w->format), get16(w->bytes + 12));
    w->formatted = true;
    return expect(w, STAGE_CHUNK, CHUNK);
}

static int take_riff(Wav *w, whisper158_error *error) {
    if ((!is(w->bytes, "RIFF") && !is(w->bytes, "RF64")) || !is(w->bytes + 8, "WAVE"))
        return fail(error, -EBADMSG, "does not begin as WAV does; samples without a header need --raw");
    return expect(w, STAGE_CHUNK, CHUNK);
}

static int take_data(Wav *w, uint32_t size, whisper158_error *error) {
    if (!w->formatted)
        return fail(error, -EBADMSG, "is damaged: its samples come before the description of their format");
    w->frames = size == 0 || size >= UNKNOWN ? UINT64_MAX : size / (w->channels * sample_size(w->format));
    return 1;
}

static int take_chunk(Wav *w, whisper158_error *error) {
    const uint32_t size = get32(w->bytes + 4);

    if (is(w->bytes, "data"))
        return take_data(w, size, error);
    if (size > WAV_MAX_HEADER)
        return fail(error, -EBADMSG, "is damaged, or no WAV: a part of its header takes %u bytes", size);
    if (!is(w->bytes, "fmt "))
        return expect(w, size > 0 ? STAGE_SKIP : STAGE_CHUNK, size > 0 ? size + (size & 1) : CHUNK);
    if (size < FMT)
        return fail(error, -EBADMSG, "is damaged: the description of its format takes %u bytes", size);
    return expect(w, STAGE_FMT, size + (size & 1));
}

int wav_push(Wav *w, uint8_t byte, whisper158_error *error) {
    if (w->seen == 0)
        (void)expect(w, STAGE_RIFF, RIFF);
    if (++w->seen > WAV_MAX_HEADER)
        return fail(error, -EBADMSG, "has a header of more than %u bytes", WAV_MAX_HEADER);
    if (w->have < sizeof w->bytes)
        w->bytes[w->have++] = byte;
    if (--w->left > 0)
        return 0;
    switch (w->stage) {
    case STAGE_RIFF:
        return take_riff(w, error);
    case STAGE_CHUNK:
        return take_chunk(w, error);
    case STAGE_FMT:
        return take_format(w, error);
    default:
        return expect(w, STAGE_CHUNK, CHUNK);
    }
}
