/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

static bool transient;

int fail(whisper158_error *error, int code, const char *format, ...) {
    va_list args;

    va_start(args, format);
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return code;
}

size_t report_control(const char *text) {
    const unsigned char first = (unsigned char)text[0], second = first ? (unsigned char)text[1] : 0;

    if ((first > 0 && first < ' ') || first == 0x7f)
        return 1;
    return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0;
}

void report_clean(char *text) {
    for (; *text; text++)
        for (size_t n = report_control(text); n > 0; n--)
            text[n - 1] = '?';
}

static void print_line(const char *prefix, const char *suffix, size_t width, const char *format, va_list args) {
    char line[8192];

    (void)vsnprintf(line, width < sizeof line ? width : sizeof line, format, args);
    report_clean(line);
    (void)fprintf(stderr, "%s%s%s", prefix, line, suffix);
}

void report(const char *format, ...) {
    va_list args;

    report_clear();
    va_start(args, format);
    print_line("whisper158: ", "\n", SIZE_MAX, format, args);
    va_end(args);
}

void report_transient(const char *format, ...) {
    struct winsize window;
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    va_list args;

    va_start(args, format);
    print_line("\r", "\033[K", known ? window.ws_col : 80, format, args);
    va_end(args);
    transient = true;
}

void report_clear(void) {
    if (transient)
        (void)fputs("\r\033[K", stderr);
    transient = false;
}

int report_usage(const char *command, const char *format, ...) {
    char sentence[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    report("%s; see whisper158%s%s --help", sentence, *command ? " " : "", command);
    return EX_USAGE;
}

int report_option(const char *command, int answer, char *const *argv, const char *short_options) {
    const char *const argument = argv[optind - 1];
    const bool known = optopt > 255 || (optopt && strchr(short_options, optopt));

    if (answer == ':')
        return report_usage(command, "option %s needs a value", argument);
    if (known)
        return report_usage(command, "option %.*s takes no value", (int)strcspn(argument, "="), argument);
    if (optopt)
        return report_usage(command, "unknown option -%c", optopt);
    return report_usage(command, "unknown or ambiguous option %s", argument);
}

int exit_status(int error) {
    switch (-error) {
    case EINVAL:
        return EX_USAGE;
    case EBADMSG:
    case EDOM:
    case EFBIG:
    case ENOTSUP:
        return EX_DATAERR;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:
    case ENODEV:
        return EX_NOINPUT;
    case ENOMEM:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
        return EX_OSERR;
    case EIO:
        return EX_IOERR;
    default:
        return EX_SOFTWARE;
    }
}
