/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The blob is the one file that holds a model (docs/blob-format.md). It is mapped and used in place, so whatever the
 * kernels take for granted about their weights has to be made sure of here, once: after blob_open every section lies
 * within the file, has the size that its shape and packing ask for, and holds no value that its type forbids. Nothing
 * in the file is trusted before that, and the only allocation has a size that was compared with the file's.
 *
 * Checks come in the order in which they make the next one safe: the file, the header, the table, then the payloads. A
 * checksum that does not match means a damaged file; a rule that is broken under a checksum that matches means a writer
 * that was wrong, or hostile.
 */
#include "blob.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "error.h"

enum {
    VERSION = 1,
    HEADER_CHECKED = 56, /* what the header's own checksum covers */
    NAME_SIZE = 64,
    MAX_RANK = 4,
    MAX_SECTIONS = 4096,
    GROUP_STEP = 32,
    T4_CHANNELS = 32, /* of one pass */
    T5_CHANNELS = 20,
};

#define MAX_ELEMENTS (UINT64_C(1) << 40)
#define SUFFIX_SIZE sizeof ".scale"

static const uint8_t magic[8] = {'W', '1', '5', '8', '\r', '\n', 0x1A, '\n'};

/* What all checks need: the blob that is being filled, and how to speak of it. */
typedef struct Reader {
    Blob *blob;
    char file[160]; /* the file's name, made fit for a sentence */
    whisper158_error *error;
} Reader;

const char *blob_dtype_name(BlobDtype dtype) {
    static const char *const names[] = {NULL, "f32", "f16", "i8", "u8", "u32", "t158", "i4", "u4"};

    return names[dtype];
}

const char *blob_packing_name(BlobPacking packing) {
    static const char *const names[] = {"plain", "t2", "t4", "t5"};

    return names[packing];
}

