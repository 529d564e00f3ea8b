/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Opens the golden file, whose path is the argument, then breaks each of the rules of docs/blob-format.md in a copy of
 * it and expects the right error and a sentence that names the place.
 */
#undef NDEBUG
#include "blob.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal.h"

/* Places of a table entry's fields. */
enum {
    NAME = 0,
    DTYPE = 64,
    PACKING = 68,
    FLAGS = 72,
    RANK = 76,
    SHAPE = 80,
    GROUP = 96,
    RESERVED = 100,
    OFFSET = 104,
    SIZE = 112,
};

/* A copy of the golden file to be broken; `size` may be made less than what was allocated. */
typedef struct Copy {
    uint8_t *data;
    size_t size;
} Copy;

static Copy golden;

static uint8_t *allocate(size_t size) {
    void *data = NULL;

    assert(posix_memalign(&data, 64, size ? size : 1) == 0);
    return data;
}

/* Exactly as large as the file, so that the sanitizer sees a step beyond its end. */
static Copy copy_of(size_t size) {
    Copy copy = {allocate(size), size};

    memcpy(copy.data, golden.data, size);
    return copy;
}

static void read_golden(const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat status;

    assert(file && fstat(fileno(file), &status) == 0);
    golden = (Copy){allocate((size_t)status.st_size), (size_t)status.st_size};
    assert(fread(golden.data, 1, golden.size, file) == golden.size);
    fclose(file);
}

static uint8_t *entry_of(const Copy *copy, const char *name) {
    for (size_t i = 0; i < seal_count(copy->data, copy->size); i++) {
        uint8_t *entry = copy->data + SEAL_HEADER + i * SEAL_ENTRY;

        if (strcmp((const char *)entry, name) == 0)
            return entry;
    }
    assert(!"there is such a section");
    return NULL;
}

static uint8_t *payload_of(const Copy *copy, const char *name) {
    return copy->data + seal_get(entry_of(copy, name) + OFFSET, 8);
}

static void check_sentence(const whisper158_error *error, const char *what) {
    if (!strstr(error->text, what))
        fprintf(stderr, "expected \"%s\" in \"%s\"\n", what, error->text);
    assert(strstr(error->text, what));
    assert(!strchr(error->text, '\n'));
}

/* Opens the copy and expects `code` and a sentence with `what` in it. */
static void check_refused(const Copy *copy, int code, const char *what) {
    static const Blob zero;
    whisper158_error error = {""};
    Blob blob;
    int r;

    memset(&blob, 0x55, sizeof blob);
    r = blob_open_memory(&blob, copy->data, copy->size, "x.w158", &error);
    if (r != code)
        fprintf(stderr, "expected %d with \"%s\", got %d \"%s\"\n", code, what, r, r < 0 ? error.text : "");
    assert(r == code);
    assert(strncmp(error.text, "x.w158: ", 8) == 0);
    check_sentence(&error, what);
    assert(memcmp(&blob, &zero, sizeof blob) == 0);
}

static void refused(Copy copy, int code, const char *what) {
    check_refused(&copy, code, what);
    free(copy.data);
}

/* ----------------------------------------------------------------------------------------------------------- golden */

