/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over the files of a directory, once each: the corpus as an ordinary test, for any compiler and any
 * processor.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long length;

    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        *size = (size_t)length;
        data = malloc(*size ? *size : 1);
        if (data && fread(data, 1, *size, file) != *size) {
            free(data);
            data = NULL;
        }
    }
    fclose(file);
    return data;
}

int main(int argc, char *argv[]) {
    const struct dirent *entry;
    unsigned count = 0;
    DIR *directory;

    if (argc != 2 || !(directory = opendir(argv[1]))) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 64;
    }
    while ((entry = readdir(directory))) {
        char path[4096];
        uint8_t *data;
        size_t size;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        data = read_file(path, &size);
        if (!data) {
            fprintf(stderr, "%s: cannot be read\n", path);
            return 1;
        }
        (void)LLVMFuzzerTestOneInput(data, size);
        free(data);
        count++;
    }
    closedir(directory);
    printf("%u inputs\n", count);
    return count ? 0 : 1; /* an empty corpus tests nothing */
}