static uint32_t load_u32(const uint8_t *bytes) {
    uint32_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint64_t load_u64(const uint8_t *bytes) {
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static const uint8_t *entry_of(const Blob *blob, uint32_t index) {
    return blob->data + BLOB_HEADER_SIZE + (size_t)index * BLOB_ENTRY_SIZE;
}

static uint64_t align_up(uint64_t offset) {
    return (offset + BLOB_ALIGNMENT - 1) & ~(uint64_t)(BLOB_ALIGNMENT - 1);
}

static uint64_t ceil_div(uint64_t a, uint64_t b) {
    return (a + b - 1) / b;
}

/* A path may be longer than a sentence and hold anything; its end tells most. */
static void set_file_name(Reader *reader, const char *name) {
    const size_t room = sizeof reader->file - sizeof "...";
    const size_t length = strlen(name);
    char *out = reader->file;

    if (length > room) {
        name += length - room;
        while (((uint8_t)*name & 0xC0) == 0x80) /* not from the middle of a character */
            name++;
        memcpy(out, "...", 3);
        out += 3;
    }
    for (; *name; name++)
        *out++ = (uint8_t)*name < 0x20 || *name == 0x7F ? '?' : *name;
    *out = 0;
}

/* The file is not what its writer wrote. */
static int damaged(const Reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int damaged(const Reader *reader, const char *format, ...) {
    whisper158_error what;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what.text, sizeof what.text, format, args);
    va_end(args);
    return w158_fail(reader->error, -EBADMSG, "%s: damaged: %s; copy the file again", reader->file, what.text);
}

/* The file is as it was written, but breaks a rule of the format, in `section` or (NULL) in the header. */
static int refuse(const Reader *reader, const BlobSection *section, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(const Reader *reader, const BlobSection *section, const char *format, ...) {
    whisper158_error what;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what.text, sizeof what.text, format, args);
    va_end(args);
    return w158_fail(reader->error, -EBADMSG, "%s: %s%s: %s; build the model again", reader->file,
                     section ? "section " : "header", section ? section->name : "", what.text);
}

/* ----------------------------------------------------------------------------------------------------------- header */

static int check_magic(const Reader *reader) {
    const Blob *blob = reader->blob;
    const size_t visible = blob->size < sizeof magic ? blob->size : sizeof magic;

    if (blob->size == 0)
        return damaged(reader, "the file is empty");
    if (memcmp(blob->data, magic, visible) == 0)
        return 0;
    if (blob->size >= 4 && memcmp(blob->data, magic, 4) == 0)
        return damaged(reader, "the magic number is altered, as by a transfer in text mode");
    return w158_fail(reader->error, -EBADMSG,
                     "%s: not a whisper158 blob, for it does not begin with W158; name a .w158 file", reader->file);
}

/* Everything before the first field that a newer version may have given another meaning. */
static int check_version(const Reader *reader) {
    const uint32_t version = load_u32(reader->blob->data + 8);

    if (version > VERSION)
        return w158_fail(reader->error, -ENOTSUP,
                         "%s: format version %" PRIu32 "; this program reads version %d: update whisper158",
                         reader->file, version, VERSION);
    if (version < VERSION)
        return damaged(reader, "the header's version is 0, which never was");
    return 0;
}

static int check_header(const Reader *reader) {
    const Blob *blob = reader->blob;
    const uint8_t *data = blob->data;
    uint64_t file_size, table_offset;
    uint32_t count;
    int r;

    r = check_magic(reader);
    if (r < 0)
        return r;
    if (blob->size < BLOB_HEADER_SIZE)
        return damaged(reader, "truncated to %zu bytes, within the header", blob->size);
    r = check_version(reader);
    if (r < 0)
        return r;
    if (XXH64(data, HEADER_CHECKED, 0) != load_u64(data + HEADER_CHECKED))
        return damaged(reader, "checksum of the header does not match");

    file_size = load_u64(data + 16);
    if (file_size > blob->size)
        return damaged(reader, "truncated to %zu of %" PRIu64 " bytes", blob->size, file_size);
    if (file_size < blob->size)
        return damaged(reader, "%zu bytes where the header's file_size is %" PRIu64 ", something was appended",
                       blob->size, file_size);
    table_offset = load_u64(data + 24);
    if (table_offset != BLOB_HEADER_SIZE)
        return refuse(reader, NULL, "table_offset is %" PRIu64 ", it must be %d", table_offset, BLOB_HEADER_SIZE);
    for (int i = 40; i < HEADER_CHECKED; i++)
        if (data[i])
            return refuse(reader, NULL, "reserved byte %d is not zero", i);
    count = load_u32(data + 12);
    if (count == 0 || count > MAX_SECTIONS)
        return refuse(reader, NULL, "section_count is %" PRIu32 ", it must be 1 to %d", count, MAX_SECTIONS);
    if ((blob->size - BLOB_HEADER_SIZE) / BLOB_ENTRY_SIZE < count)
        return refuse(reader, NULL, "section_count is %" PRIu32 ", a table that does not fit into %zu bytes", count,
                      blob->size);
    if (XXH64(data + BLOB_HEADER_SIZE, (size_t)count * BLOB_ENTRY_SIZE, 0) != load_u64(data + 32))
        return damaged(reader, "checksum of the section table does not match");
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ table */

static bool name_is_good(const char *name) {
    size_t length;

    for (length = 0; length < NAME_SIZE && name[length]; length++) {
        const char c = name[length];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_'))
            return false;
    }
    if (length == 0 || length == NAME_SIZE)
        return false;
    for (; length < NAME_SIZE; length++)
        if (name[length])
            return false;
    return true;
}

static int check_name(const Reader *reader, uint32_t index) {
    const BlobSection *sections = reader->blob->sections;

    if (!name_is_good(sections[index].name))
        return w158_fail(reader->error, -EBADMSG,
                         "%s: section table entry %" PRIu32
                         ": name is not 1 to 63 characters of a-z 0-9 . _ and then zeros; build the model again",
                         reader->file, index);
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(sections[i].name, sections[index].name) == 0)
            return refuse(reader, &sections[index], "name occurs twice");
    return 0;
}

/* An unknown number is not an error of the writer: new dtypes and packings come without a new version. */
static int check_kind(const Reader *reader, const BlobSection *section, uint32_t dtype, uint32_t packing) {
    const bool ternary = dtype == BLOB_T158;

    if (dtype < BLOB_F32 || dtype > BLOB_U4)
        return w158_fail(reader->error, -ENOTSUP,
                         "%s: section %s: dtype %" PRIu32 " is unknown to this program: update whisper158",
                         reader->file, section->name, dtype);
    if (packing > BLOB_T5)
        return w158_fail(reader->error, -ENOTSUP,
                         "%s: section %s: packing %" PRIu32 " is unknown to this program: update whisper158",
                         reader->file, section->name, packing);
    if (ternary != (packing != BLOB_PLAIN))
        return refuse(reader, section, "packing %s does not go with dtype %s", blob_packing_name((BlobPacking)packing),
                      blob_dtype_name((BlobDtype)dtype));
    return 0;
}

static int check_shape(const Reader *reader, const BlobSection *section) {
    uint64_t elements = 1;

    if (section->rank < 1 || section->rank > MAX_RANK)
        return refuse(reader, section, "rank is %" PRIu32 ", it must be 1 to %d", section->rank, MAX_RANK);
    for (uint32_t i = 0; i < section->rank; i++) {
        if (section->shape[i] == 0)
            return refuse(reader, section, "shape[%" PRIu32 "] is 0", i);
        if (section->shape[i] > MAX_ELEMENTS / elements)
            return refuse(reader, section, "shape has more than 2^40 elements");
        elements *= section->shape[i];
    }
    for (uint32_t i = section->rank; i < MAX_RANK; i++)
        if (section->shape[i])
            return refuse(reader, section, "shape[%" PRIu32 "] is %" PRIu32 ", but rank is %" PRIu32, i,
                          section->shape[i], section->rank);
    return 0;
}

static bool is_nibbles(const BlobSection *section) {
    return section->dtype == BLOB_I4 || section->dtype == BLOB_U4;
}

static int check_group(const Reader *reader, const BlobSection *section) {
    const char *dtype = blob_dtype_name(section->dtype);
    const uint32_t rows = section->shape[0], channels = section->shape[1], group = section->group;

    if (section->dtype != BLOB_I8 && !is_nibbles(section) && section->dtype != BLOB_T158) {
        if (group)
            return refuse(reader, section, "group is %" PRIu32 ", but %s has no scales", group, dtype);
        return 0;
    }
    if (section->rank != 2)
        return refuse(reader, section, "rank is %" PRIu32 ", it must be 2 for %s", section->rank, dtype);
    if (group == 0 || channels % group || (group != channels && group % GROUP_STEP))
        return refuse(reader, section,
                      "group is %" PRIu32 ", it must be %" PRIu32 " (a whole row) or a multiple of %d that divides it",
                      group, channels, GROUP_STEP);
    if (is_nibbles(section) && group % GROUP_STEP)
        return refuse(reader, section, "group is %" PRIu32 ", it must be a multiple of %d for %s", group, GROUP_STEP, dtype);
    if (section->dtype == BLOB_T158 && rows % 4)
        return refuse(reader, section, "shape[0] is %" PRIu32 ", it must be a multiple of 4 for t158", rows);
    return 0;
}

/* Shape and group are checked. At most 2^40 elements of at most 8 bytes: nothing can overflow. */
uint64_t blob_payload_size(const BlobSection *section) {
    static const uint8_t width[] = {[BLOB_F32] = 4, [BLOB_F16] = 2, [BLOB_I8] = 1, [BLOB_U8] = 1, [BLOB_U32] = 4};
    uint64_t elements = 1;

    for (uint32_t i = 0; i < section->rank; i++)
        elements *= section->shape[i];
    switch (section->packing) {
    case BLOB_T2:
        return elements / 4;
    case BLOB_T4:
        return elements / section->group * ceil_div(section->group, T4_CHANNELS) * 8;
    case BLOB_T5:
        return elements / section->group * ceil_div(section->group, T5_CHANNELS) * 4;
    default:
        return is_nibbles(section) ? elements / 2 : elements * width[section->dtype];
    }
}

/* The payload has to begin at the first aligned place from `end` on; afterwards `end` is its own. */
static int check_place(const Reader *reader, const BlobSection *section, uint64_t *end) {
    const uint64_t offset = align_up(*end), size = blob_payload_size(section), file_size = reader->blob->size;

    if (section->size != size)
        return refuse(reader, section,
                      "size is %" PRIu64 ", but dtype, packing, shape and group give %" PRIu64, section->size, size);
    if (section->offset != offset)
        return refuse(reader, section, "offset is %" PRIu64 ", it must be %" PRIu64, section->offset, offset);
    if (offset > file_size || size > file_size - offset)
        return refuse(reader, section, "size is %" PRIu64 ", which goes beyond the end of the file", size);
    *end = offset + size;
    return 0;
}

static int read_entry(const Reader *reader, uint32_t index, uint64_t *end) {
    const uint8_t *entry = entry_of(reader->blob, index);
    const uint32_t dtype = load_u32(entry + 64), packing = load_u32(entry + 68), flags = load_u32(entry + 72);
    BlobSection *section = &reader->blob->sections[index];
    int r;

    section->name = (const char *)entry;
    r = check_name(reader, index);
    if (r < 0)
        return r;
    r = check_kind(reader, section, dtype, packing);
    if (r < 0)
        return r;
    if (flags > 1)
        return refuse(reader, section, "flags are %" PRIu32 ", only bit 0 has a meaning", flags);
    if (load_u32(entry + 100))
        return refuse(reader, section, "the reserved bytes are not zero");

    section->dtype = (BlobDtype)dtype;
    section->packing = (BlobPacking)packing;
    section->optional = flags;
    section->rank = load_u32(entry + 76);
    for (uint32_t i = 0; i < MAX_RANK; i++)
        section->shape[i] = load_u32(entry + 80 + 4 * i);
    section->group = load_u32(entry + 96);
    section->offset = load_u64(entry + 104);
    section->size = load_u64(entry + 112);
    section->checksum = load_u64(entry + 120);
    r = check_shape(reader, section);
    if (r < 0)
        return r;
    r = check_group(reader, section);
    if (r < 0)
        return r;
    r = check_place(reader, section, end);
    if (r < 0)
        return r;
    section->data = reader->blob->data + section->offset;
    return 0;
}

static int read_table(const Reader *reader) {
    Blob *blob = reader->blob;
    const uint32_t count = load_u32(blob->data + 12);
    uint64_t end = BLOB_HEADER_SIZE + (uint64_t)count * BLOB_ENTRY_SIZE;
    int r;

    blob->sections = calloc(count, sizeof *blob->sections);
    if (!blob->sections)
        return w158_fail(reader->error, -ENOMEM, "%s: no memory for a table of %" PRIu32 " sections", reader->file,
                         count);
    blob->n_sections = count;
    for (uint32_t i = 0; i < count; i++) {
        r = read_entry(reader, i, &end);
        if (r < 0)
            return r;
    }
    if (end != blob->size)
        return refuse(reader, NULL, "file_size is %zu, but the last section ends at %" PRIu64, blob->size, end);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------------- values */
/*
 * These loops see every byte of the model. They do not stop at the first bad value, for a loop without a branch is one
 * that the compiler turns into vector code.
 */

static bool f32_is_good(const uint32_t *bits, uint64_t count) {
    uint32_t bad = 0;

    for (uint64_t i = 0; i < count; i++)
        bad |= (bits[i] & 0x7F800000) == 0x7F800000;
    return !bad;
}

static bool f16_is_good(const uint16_t *bits, uint64_t count) {
    uint16_t bad = 0;

    for (uint64_t i = 0; i < count; i++)
        bad |= (bits[i] & 0x7C00) == 0x7C00;
    return !bad;
}

static bool i8_is_good(const uint8_t *bytes, uint64_t count) {
    uint8_t bad = 0;

    for (uint64_t i = 0; i < count; i++)
        bad |= bytes[i] == 0x80;
    return !bad;
}

static bool i4_is_good(const uint8_t *bytes, uint64_t count) {
    uint8_t bad = 0;

    for (uint64_t i = 0; i < count; i++)
        bad |= (bytes[i] & 0x0F) == 0 || (bytes[i] & 0xF0) == 0;
    return !bad;
}

static bool t2_is_good(const uint8_t *bytes, uint64_t count) {
    uint8_t bad = 0;

    for (uint64_t i = 0; i < count; i++)
        bad |= bytes[i] & (bytes[i] >> 1) & 0x55;
    return !bad;
}

static bool bytes_are_at_most(const uint8_t *bytes, uint64_t count, uint8_t most) {
    uint8_t largest = 0;

    for (uint64_t i = 0; i < count; i++)
        largest = bytes[i] > largest ? bytes[i] : largest;
    return largest <= most;
}

/*
 * Whether the trits beyond the span are 1 in every span's last pass: `trits` to a byte, `row_bytes` of a row to a pass.
 * The upper trits of a byte are what is left after division by three to the power of the live ones below them.
 */
static bool padding_is_good(const BlobSection *section, uint32_t trits, uint32_t row_bytes) {
    const uint32_t rows = section->shape[0], spans = section->shape[1] / section->group;
    const uint32_t width = trits * row_bytes, passes = (uint32_t)ceil_div(section->group, width);
    const uint32_t live_channels = section->group - (passes - 1) * width;
    const uint8_t *bytes = section->data;

    if (live_channels == width)
        return true;
    for (uint32_t span = 0; span < spans; span++) {
        const uint8_t *pass = bytes + ((uint64_t)span * passes + passes - 1) * rows * row_bytes;

        for (uint32_t column = live_channels / trits; column < row_bytes; column++) {
            uint32_t below = 1, ones = 0;

            for (uint32_t trit = 0; trit < trits; trit++) {
                if (column * trits + trit < live_channels)
                    below *= 3;
                else
                    ones = ones * 3 + 1;
            }
            for (uint64_t row = 0; row < rows; row++)
                if (pass[row * row_bytes + column] / below != ones)
                    return false;
        }
    }
    return true;
}

static int check_values(const Reader *reader, const BlobSection *section) {
    const void *data = section->data;
    const char *problem = NULL;

    if (section->dtype == BLOB_F32 && !f32_is_good(data, section->size / 4))
        problem = "a value is infinite or not a number";
    else if (section->dtype == BLOB_F16 && !f16_is_good(data, section->size / 2))
        problem = "a value is infinite or not a number";
    else if (section->dtype == BLOB_I8 && !i8_is_good(data, section->size))
        problem = "a weight is -128";
    else if (section->dtype == BLOB_I4 && !i4_is_good(data, section->size))
        problem = "a weight is -8";
    else if (section->packing == BLOB_T2 && !t2_is_good(data, section->size))
        problem = "a byte holds the bit pair 3, which is no ternary weight";
    else if (section->packing == BLOB_T4 && !bytes_are_at_most(data, section->size, 80))
        problem = "a byte is above 80, which is no four ternary weights";
    else if (section->packing == BLOB_T5 && !bytes_are_at_most(data, section->size, 242))
        problem = "a byte is above 242, which is no five ternary weights";
    else if (section->packing == BLOB_T4 && !padding_is_good(section, 4, 8))
        problem = "a weight beyond the end of a group is not zero";
    else if (section->packing == BLOB_T5 && !padding_is_good(section, 5, 4))
        problem = "a weight beyond the end of a group is not zero";
    return problem ? refuse(reader, section, "%s", problem) : 0;
}

/* The sign bit is looked at as such: minus zero is no scale either. Finiteness was checked with all f32 sections. */
static bool scale_is_good(const uint32_t *bits, uint64_t count) {
    uint32_t bad = 0;

    for (uint64_t i = 0; i < count; i++)
        bad |= bits[i] >> 31;
    return !bad;
}

/* What stands beside `section` under its name with `suffix`: one number of `dtype` for each group. */
static int find_beside(const Reader *reader, const BlobSection *section, const char *suffix, BlobDtype dtype,
                       const BlobSection **found) {
    const uint32_t rows = section->shape[0], spans = section->shape[1] / section->group;
    char name[NAME_SIZE + SUFFIX_SIZE];
    const BlobSection *beside;

    (void)snprintf(name, sizeof name, "%s%s", section->name, suffix); /* 63 characters at most, as name_is_good found */
    beside = blob_find(reader->blob, name);
    if (!beside)
        return refuse(reader, section, "there is no section %s beside it", name);
    if (beside->dtype != dtype || beside->rank != 2 || beside->shape[0] != rows || beside->shape[1] != spans)
        return refuse(reader, beside, "it must be %s of shape [%" PRIu32 ", %" PRIu32 "] to go with %s",
                      blob_dtype_name(dtype), rows, spans, section->name);
    if (beside->optional != section->optional)
        return refuse(reader, beside, "flags differ from those of %s", section->name);
    *found = beside;
    return 0;
}

static int check_scale(const Reader *reader, const BlobSection *section) {
    const BlobSection *scale, *zero;
    int r;

    if (!section->group)
        return 0;
    r = find_beside(reader, section, ".scale", BLOB_F32, &scale);
    if (r < 0)
        return r;
    if (!scale_is_good(scale->data, scale->size / 4))
        return refuse(reader, scale, "a scale is negative");
    if (section->dtype != BLOB_U4)
        return 0;
    r = find_beside(reader, section, ".zero", BLOB_U8, &zero);
    if (r < 0)
        return r;
    if (!bytes_are_at_most(zero->data, zero->size, 15))
        return refuse(reader, zero, "a zero point is above 15");
    return 0;
}

/* Pages are given up behind the reading, so that checking a model takes no more memory than its largest section. */
static int check_payloads(const Reader *reader) {
    const Blob *blob = reader->blob;
    uint64_t end = BLOB_HEADER_SIZE + (uint64_t)blob->n_sections * BLOB_ENTRY_SIZE, given_up = 0;
    int r;

    for (uint32_t i = 0; i < blob->n_sections; i++) {
        const BlobSection *section = &blob->sections[i];

        for (; end < section->offset; end++)
            if (blob->data[end])
                return damaged(reader, "the padding before section %s is not zero", section->name);
        end += section->size;
        if (XXH64(section->data, section->size, 0) != section->checksum)
            return damaged(reader, "checksum of section %s does not match", section->name);
        r = check_values(reader, section);
        if (r < 0)
            return r;
        given_up = blob_release(blob, given_up, end);
    }
    for (uint32_t i = 0; i < blob->n_sections; i++) {
        r = check_scale(reader, &blob->sections[i]);
        if (r < 0)
            return r;
    }
    (void)blob_release(blob, 0, blob->size);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- open */

static int check_all(const Reader *reader) {
    int r;

    if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        return w158_fail(reader->error, -ENOTSUP, "%s: blobs are little endian and this machine is not", reader->file);
    r = check_header(reader);
    if (r < 0)
        return r;
    r = read_table(reader);
    if (r < 0)
        return r;
    return check_payloads(reader);
}

static int map(const Reader *reader, int fd) {
    Blob *blob = reader->blob;
    struct stat status;
    void *data;

    if (fstat(fd, &status) < 0) {
        const int code = errno;

        return w158_fail(reader->error, -code, "%s: cannot be looked at: %s", reader->file, strerror(code));
    }
    if (S_ISDIR(status.st_mode))
        return w158_fail(reader->error, -EISDIR, "%s: is a directory; name the .w158 file in it", reader->file);
    if (!S_ISREG(status.st_mode))
        return w158_fail(reader->error, -EINVAL, "%s: is not a regular file; a blob has to be one to be mapped",
                         reader->file);
    if (status.st_size == 0) /* which mmap would refuse with a word that says nothing */
        return check_header(reader);
    if ((uintmax_t)status.st_size > SIZE_MAX)
        return w158_fail(reader->error, -EFBIG, "%s: too large to be mapped on this machine", reader->file);

    data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        const int code = errno;

        return w158_fail(reader->error, -code, "%s: cannot be mapped into memory: %s", reader->file, strerror(code));
    }
    blob->data = data;
    blob->size = (size_t)status.st_size;
    blob->mapped = true;
    return 0;
}

int blob_open(Blob *blob, const char *path, whisper158_error *error) {
    Reader reader = {.blob = blob, .error = error};
    int fd, r;

    *blob = (Blob){0};
    set_file_name(&reader, path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO would block otherwise */
    if (fd < 0) {
        const int code = errno;

        return w158_fail(error, -code, "%s: cannot be opened: %s", reader.file, strerror(code));
    }
    r = map(&reader, fd);
    (void)close(fd);
    if (r >= 0)
        r = check_all(&reader);
    if (r < 0)
        blob_close(blob);
    return r;
}

int blob_open_memory(Blob *blob, const void *data, size_t size, const char *name, whisper158_error *error) {
    Reader reader = {.blob = blob, .error = error};
    int r;

    *blob = (Blob){0};
    set_file_name(&reader, name);
    if ((uintptr_t)data % BLOB_ALIGNMENT)
        return w158_fail(error, -EINVAL, "%s: the address is not a multiple of %d", reader.file, BLOB_ALIGNMENT);
    blob->data = data;
    blob->size = size;
    r = check_all(&reader);
    if (r < 0)
        blob_close(blob);
    return r;
}

void blob_close(Blob *blob) {
    if (blob->mapped)
        (void)munmap((void *)(uintptr_t)blob->data, blob->size);
    free(blob->sections);
    *blob = (Blob){0};
}

/* The system keeps what it has of the file, as long as there is room; so a page that is read again is soon there. */
uint64_t blob_release(const Blob *blob, uint64_t begin, uint64_t end) {
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    begin = (begin + page - 1) / page * page;
    end = end / page * page;
    if (blob->mapped && begin < end)
        (void)madvise((void *)(uintptr_t)(blob->data + begin), end - begin, MADV_DONTNEED);
    return end;
}

const BlobSection *blob_find(const Blob *blob, const char *name) {
    for (uint32_t i = 0; i < blob->n_sections; i++)
        if (strcmp(blob->sections[i].name, name) == 0)
            return &blob->sections[i];
    return NULL;
}