static void check_contents(const Blob *blob) {
    static const uint32_t config[] = {80, 40, 64, 2, 2, 1801, 32, 64, 2, 2, 8, 8};
    const BlobSection *section = blob_find(blob, "config");
    bool dtypes[BLOB_U4 + 1] = {false}, packings[BLOB_T5 + 1] = {false};
    uint64_t end = 0;

    assert(blob->n_sections == 129 && blob->size == golden.size);
    assert(section && section == &blob->sections[0] && section->dtype == BLOB_U32 && section->packing == BLOB_PLAIN);
    assert(section->rank == 1 && section->shape[0] == 12 && !section->shape[1] && !section->shape[2] &&
           !section->shape[3]);
    assert(section->size == sizeof config && memcmp(section->data, config, sizeof config) == 0);
    assert(!section->optional && section->group == 0);

    for (uint32_t i = 0; i < blob->n_sections; i++) {
        section = &blob->sections[i];
        assert(blob_find(blob, section->name) == section);
        assert(section->offset >= end && section->offset % 64 == 0 && (uintptr_t)section->data % 64 == 0);
        assert(section->data == blob->data + section->offset);
        end = section->offset + section->size;
        assert(end <= blob->size);
        dtypes[section->dtype] = true;
        packings[section->packing] = true;
    }
    assert(end == blob->size);
    for (int dtype = BLOB_F32; dtype <= BLOB_U4; dtype++)
        assert(dtypes[dtype] && blob_dtype_name((BlobDtype)dtype));
    for (int packing = BLOB_PLAIN; packing <= BLOB_T5; packing++)
        assert(packings[packing] && blob_packing_name((BlobPacking)packing));
    assert(strcmp(blob_dtype_name(BLOB_T158), "t158") == 0 && strcmp(blob_dtype_name(BLOB_I4), "i4") == 0);
    assert(strcmp(blob_dtype_name(BLOB_U4), "u4") == 0);
    assert(strcmp(blob_packing_name(BLOB_T5), "t5") == 0);
    assert(!blob_find(blob, "confi") && !blob_find(blob, "config.") && !blob_find(blob, ""));

    section = blob_find(blob, "encoder.blocks.0.mlp.0.weight");
    assert(section && section->packing == BLOB_T2 && section->group == 32 && section->size == 256 * 64 / 4);
    section = blob_find(blob, "encoder.blocks.1.attn.key.weight");
    assert(section && section->packing == BLOB_T5 && section->group == 64 && section->size == 4 * 64 * 4);
}

static void test_golden(const char *path) {
    whisper158_error error;
    Blob blob;

    assert(blob_open(&blob, path, &error) == 0);
    assert(blob.mapped);
    check_contents(&blob);
    blob_close(&blob);
    assert(!blob.data && !blob.sections);
    blob_close(&blob); /* harmless */

    assert(blob_open_memory(&blob, golden.data, golden.size, "golden", NULL) == 0);
    assert(!blob.mapped);
    check_contents(&blob);
    blob_close(&blob);
    assert(blob_open_memory(&blob, golden.data + 8, golden.size - 8, "golden", &error) == -EINVAL);
    check_sentence(&error, "multiple of 64");
}

/* ------------------------------------------------------------------------------------------------------------ files */

static void test_files(void) {
    char directory[] = "/tmp/test_blob.XXXXXX", path[64], long_path[600] = "/", *end = long_path + 1;
    whisper158_error error;
    Blob blob;
    FILE *file;

    assert(mkdtemp(directory));
    assert(blob_open(&blob, directory, &error) == -EISDIR);
    check_sentence(&error, "is a directory");
    snprintf(path, sizeof path, "%s/blob", directory);
    assert(blob_open(&blob, path, &error) == -ENOENT);
    check_sentence(&error, path);
    assert(blob_open(&blob, path, NULL) == -ENOENT);
    assert(blob_open(&blob, "/dev/null", &error) == -EINVAL);
    check_sentence(&error, "not a regular file");
    assert(mkfifo(path, 0600) == 0);
    assert(blob_open(&blob, path, &error) == -EINVAL); /* and does not wait for a writer */
    assert(unlink(path) == 0);

    file = fopen(path, "wb");
    assert(file && fclose(file) == 0);
    assert(blob_open(&blob, path, &error) == -EBADMSG);
    check_sentence(&error, "empty");
    if (geteuid() != 0) { /* root may read anything */
        assert(chmod(path, 0) == 0);
        assert(blob_open(&blob, path, &error) == -EACCES);
        check_sentence(&error, "cannot be opened");
    }
    assert(unlink(path) == 0 && rmdir(directory) == 0);

    /* The reason is there however long the path is; what is not fit for one line is not shown, nor half a character. */
    for (int i = 0; i < 100; i++)
        end = stpcpy(end, "\xC3\xA9\n/");
    for (int i = 0; i < 4; i++) {
        assert(blob_open(&blob, long_path, &error) == -ENOENT);
        check_sentence(&error, "cannot be opened");
        assert(strncmp(error.text, "...", 3) == 0 && ((uint8_t)error.text[3] & 0xC0) != 0x80);
        end = stpcpy(end, "x");
    }
}

