/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "report.h"

/* What a signal has to remove; one program writes one file. */
static const char *volatile pending;

static void remove_pending(int number) {
    if (pending)
        (void)unlink(pending);
    /* The handler is gone by now (SA_RESETHAND): the signal ends the program once this returns. */
    (void)raise(number);
}

void output_catch_signals(void) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action;

        /* What the parent ignores (nohup) stays ignored. */
        if (sigaction(numbers[i], NULL, &action) < 0 || action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = remove_pending, .sa_flags = (int)SA_RESETHAND};
        (void)sigaction(numbers[i], &action, NULL);
    }
}

static int fail_create(OutputFile *out, int code, whisper158_error *error) {
    const char *const name = out->name;

    output_discard(out);
    return fail(error, -code, "%s cannot be created: %s", name, strerror(code));
}

/* The mode that open(2) would have given the file; mkstemp is stricter. */
static mode_t default_mode(void) {
    const mode_t mask = umask(0);

    (void)umask(mask);
    return 0666 & ~mask;
}

static int open_temporary(OutputFile *out, mode_t mode) {
    static const char name[] = "/.whisper158-XXXXXX";
    char *const copy = strdup(out->target); /* dirname may write to it */
    const char *const directory = copy ? dirname(copy) : NULL;
    int fd = -1;

    if (directory)
        out->temporary = malloc(strlen(directory) + sizeof name);
    if (out->temporary) {
        (void)stpcpy(stpcpy(out->temporary, directory), name);
        pending = out->temporary; /* before the file is there: no signal can fall between */
        fd = mkstemp(out->temporary);
    }
    free(copy);
    if (fd < 0)
        return -errno;
    out->stream = fdopen(fd, "w");
    if (!out->stream) {
        const int code = errno;

        (void)close(fd);
        return -code;
    }
    (void)fchmod(fd, mode); /* some file systems have no modes */
    return 0;
}

int output_open(OutputFile *out, const char *path, whisper158_error *error) {
    struct stat status;
    bool exists;
    int r;

    *out = (OutputFile){.stream = stdout, .name = "standard output"};
    if (!path || strcmp(path, "-") == 0)
        return 0;
    *out = (OutputFile){.name = path};
    exists = stat(path, &status) == 0;
    if (!exists && errno != ENOENT)
        return fail_create(out, errno, error);
    if ((exists && S_ISDIR(status.st_mode)) || (*path && path[strlen(path) - 1] == '/'))
        return fail_create(out, EISDIR, error);
    if (!*path)
        return fail_create(out, ENOENT, error);
    if (exists && !S_ISREG(status.st_mode)) {
        out->stream = fopen(path, "w");
        return out->stream ? 0 : fail_create(out, errno, error);
    }
    /* A file that its owner made read-only would not stand in the way of a rename. */
    if (exists && access(path, W_OK) < 0)
        return fail_create(out, errno, error);
    out->target = exists ? realpath(path, NULL) : strdup(path);
    if (!out->target)
        return fail_create(out, errno, error);
    r = open_temporary(out, exists ? status.st_mode & 0777 : default_mode());
    return r < 0 ? fail_create(out, -r, error) : 0;
}

static int fail_write(const OutputFile *out, int code, whisper158_error *error) {
    return fail(error, -code, "%s cannot be written: %s", out->name, strerror(code));
}

int output_flush(OutputFile *out, whisper158_error *error) {
    errno = 0;
    if (fflush(out->stream) == 0 && !ferror(out->stream))
        return 0;
    return fail_write(out, errno ? errno : EIO, error);
}

int output_commit(OutputFile *out, whisper158_error *error) {
    FILE *const stream = out->stream;
    int r = output_flush(out, error);

    if (r >= 0 && out->target && fsync(fileno(stream)) < 0 && errno != EINVAL)
        r = fail_write(out, errno, error);
    out->stream = NULL;
    if (fclose(stream) != 0 && r >= 0)
        r = fail_write(out, errno, error);
    if (r >= 0 && out->target && rename(out->temporary, out->target) < 0)
        r = fail_write(out, errno, error);
    if (r >= 0)
        pending = NULL;
    output_discard(out);
    return r;
}

void output_discard(OutputFile *out) {
    if (out->stream && out->stream != stdout)
        (void)fclose(out->stream);
    if (pending)
        (void)unlink(pending);
    pending = NULL;
    free(out->temporary);
    free(out->target);
    *out = (OutputFile){0};
}

int report_output(int r, const whisper158_error *error) {
    if (r != -EPIPE)
        report("%s", error->text);
    return EX_IOERR;
}
