/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "tuning.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "report.h"

#define MAX_SIZE (1 << 18)

/* The first of a list of folders, if it is an absolute path, which others are not to be taken for (XDG). */
static bool take_folder(char *out, size_t room, const char *variable, const char *below) {
    const char *const value = getenv(variable);
    const int length = value ? (int)strcspn(value, ":") : 0;

    return value && *value == '/' && snprintf(out, room, "%.*s%s", length, value, below) < (int)room;
}

char *tuning_path(const whisper158_model *model) {
    char folder[3072], path[4096];

    if (!take_folder(folder, sizeof folder, "CACHE_DIRECTORY", "") &&
        !take_folder(folder, sizeof folder, "XDG_CACHE_HOME", "/whisper158") &&
        !take_folder(folder, sizeof folder, "HOME", "/.cache/whisper158"))
        return NULL;
    (void)snprintf(path, sizeof path, "%s/%016" PRIx64 ".tuning", folder, whisper158_model_get_id(model));
    return strdup(path);
}

/* At most `room` bytes of a regular file. Returns their number, or a negative errno. */
static ssize_t read_file(const char *path, char *out, size_t room) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO would block otherwise */
    ssize_t size = 0, n = -1;
    struct stat status;
    int code = 0;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0)
        code = errno;
    else if (!S_ISREG(status.st_mode))
        code = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    while (code == 0 && n != 0) {
        n = read(fd, out + size, room - (size_t)size);
        if (n < 0 && errno != EINTR)
            code = errno;
        size += n > 0 ? n : 0;
    }
    (void)close(fd);
    return code ? -code : size;
}

int tuning_load(whisper158_tuning **out, const whisper158_model *model, const char *path, whisper158_error *error) {
    char *const text = malloc(MAX_SIZE + 1); /* one more, so that too much is seen to be */
    whisper158_error cause;
    ssize_t size;
    int r;

    if (!text)
        return fail(error, -ENOMEM, "no memory for %.200s", path);
    size = read_file(path, text, MAX_SIZE + 1);
    if (size < 0) {
        r = (int)size;
        (void)fail(error, r, "%.200s cannot be read: %s", path, strerror(-r));
    } else {
        r = whisper158_tuning_read(out, model, text, (size_t)size, &cause);
        if (r < 0)
            (void)fail(error, r, "%.200s: %.150s", path, cause.text);
    }
    free(text);
    return r;
}

whisper158_tuning *tuning_find(const whisper158_model *model, const TuningChoice *choice, bool quiet) {
    char *const usual = choice->file || choice->none ? NULL : tuning_path(model);
    const char *const path = choice->file ? choice->file : usual;
    whisper158_tuning *tuning = NULL;
    whisper158_error error;
    int r;

    if (!choice->none && path) {
        r = tuning_load(&tuning, model, path, &error);
        if (r < 0 && !quiet && (choice->file || (r != -ENOENT && r != -ENOTDIR)))
            report("tuning is ignored: %s; \"whisper158 tune\" makes another", error.text);
    }
    free(usual);
    return tuning;
}

void tuning_make_folders(const char *path) {
    char *const folder = strdup(path);

    for (char *slash = folder ? strchr(folder + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(folder, 0700);
        *slash = '/';
    }
    free(folder);
}

int tuning_save(const whisper158_tuning *tuning, const char *path, whisper158_error *error) {
    const size_t size = whisper158_tuning_write(tuning, NULL, 0);
    char *const text = malloc(size + 1);
    OutputFile out;
    int r;

    if (!text)
        return fail(error, -ENOMEM, "no memory for %.200s", path);
    (void)whisper158_tuning_write(tuning, text, size + 1);
    r = output_open(&out, path, error);
    if (r >= 0) {
        (void)fwrite(text, 1, size, out.stream);
        r = output_commit(&out, error);
    }
    free(text);
    return r;
}