/* Cut at every length near the start and around every section, with the header as it was and with one that fits. */
static void test_truncated(void) {
    const size_t count = seal_count(golden.data, golden.size), table_end = SEAL_HEADER + count * SEAL_ENTRY;

    for (size_t size = 0; size < SEAL_HEADER; size++)
        refused(copy_of(size), -EBADMSG, size ? "truncated" : "empty");
    for (size_t size = SEAL_HEADER; size < table_end + 256; size += 1 + size / 64)
        refused(copy_of(size), -EBADMSG, "truncated to");

    for (size_t i = 0; i < count; i++) {
        const uint8_t *entry = golden.data + SEAL_HEADER + i * SEAL_ENTRY;
        const uint64_t offset = seal_get(entry + OFFSET, 8), end = offset + seal_get(entry + SIZE, 8);
        const size_t sizes[] = {offset - 1, offset, offset + 1, end - 1, end, end + 1};

        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            Copy copy;

            if (sizes[j] >= golden.size)
                continue;
            refused(copy_of(sizes[j]), -EBADMSG, "truncated to");
            copy = copy_of(sizes[j]);
            seal(copy.data, copy.size);
            refused(copy, -EBADMSG, sizes[j] == table_end - 1 ? "does not fit" : "beyond the end of the file");
        }
    }
}

static void test_appended(void) {
    Copy copy = {allocate(golden.size + 1), golden.size + 1};

    memcpy(copy.data, golden.data, golden.size);
    copy.data[golden.size] = 0;
    refused(copy, -EBADMSG, "appended");

    copy = (Copy){allocate(golden.size + 1), golden.size + 1};
    memcpy(copy.data, golden.data, golden.size);
    copy.data[golden.size] = 0;
    seal(copy.data, copy.size);
    refused(copy, -EBADMSG, "but the last section ends at");
}

/* ----------------------------------------------------------------------------------------------------------- damage */

/* No bit of the file can change unseen. */
static void test_damage(void) {
    const size_t count = seal_count(golden.data, golden.size);
    size_t end = SEAL_HEADER + count * SEAL_ENTRY;
    Copy copy = copy_of(golden.size);

    for (size_t at = 0; at < end; at++) {
        copy.data[at] ^= (uint8_t)(1 << at % 8);
        if (at < 4)
            check_refused(&copy, -EBADMSG, "does not begin with W158");
        else if (at < 8)
            check_refused(&copy, -EBADMSG, "text mode");
        else if (at < 12)
            check_refused(&copy, at == 8 ? -EBADMSG : -ENOTSUP, "version");
        else if (at < SEAL_HEADER)
            check_refused(&copy, -EBADMSG, "damaged: checksum of the header");
        else
            check_refused(&copy, -EBADMSG, "damaged: checksum of the section table");
        copy.data[at] ^= (uint8_t)(1 << at % 8);
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *entry = golden.data + SEAL_HEADER + i * SEAL_ENTRY;
        const size_t offset = seal_get(entry + OFFSET, 8), size = seal_get(entry + SIZE, 8);
        const size_t places[] = {offset, offset + size / 2, offset + size - 1};
        char what[128];

        snprintf(what, sizeof what, "damaged: the padding before section %s is not zero", (const char *)entry);
        for (; end < offset; end++) {
            copy.data[end] = 1;
            check_refused(&copy, -EBADMSG, what);
            copy.data[end] = 0;
        }
        end += size;
        snprintf(what, sizeof what, "damaged: checksum of section %s does not match", (const char *)entry);
        for (size_t j = 0; j < sizeof places / sizeof *places; j++) {
            copy.data[places[j]] ^= 0x40;
            check_refused(&copy, -EBADMSG, what);
            copy.data[places[j]] ^= 0x40;
        }
    }
    free(copy.data);
}

/* ------------------------------------------------------------------------------------------------------------ rules */

