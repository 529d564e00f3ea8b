/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158 stats: what the daemon knows about itself.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"
#include "events.h"
#include "file.h"
#include "report.h"
#include "socket_path.h"

static const char help[] = "Usage: whisper158 stats [OPTION]...\n"
                           "Show how the daemon whisper158d has fared: what it transcribed, how long people\n"
                           "waited for the text (half of them, and 95 of 100, no longer than that), and what\n"
                           "was lost. The last 512 utterances and requests count for the waiting.\n"
                           "\n"
                           "  -s, --socket PATH    the daemon's socket; default: $WHISPER158_SOCKET, and\n"
                           "                       where that is not set, " SOCKET_DEFAULT "\n"
                           "      --json           print one JSON object\n"
                           "  -h, --help           print this text\n"
                           "\n"
                           "Exit status:\n"
                           "  0   all went well\n"
                           "  64  wrong usage\n"
                           "  65  what answered is no whisper158d\n"
                           "  66  there is no daemon\n"
                           "  71  not enough memory\n"
                           "  74  input or output error\n";

static const char short_options[] = ":s:h";

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void print_duration(double seconds) {
    const unsigned long s = (unsigned long)seconds;

    (void)printf("up           %lu d %02lu:%02lu:%02lu\n", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
}

static void print_work(struct json_object *stats, const char *key, const char *what) {
    struct json_object *work, *p50;

    if (!json_object_object_get_ex(stats, key, &work) || !json_object_is_type(work, json_type_object))
        return;
    (void)printf("%-12s %.0f", what, events_number(work, "done"));
    if (events_number(work, "done") > 0)
        (void)printf(", %.1f s of audio, RTF %.3f", events_number(work, "audio_s"), events_number(work, "rtf"));
    if (json_object_object_get_ex(work, "latency_p50_s", &p50) && p50)
        (void)printf(", text after %.2f s (p50), %.2f s (p95)", events_number(work, "latency_p50_s"),
                     events_number(work, "latency_p95_s"));
    if (events_number(work, "failed") > 0)
        (void)printf(", %.0f failed", events_number(work, "failed"));
    if (events_number(work, "dropped") > 0)
        (void)printf(", %.0f dropped (%.1f s)", events_number(work, "dropped"), events_number(work, "dropped_s"));
    (void)putchar('\n');
}

static void print_stats(struct json_object *stats) {
    (void)printf("daemon       %s, model %s\n", events_text(stats, "version"), events_text(stats, "model"));
    print_duration(events_number(stats, "uptime_s"));
    print_work(stats, "utterances", "microphone");
    print_work(stats, "requests", "clients");
    (void)printf("interim      %.0f\n", events_number(stats, "interims"));
    (void)printf("lost input   %.0f times, %.2f s\n", events_number(stats, "gaps"), events_number(stats, "gap_s"));
    (void)printf("waiting      %.0f, %.1f s of audio\n", events_number(stats, "queued"), events_number(stats, "queued_s"));
    (void)printf("peak memory  %.1f MiB\n", events_number(stats, "rss_peak_mib"));
}

/* The line with the counts; others come before it. */
static int find_stats(Events *events, const char **line, struct json_object **stats, whisper158_error *error) {
    int r;

    while ((r = events_next(events, line, stats, error)) > 0 && strcmp(events_text(*stats, "event"), "stats") != 0)
        (void)json_object_put(*stats);
    return r == 0 ? fail(error, -EIO, "the daemon has ended, or has too many clients") : r;
}

static int run(const char *socket, bool json) {
    struct json_object *stats;
    whisper158_error error;
    const char *line;
    Events events;
    int r = events_open(&events, socket, "{\"subscribe\":[],\"stats\":true}\n", &error);

    if (r >= 0) {
        r = find_stats(&events, &line, &stats, &error);
        if (r > 0 && json)
            (void)puts(line);
        else if (r > 0)
            print_stats(stats);
        if (r > 0)
            (void)json_object_put(stats);
        events_close(&events);
    }
    if (r >= 0)
        return finish_output();
    report("%s", error.text);
    return exit_status(r);
}

int command_stats(int argc, char **argv) {
    const char *socket = NULL;
    bool json = false, wants_help = false;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
        switch (option) {
        case 's':
            socket = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'h':
            wants_help = true;
            break;
        default:
            return report_option("stats", option, argv, short_options);
        }
    if (wants_help)
        return print_help(help);
    if (optind < argc)
        return report_usage("stats", "%s is not an option", argv[optind]);
    return run(socket, json);
}
