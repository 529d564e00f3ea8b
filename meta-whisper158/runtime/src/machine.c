/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What kind of machine this is: a line to compare, so that times measured on one machine are not believed on another.
 * It names the processor for the reader, and for the comparison has a hash of what Linux says of every processor
 * (maker, model, revision, features), their number, and the sizes of the caches. Clock rates, which change by
 * themselves, are left out.
 */
#include "machine.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

typedef struct Line {
    char *text;
    size_t used, room;
} Line;

static void add(Line *line, const char *text) {
    for (; *text && line->used + 1 < line->room; text++)
        line->text[line->used++] = *text < ' ' || *text > '~' ? '?' : *text;
    line->text[line->used] = '\0';
}

/* The value in a line "key : value" of /proc/cpuinfo, or NULL for another key. */
static const char *value_of(const char *line, const char *key) {
    size_t length = strlen(key);

    if (strncmp(line, key, length) != 0)
        return NULL;
    line += length;
    line += strspn(line, " \t");
    return *line == ':' ? line + 1 + strspn(line + 1, " \t") : NULL;
}

/* Adds the name of the first processor (Arm's have numbers) and returns the hash of all. */
static uint64_t add_processor(Line *out) {
    static const char *const identity[] = {"vendor_id",    "cpu family",  "model",    "model name", "stepping", "flags",
                                           "CPU implementer", "CPU variant", "CPU part", "CPU revision", "Features"};
    static const char *const names[] = {"model name", "CPU implementer", "CPU part"};
    bool named[sizeof names / sizeof *names] = {false};
    FILE *file = fopen("/proc/cpuinfo", "re");
    uint64_t hash = 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while (file && (length = getline(&line, &room, file)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < sizeof identity / sizeof *identity; i++)
            if (value_of(line, identity[i]))
                hash = XXH64(line, strlen(line), hash);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const char *value = value_of(line, names[i]);

            if (!value || named[i])
                continue;
            named[i] = true;
            add(out, i == 0 ? "" : names[i]);
            add(out, i == 0 ? "" : " ");
            add(out, value);
            add(out, ", ");
        }
    }
    free(line);
    if (file)
        (void)fclose(file);
    return hash;
}

static void add_caches(Line *out) {
    for (int i = 0; i < 8; i++) {
        char path[64], size[16] = "";
        FILE *file;

        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        file = fopen(path, "re");
        if (!file)
            break;
        if (fgets(size, sizeof size, file)) {
            size[strcspn(size, "\n")] = '\0';
            add(out, i == 0 ? ", caches " : " ");
            add(out, size);
        }
        (void)fclose(file);
    }
}

void machine_describe(Machine *out) {
    Line line = {out->text, 0, sizeof out->text - 64}; /* whatever it is called, the hash gets its place */
    struct utsname name;
    char number[64];
    uint64_t hash;

    out->text[0] = '\0';
    if (uname(&name) == 0) {
        add(&line, name.machine);
        add(&line, ", ");
    }
    hash = add_processor(&line);
    (void)snprintf(number, sizeof number, "%ld processors", sysconf(_SC_NPROCESSORS_ONLN));
    add(&line, number);
    add_caches(&line);
    line.room = sizeof out->text;
    (void)snprintf(number, sizeof number, ", %016llx", (unsigned long long)hash);
    add(&line, number);
}

unsigned machine_threads(void) {
    const long online = sysconf(_SC_NPROCESSORS_ONLN);

    return online < 1 ? 1 : online > 4 ? 4 : (unsigned)online;
}