static void test_header_rules(void) {
    static const struct {
        size_t at, width;
        uint64_t value;
        int code;
        const char *what;
    } cases[] = {
        {8, 4, 0, -EBADMSG, "version is 0"},
        {8, 4, 2, -ENOTSUP, "format version 2; this program reads version 1: update whisper158"},
        {8, 4, UINT32_MAX, -ENOTSUP, "format version 4294967295"},
        {12, 4, 0, -EBADMSG, "header: section_count is 0"},
        {12, 4, 4097, -EBADMSG, "header: section_count is 4097"},
        {12, 4, UINT32_MAX, -EBADMSG, "header: section_count is 4294967295"},
        {12, 4, 4096, -EBADMSG, "header: section_count is 4096, a table that does not fit"},
        {12, 4, 126, -EBADMSG, "checksum of the section table"},
        {16, 8, 0, -EBADMSG, "appended"},
        {16, 8, UINT64_MAX, -EBADMSG, "truncated"},
        {24, 8, 0, -EBADMSG, "header: table_offset is 0"},
        {24, 8, UINT64_MAX, -EBADMSG, "header: table_offset"},
        {32, 8, 0, -EBADMSG, "checksum of the section table"},
        {40, 1, 1, -EBADMSG, "header: reserved byte 40 is not zero"},
        {55, 1, 128, -EBADMSG, "header: reserved byte 55 is not zero"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Copy copy = copy_of(cases[i].at == 12 && cases[i].value == 4096 ? 4096 : golden.size);

        seal_put(copy.data + 16, 8, copy.size);
        seal_put(copy.data + cases[i].at, cases[i].width, cases[i].value);
        seal_header(copy.data);
        refused(copy, cases[i].code, cases[i].what);
    }
}

static void test_names(void) {
    static const char *const names[] = {"",        "Config",    "con fig",   "con/fig",
                                        "con-fig", "c\xC3\xA9", "../config", "con\nfig"};
    const char *const what = "section table entry 0: name is not";
    Copy copy;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        copy = copy_of(golden.size);
        memset(copy.data + SEAL_HEADER, 0, 64);
        memcpy(copy.data + SEAL_HEADER, names[i], strlen(names[i]));
        seal(copy.data, copy.size);
        refused(copy, -EBADMSG, what);
    }
    copy = copy_of(golden.size);
    memset(copy.data + SEAL_HEADER, 'a', 64); /* no NUL */
    seal(copy.data, copy.size);
    refused(copy, -EBADMSG, what);
    copy = copy_of(golden.size);
    copy.data[SEAL_HEADER + 63] = 'a'; /* behind the NUL */
    seal(copy.data, copy.size);
    refused(copy, -EBADMSG, what);
    copy = copy_of(golden.size);
    memcpy(entry_of(&copy, "provenance"), "config\0\0\0\0", 10);
    seal(copy.data, copy.size);
    refused(copy, -EBADMSG, "section config: name occurs twice");
}

#define F32_SECTION "mel.filters" /* [80, 201] */
#define F16_SECTION "decoder.positional_embedding" /* [32, 64] */
#define I8_SECTION "encoder.blocks.0.attn.value.weight" /* [64, 64], group 32 */
#define I4_SECTION "decoder.token_embedding.weight" /* [1801, 64], group 32 */
#define U4_SECTION "decoder.blocks.1.attn.value.weight" /* [64, 64], group 32 */
#define T2_SECTION "encoder.blocks.0.mlp.0.weight" /* [256, 64], group 32 */
#define T4_SECTION "encoder.blocks.1.attn.query.weight" /* [64, 64], group 32 */
#define T5_SECTION "encoder.blocks.1.attn.value.weight" /* [64, 64], group 32 */
#define ROW_SECTION "encoder.blocks.1.attn.key.weight" /* [64, 64], t5, group 64 */
#define LONG_SECTION "encoder.blocks.0.mlp.2.weight" /* [64, 256], t4, group 256 */
#define NOT_QUANTISED "section " F32_SECTION ": "

