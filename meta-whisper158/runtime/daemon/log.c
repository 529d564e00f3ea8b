/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

enum { LINE = 4096 };

/* Whether stderr is what systemd connected to the journal (systemd.exec(5), JOURNAL_STREAM). */
static bool stderr_is_journal(void) {
    const char *const variable = getenv("JOURNAL_STREAM");
    uint64_t device, inode;
    struct stat status;

    return variable && sscanf(variable, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

void log_line(int priority, const char *format, ...) {
    char line[LINE];
    size_t length, prefix;
    va_list args;
    int n;

    n = stderr_is_journal() ? snprintf(line, sizeof line, "<%d>", priority)
                            : snprintf(line, sizeof line, "whisper158d: ");
    prefix = (size_t)n;
    va_start(args, format);
    (void)vsnprintf(line + prefix, sizeof line - prefix - 1, format, args);
    va_end(args);
    report_clean(line + prefix);
    length = strlen(line);
    line[length++] = '\n';
    while (write(STDERR_FILENO, line, length) < 0 && errno == EINTR)
        continue;
}
