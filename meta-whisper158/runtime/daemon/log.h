/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the daemon tells the journal, or whoever reads its stderr: one line at a time, in one write, with the priority
 * as systemd understands it ("<6>", sd-daemon(3)) where stderr is the journal's.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <syslog.h>

/* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO. Control characters are shown as '?'. From any thread. */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