/* What is put into the entry of a section, and how that is refused. */
static const struct {
    const char *section;
    size_t at, width;
    uint64_t value;
    int code;
    const char *what;
} entries[] = {
    {F32_SECTION, DTYPE, 4, 0, -ENOTSUP, NOT_QUANTISED "dtype 0 is unknown"},
    {F32_SECTION, DTYPE, 4, 9, -ENOTSUP, "dtype 9 is unknown to this program: update whisper158"},
    {F32_SECTION, DTYPE, 4, BLOB_F16, -EBADMSG, NOT_QUANTISED "size is 64320, but dtype"},
    {F32_SECTION, DTYPE, 4, BLOB_T158, -EBADMSG, "packing plain does not go with dtype t158"},
    {F32_SECTION, PACKING, 4, BLOB_T2, -EBADMSG, "packing t2 does not go with dtype f32"},
    {T2_SECTION, PACKING, 4, BLOB_PLAIN, -EBADMSG, "packing plain does not go with dtype t158"},
    {LONG_SECTION, PACKING, 4, BLOB_T5, -EBADMSG, "section " LONG_SECTION ": size is 4096, but"},
    {T2_SECTION, PACKING, 4, 4, -ENOTSUP, "packing 4 is unknown to this program: update whisper158"},
    {T2_SECTION, PACKING, 4, UINT32_MAX, -ENOTSUP, "packing 4294967295 is unknown"},
    {F32_SECTION, FLAGS, 4, 2, -EBADMSG, NOT_QUANTISED "flags are 2"},
    {F32_SECTION, FLAGS, 4, UINT32_MAX, -EBADMSG, NOT_QUANTISED "flags are"},
    {I8_SECTION, FLAGS, 4, 1, -EBADMSG, "section " I8_SECTION ".scale: flags differ"},
    {F32_SECTION, RANK, 4, 0, -EBADMSG, NOT_QUANTISED "rank is 0"},
    {F32_SECTION, RANK, 4, 1, -EBADMSG, NOT_QUANTISED "shape[1] is 201, but rank is 1"},
    {F32_SECTION, RANK, 4, 3, -EBADMSG, NOT_QUANTISED "shape[2] is 0"},
    {F32_SECTION, RANK, 4, 5, -EBADMSG, NOT_QUANTISED "rank is 5"},
    {F32_SECTION, SHAPE, 4, 0, -EBADMSG, NOT_QUANTISED "shape[0] is 0"},
    {F32_SECTION, SHAPE, 4, 81, -EBADMSG, NOT_QUANTISED "size is 64320, but"},
    {F32_SECTION, SHAPE, 4, UINT32_MAX, -EBADMSG, NOT_QUANTISED "size is"},
    {F32_SECTION, SHAPE, 8, UINT64_MAX, -EBADMSG, NOT_QUANTISED "shape has more than 2^40"},
    {F32_SECTION, SHAPE + 8, 4, 1, -EBADMSG, NOT_QUANTISED "shape[2] is 1, but rank is 2"},
    {F32_SECTION, GROUP, 4, 32, -EBADMSG, NOT_QUANTISED "group is 32, but f32 has no scales"},
    {I8_SECTION, GROUP, 4, 0, -EBADMSG, "section " I8_SECTION ": group is 0"},
    {I8_SECTION, GROUP, 4, 16, -EBADMSG, "section " I8_SECTION ": group is 16"},
    {I8_SECTION, GROUP, 4, 96, -EBADMSG, "section " I8_SECTION ": group is 96"},
    {I8_SECTION, GROUP, 4, 64, -EBADMSG, "section " I8_SECTION ".scale: it must be f32 of shape [64, 1]"},
    {I8_SECTION, GROUP, 4, UINT32_MAX, -EBADMSG, "section " I8_SECTION ": group is 4294967295"},
    {I4_SECTION, GROUP, 4, 48, -EBADMSG, "section " I4_SECTION ": group is 48"},
    {I4_SECTION, DTYPE, 4, BLOB_I8, -EBADMSG, "section " I4_SECTION ": size is"},
    {I4_SECTION, DTYPE, 4, BLOB_U4, -EBADMSG, "there is no section " I4_SECTION ".zero beside it"},
    {U4_SECTION, DTYPE, 4, BLOB_I8, -EBADMSG, "section " U4_SECTION ": size is"},
    {U4_SECTION, GROUP, 4, 48, -EBADMSG, "section " U4_SECTION ": group is 48"},
    {U4_SECTION ".zero", DTYPE, 4, BLOB_I8, -EBADMSG, ".zero: group is 0"},
    {U4_SECTION ".zero", NAME, 1, 'f', -EBADMSG, "there is no section " U4_SECTION ".zero beside it"},
    {U4_SECTION ".zero", SHAPE, 8, 32 + 4 * UINT64_C(0x100000000), -EBADMSG, ".zero: it must be u8 of shape [64, 2]"},
    {U4_SECTION ".zero", FLAGS, 4, 1, -EBADMSG, "section " U4_SECTION ".zero: flags differ"},
    {I8_SECTION, DTYPE, 4, BLOB_I4, -EBADMSG, "section " I8_SECTION ": size is 4096, but"},
    {I8_SECTION, RANK, 4, 1, -EBADMSG, "shape[1] is 64, but rank is 1"},
    {T2_SECTION, SHAPE, 4, 254, -EBADMSG, "section " T2_SECTION ": shape[0] is 254, it must be a multiple of 4"},
    {F32_SECTION, RESERVED, 4, 1, -EBADMSG, NOT_QUANTISED "the reserved bytes"},
    {F32_SECTION, OFFSET, 8, 0, -EBADMSG, NOT_QUANTISED "offset is 0, it must be"},
    {F32_SECTION, OFFSET, 8, UINT64_MAX, -EBADMSG, NOT_QUANTISED "offset is 18446744073709551615"},
    {F32_SECTION, SIZE, 8, 0, -EBADMSG, NOT_QUANTISED "size is 0, but"},
    {F32_SECTION, SIZE, 8, UINT64_MAX, -EBADMSG, NOT_QUANTISED "size is 18446744073709551615, but"},
    {"provenance", DTYPE, 4, BLOB_I8, -EBADMSG, "section provenance: rank is 1, it must be 2 for i8"},
    {I8_SECTION ".scale", DTYPE, 4, BLOB_U32, -EBADMSG, "section " I8_SECTION ".scale: it must be f32"},
    {I8_SECTION ".scale", SHAPE, 8, 64 * UINT64_C(0x100000000) + 2, -EBADMSG,
     ".scale: it must be f32 of shape [64, 2]"},
    {I8_SECTION ".scale", NAME, 1, 'f', -EBADMSG, "there is no section " I8_SECTION ".scale beside it"},
};

