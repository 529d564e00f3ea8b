/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the program says to a person, all of it on stderr, and the exit status that goes with it.
 *
 * Errors travel as in the library: a negative errno for the program and a sentence for the person, which is made where
 * the cause is known. Nothing exits but main.
 */
#ifndef COMMON_REPORT_H
#define COMMON_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "whisper158.h"

/* Writes the sentence into *error and returns `code`, so that `return fail(...)` ends a function. */
int fail(whisper158_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Bytes of the control character that `text` begins with: C0, DEL, or C1 in UTF-8, which a terminal could take for a command.
 * 0 for anything else. */
size_t report_control(const char *text);

/* Puts '?' in their place. */
void report_clean(char *text);

/* One line "whisper158: ...". Control characters, which file names and models may hold, are shown as '?'. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line that the next report replaces, cut to the width of the terminal. */
void report_transient(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes the transient line away, if there is one. */
void report_clear(void);

/* Reports what is wrong with the command line of `command` and where its help is. Returns EX_USAGE. */
int report_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for getopt_long's answers '?' and ':', which are left in optopt and argv[optind - 1]. */
int report_option(const char *command, int answer, char *const *argv, const char *short_options);

/* The status of sysexits.h for a negative errno of the library, of audio_read or of open(2). */
int exit_status(int error);

#endif
