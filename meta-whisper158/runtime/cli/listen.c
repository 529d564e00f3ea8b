/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158 listen: what the daemon hears, as text, live.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "events.h"
#include "file.h"
#include "report.h"
#include "socket_path.h"

static const char help[] = "Usage: whisper158 listen [OPTION]...\n"
                           "Print what the daemon whisper158d hears: one line for each utterance, and on a\n"
                           "terminal the text of speech that goes on, until the next one takes its place.\n"
                           "\n"
                           "  -s, --socket PATH    the daemon's socket; default: $WHISPER158_SOCKET, and\n"
                           "                       where that is not set, " SOCKET_DEFAULT "\n"
                           "      --json           print all events, as JSON\n"
                           "      --levels         with --json: the level of the input too, often\n"
                           "  -h, --help           print this text\n"
                           "\n"
                           "Exit status:\n"
                           "  0   the daemon has ended\n"
                           "  64  wrong usage\n"
                           "  65  what answered is no whisper158d\n"
                           "  66  there is no daemon\n"
                           "  71  not enough memory\n"
                           "  74  input or output error\n";

static const char short_options[] = ":s:h";

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"levels", no_argument, NULL, 'L'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

typedef struct Listen {
    const char *socket;
    bool json, levels, help;
    bool terminal; /* standard output is one */
    bool shown;    /* a line that goes on */
    OutputFile output;
    whisper158_error error;
} Listen;

/* The end of `text` that fits on a line: text goes on at its end. */
static const char *fitting(const char *text) {
    struct winsize window;
    const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1;
    size_t room = known ? window.ws_col - 1u : 79;
    const char *at = text + strlen(text);

    while (at > text && room > 0) {
        at--;
        room -= ((unsigned char)*at & 0xc0) != 0x80; /* a character's first byte */
    }
    return at;
}

/* Text with what a terminal could take for a command replaced. */
static void print_clean(FILE *stream, const char *text) {
    while (*text) {
        const size_t control = report_control(text);

        (void)fputc(control ? ' ' : *text, stream);
        text += control ? control : 1;
    }
}

static void take_back(Listen *l) {
    if (l->shown)
        (void)fputs("\r\033[K", l->output.stream);
    l->shown = false;
}

static void show_partial(Listen *l, const char *text) {
    if (!l->terminal)
        return;
    take_back(l);
    print_clean(l->output.stream, fitting(text));
    l->shown = true;
}

static void show_final(Listen *l, const char *text) {
    take_back(l);
    if (!*text)
        return;
    print_clean(l->output.stream, text);
    (void)fputc('\n', l->output.stream);
}

static void show(Listen *l, struct json_object *event) {
    const char *const kind = events_text(event, "event"), *const text = events_text(event, "text");

    if (strcmp(kind, "partial") == 0) {
        show_partial(l, text);
    } else if (strcmp(kind, "final") == 0) {
        show_final(l, text);
    } else if (strcmp(kind, "speech-start") == 0) {
        show_partial(l, "...");
    } else if (*text) { /* what there is to tell about the input, and what went wrong */
        take_back(l);
        (void)fflush(l->output.stream);
        report("%s", text);
    }
}

/* Returns an exit status, having said why. */
static int follow(Listen *l, Events *events) {
    struct json_object *event;
    const char *line;
    int r = 0, written = 0;

    while (written >= 0 && (r = events_next(events, &line, &event, &l->error)) > 0) {
        if (l->json)
            (void)fprintf(l->output.stream, "%s\n", line);
        else
            show(l, event);
        (void)json_object_put(event);
        written = output_flush(&l->output, &l->error);
    }
    if (written < 0)
        return report_output(written, &l->error);
    take_back(l);
    if (r < 0) {
        report("%s", l->error.text);
        return exit_status(r);
    }
    report("the daemon has ended");
    return 0;
}

static int run(Listen *l) {
    const char *const command = !l->json    ? "{\"subscribe\":[\"speech-start\",\"partial\",\"final\",\"state\",\"dropped\",\"error\"]}\n"
                                : l->levels ? "{\"subscribe\":[\"all\"]}\n"
                                            : "\n";
    Events events;
    int r, status;

    r = events_open(&events, l->socket, command, &l->error);
    if (r < 0) {
        report("%s", l->error.text);
        return exit_status(r);
    }
    r = output_open(&l->output, NULL, &l->error);
    l->terminal = isatty(STDOUT_FILENO) == 1;
    status = r < 0 ? report_output(r, &l->error) : follow(l, &events);
    events_close(&events);
    return status;
}

int command_listen(int argc, char **argv) {
    Listen l = {0};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
        switch (option) {
        case 's':
            l.socket = optarg;
            break;
        case 'j':
            l.json = true;
            break;
        case 'L':
            l.levels = true;
            break;
        case 'h':
            l.help = true;
            break;
        default:
            return report_option("listen", option, argv, short_options);
        }
    if (l.help)
        return print_help(help);
    if (optind < argc)
        return report_usage("listen", "%s is not an option", argv[optind]);
    if (l.levels && !l.json)
        return report_usage("listen", "--levels are printed with --json only");
    return run(&l);
}