static void test_table_rules(void) {
    uint8_t *entry;
    Copy copy;

    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        copy = copy_of(golden.size);
        seal_put(entry_of(&copy, entries[i].section) + entries[i].at, entries[i].width, entries[i].value);
        seal(copy.data, copy.size);
        refused(copy, entries[i].code, entries[i].what);
    }
    /* Two groups to a row as before, but of half as many rows. */
    copy = copy_of(golden.size);
    entry = entry_of(&copy, I8_SECTION);
    seal_put(entry + SHAPE, 4, 32);
    seal_put(entry + SHAPE + 4, 4, 128);
    seal_put(entry + GROUP, 4, 64);
    seal(copy.data, copy.size);
    refused(copy, -EBADMSG, "section " I8_SECTION ".scale: it must be f32 of shape [32, 2]");
}

/* What is put into a section itself. */
static const struct {
    const char *section;
    size_t at, width;
    uint64_t value;
    const char *what; /* NULL: is fine */
} values[] = {
    {F32_SECTION, 64316, 4, 0x7F800000, "a value is infinite or not a number"},
    {F32_SECTION, 0, 4, 0xFF800000, "a value is infinite or not a number"},
    {F32_SECTION, 4, 4, 0x7FC00001, "a value is infinite or not a number"},
    {F32_SECTION, 4, 4, 0xFF7FFFFF, NULL},
    {F16_SECTION, 4094, 2, 0x7C00, "a value is infinite or not a number"},
    {F16_SECTION, 0, 2, 0xFE00, "a value is infinite or not a number"},
    {F16_SECTION, 0, 2, 0xFBFF, NULL},
    {I8_SECTION, 4095, 1, 0x80, "a weight is -128"},
    {I8_SECTION, 4095, 1, 0x81, NULL},
    {I4_SECTION, 0, 1, 0x10, "a weight is -8"},
    {I4_SECTION, 1000, 1, 0x0F, "a weight is -8"},
    {I4_SECTION, 1000, 1, 0x11, NULL},
    {I4_SECTION, 1000, 1, 0xFF, NULL},
    {U4_SECTION, 1000, 1, 0x00, NULL},
    {U4_SECTION ".zero", 127, 1, 15, NULL},
    {U4_SECTION ".zero", 127, 1, 16, "a zero point is above 15"},
    {U4_SECTION ".zero", 0, 1, 255, "a zero point is above 15"},
    {T2_SECTION, 0, 1, 0x03, "a byte holds the bit pair 3"},
    {T2_SECTION, 1000, 1, 0x0C, "a byte holds the bit pair 3"},
    {T2_SECTION, 2000, 1, 0x30, "a byte holds the bit pair 3"},
    {T2_SECTION, 4095, 1, 0xC0, "a byte holds the bit pair 3"},
    {T2_SECTION, 4095, 1, 0xAA, NULL},
    {T2_SECTION, 4095, 1, 0x66, NULL},
    {T4_SECTION, 0, 1, 81, "a byte is above 80"},
    {T4_SECTION, 1023, 1, 255, "a byte is above 80"},
    {T4_SECTION, 1023, 1, 80, NULL},
    {T5_SECTION, 0, 1, 243, "a byte is above 242"},
    {T5_SECTION, 0, 1, 255, "a byte is above 242"},
    {T5_SECTION, 0, 1, 242, NULL},
    /* Second pass of a span of 32: twelve channels live, so two trits of the third byte, none of the fourth. */
    {T5_SECTION, 256 + 3, 1, 120, "a weight beyond the end of a group"},
    {T5_SECTION, 256 + 3, 1, 121, NULL},
    {T5_SECTION, 256 + 2, 1, 4 + 9 * 14, "a weight beyond the end of a group"},
    {T5_SECTION, 256 + 2, 1, 8 + 9 * 13, NULL},
    {T5_SECTION, 1023, 1, 120, "a weight beyond the end of a group"},
    {T5_SECTION, 255, 1, 120, NULL},
    /* Fourth pass of a row of 64: four channels live, all in the first byte. */
    {ROW_SECTION, 768, 1, 40 + 81 * 0, "a weight beyond the end of a group"},
    {ROW_SECTION, 768, 1, 80 + 81 * 1, NULL},
    {ROW_SECTION, 1021, 1, 122, "a weight beyond the end of a group"},
    {I8_SECTION ".scale", 508, 4, 0xBF800000, "a scale is negative"},
    {I8_SECTION ".scale", 0, 4, 0x80000000, "a scale is negative"},
    {I8_SECTION ".scale", 0, 4, 0x7F800000, "a value is infinite or not a number"},
    {I8_SECTION ".scale", 0, 4, 0, NULL},
    {F32_SECTION, 0, 4, 0xBF800000, NULL},
};

