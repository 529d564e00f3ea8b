/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the daemon knows about itself: how much was transcribed, how long people waited, what was lost. All of it belongs
 * to the main thread.
 */
#ifndef DAEMON_STATS_H
#define DAEMON_STATS_H

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "queue.h"

enum { LATENCIES = 512 }; /* the last so many are looked at */

typedef struct Latencies {
    float seconds[LATENCIES];
    uint64_t count; /* ever */
} Latencies;

typedef struct Stats {
    double started; /* loop_now() */
    char model[128];
    /* [0]: utterances, [1]: requests of clients. Their latency counts from the end of the speech, and from the last byte. */
    Latencies latency[2];
    uint64_t done[2], failed[2];
    double audio[2], work[2]; /* seconds, of those that were done */
    uint64_t interims;
    uint64_t gaps;
    double gap_seconds; /* that the input lost */
} Stats;

void latencies_add(Latencies *latencies, double seconds);

/* The smallest latency that at least `share` (0 to 1) of the last ones do not exceed; 0 where there are none. */
double latencies_quantile(const Latencies *latencies, double share);

void stats_init(Stats *stats, const whisper158_model *model);

/*
 * To be called once by whoever gets a job back: counts it and writes the line of the log about it. `client` says who
 * asked, such as "microphone" or "wyoming". Returns seconds since job->heard.
 */
double stats_job(Stats *stats, const Job *job, const char *client);

/* The input lost so much audio. */
void stats_gap(Stats *stats, double seconds);

/* {"event": "stats", ...}; NULL without memory. */
struct json_object *stats_to_json(const Stats *stats, Queue *queue);

#endif
