/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * page.html as embed_page.py puts it into the program.
 */
#ifndef DAEMON_HTTP_PAGE_H
#define DAEMON_HTTP_PAGE_H

#include <stddef.h>

extern const char http_page[];
extern const size_t http_page_length;

/* Its Content-Security-Policy: nothing but the script and the styles that stand in it, which their hashes name. */
extern const char http_page_policy[];

#endif