static void test_values(void) {
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        Copy copy = copy_of(golden.size);
        char what[128];
        Blob blob;

        seal_put(payload_of(&copy, values[i].section) + values[i].at, values[i].width, values[i].value);
        seal(copy.data, copy.size);
        if (values[i].what) {
            snprintf(what, sizeof what, "section %s: %s", values[i].section, values[i].what);
            refused(copy, -EBADMSG, what);
        } else {
            assert(blob_open_memory(&blob, copy.data, copy.size, "x.w158", NULL) == 0);
            blob_close(&blob);
            free(copy.data);
        }
    }
}

/* A reader passes over what it does not know if it may; the container does not judge names. */
static void test_optional(void) {
    Copy copy = copy_of(golden.size);
    uint8_t *entry = entry_of(&copy, "provenance");
    Blob blob;

    memcpy(entry, "vad.weight", 10);
    seal_put(entry + FLAGS, 4, 1);
    seal(copy.data, copy.size);
    assert(blob_open_memory(&blob, copy.data, copy.size, "x.w158", NULL) == 0);
    assert(blob_find(&blob, "vad.weight")->optional);
    blob_close(&blob);
    free(copy.data);
}

int main(int argc, char *argv[]) {
    assert(argc == 2);
    read_golden(argv[1]);
    test_golden(argv[1]);
    test_files();
    test_truncated();
    test_appended();
    test_damage();
    test_header_rules();
    test_names();
    test_table_rules();
    test_values();
    test_optional();
    free(golden.data);
    return 0;
}
