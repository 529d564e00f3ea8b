/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * daemon/gaps.c: a machine that loses input all the time does not fill the log, and nothing that was lost goes untold.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gaps.h"

#define PAUSE 0.05

static FILE *begin_log(int *real) {
    FILE *const file = tmpfile();

    assert(file);
    *real = dup(STDERR_FILENO);
    assert(*real >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    return file;
}

static void end_log(FILE *file, int real, char *text, size_t room) {
    assert(dup2(real, STDERR_FILENO) >= 0);
    (void)close(real);
    rewind(file);
    text[fread(text, 1, room - 1, file)] = '\0';
    (void)fclose(file);
}

static void expire(Timer *timer) {
    loop_quit(timer->user, 0);
}

static void run_for(Loop *loop, double seconds) {
    Timer end = {0};

    loop_set_timer(loop, &end, seconds, expire, loop);
    assert(loop_run(loop) == 0);
}

static void check(const char *got, const char *const *want, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const size_t length = strcspn(got, "\n");

        assert(length >= strlen(want[i]));
        assert(strncmp(got + length - strlen(want[i]), want[i], strlen(want[i])) == 0);
        got += length + 1;
    }
    assert(*got == '\0');
}

int main(void) {
    static const char *const want[] = {
        "0.50 s of the input were not captured",
        "0.75 s of the input were not captured, in 3 places",
        "0.25 s of the input were not captured",
        "0.75 s of the input were not captured",              /* after a pause in which nothing was lost: at once */
        "60.50 s of the input were not captured, in 2 places", /* it is too long to wait */
        "1.00 s of the input were not captured, in 2 places",
    };
    Gaps gaps = {.pause = PAUSE};
    char text[1024];
    FILE *file;
    int real;

    assert(loop_new(&gaps.loop) == 0);
    file = begin_log(&real);
    gaps_add(&gaps, 0.5);
    for (int i = 0; i < 3; i++)
        gaps_add(&gaps, 0.25);
    run_for(gaps.loop, 1.5 * PAUSE);
    gaps_add(&gaps, 0.25);
    while (gaps.quiet.loop)
        run_for(gaps.loop, PAUSE);
    gaps_add(&gaps, 0.75);
    gaps_add(&gaps, 0.5);
    gaps_add(&gaps, 60.0);
    gaps_add(&gaps, 0.5);
    gaps_add(&gaps, 0.5);
    gaps_end(&gaps);
    gaps.loop = loop_free(gaps.loop);
    end_log(file, real, text, sizeof text);
    check(text, want, sizeof want / sizeof *want);
    return 0;
}
