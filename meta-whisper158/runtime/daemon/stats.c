/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "json.h"
#include "log.h"

#define MIB (1024.0 * 1024.0)

void latencies_add(Latencies *latencies, double seconds) {
    latencies->seconds[latencies->count++ % LATENCIES] = (float)seconds;
}

static int compare(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

double latencies_quantile(const Latencies *latencies, double share) {
    const size_t n = latencies->count < LATENCIES ? (size_t)latencies->count : LATENCIES;
    float sorted[LATENCIES];
    size_t rank;

    if (n == 0)
        return 0.0;
    memcpy(sorted, latencies->seconds, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    rank = (size_t)ceil(share * (double)n);
    return (double)sorted[rank > 0 ? rank - 1 : 0];
}

void stats_init(Stats *stats, const whisper158_model *model) {
    const char *name;
    const int length = whisper158_model_get_provenance(model, "name", &name);

    *stats = (Stats){.started = loop_now()};
    if (length > 0)
        (void)snprintf(stats->model, sizeof stats->model, "%.*s", length, name);
}

static void log_failure(const Job *job, const char *client) {
    if (job->error == -ECANCELED)
        log_line(LOG_INFO, "%s: %.1f s of audio are not transcribed: %s", client, job->transcript.duration,
                 job->sentence.text);
    else
        log_line(LOG_ERR, "%s: %.1f s of audio cannot be transcribed: %s", client, job->transcript.duration,
                 job->sentence.text);
}

static void log_success(const Job *job, const char *client, double latency) {
    const Transcript *const t = &job->transcript;
    char utterance[64] = "";

    if (job->kind == JOB_UTTERANCE)
        (void)snprintf(utterance, sizeof utterance, " utterance=%" PRIu64 " noise_db=%.1f", job->utterance, job->noise_db);
    log_line(LOG_INFO,
             "%s%s audio_s=%.2f waited_ms=%.0f mel_ms=%.0f encode_ms=%.0f decode_ms=%.0f rtf=%.3f "
             "tokens=%" PRIu32 " latency_ms=%.0f confidence=%.2f rss_peak_mib=%.1f",
             client, utterance, t->duration, 1e3 * job->waited, 1e3 * t->timings.mel, 1e3 * t->timings.encode,
             1e3 * t->timings.decode, job_rtf(job), t->timings.tokens, 1e3 * latency, job_confidence(job),
             (double)job->peak_rss / MIB);
}

double stats_job(Stats *stats, const Job *job, const char *client) {
    const double latency = loop_now() - job->heard;
    const bool request = job->kind == JOB_REQUEST;

    if (job->kind == JOB_INTERIM) {
        stats->interims += job->error >= 0;
        return latency;
    }
    if (job->error < 0) {
        stats->failed[request]++;
        log_failure(job, client);
        return latency;
    }
    stats->done[request]++;
    stats->audio[request] += job->transcript.duration;
    stats->work[request] += job->transcript.seconds;
    latencies_add(&stats->latency[request], latency);
    log_success(job, client, latency);
    return latency;
}

void stats_gap(Stats *stats, double seconds) {
    stats->gaps++;
    stats->gap_seconds += seconds;
}

/* --------------------------------------------------------------------------------------------------------------- JSON */

static struct json_object *count(uint64_t value) {
    return json_object_new_int64((int64_t)value);
}

static struct json_object *work_to_json(const Stats *stats, const QueueCounts *counts, bool request) {
    const Latencies *const latency = &stats->latency[request];
    const bool known = latency->count > 0;
    struct json_object *const object = json_object_new_object();

    json_put(object, "done", count(stats->done[request]));
    json_put(object, "failed", count(stats->failed[request]));
    json_put(object, "dropped", count(counts->dropped[request]));
    json_put(object, "dropped_s", json_number((double)counts->dropped_samples[request] / WHISPER158_SAMPLE_RATE, "%.2f"));
    json_put(object, "audio_s", json_number(stats->audio[request], "%.2f"));
    json_put(object, "rtf", stats->audio[request] > 0.0
                                ? json_number(stats->work[request] / stats->audio[request], "%.3f")
                                : NULL);
    json_put(object, "latency_p50_s", known ? json_number(latencies_quantile(latency, 0.50), "%.3f") : NULL);
    json_put(object, "latency_p95_s", known ? json_number(latencies_quantile(latency, 0.95), "%.3f") : NULL);
    return object;
}

static struct json_object *memory_to_json(void) {
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? json_number((double)usage.ru_maxrss / 1024.0, "%.1f") : NULL;
}

struct json_object *stats_to_json(const Stats *stats, Queue *queue) {
    struct json_object *const object = json_object_new_object();
    QueueCounts counts;

    queue_get_counts(queue, &counts);
    json_put(object, "event", json_object_new_string("stats"));
    json_put(object, "version", json_object_new_string(whisper158_version()));
    json_put(object, "model", *stats->model ? json_text(stats->model, strlen(stats->model)) : NULL);
    json_put(object, "uptime_s", json_number(loop_now() - stats->started, "%.1f"));
    json_put(object, "utterances", work_to_json(stats, &counts, false));
    json_put(object, "requests", work_to_json(stats, &counts, true));
    json_put(object, "interims", count(stats->interims));
    json_put(object, "gaps", count(stats->gaps));
    json_put(object, "gap_s", json_number(stats->gap_seconds, "%.2f"));
    json_put(object, "queued", count(counts.jobs));
    json_put(object, "queued_s", json_number((double)counts.samples / WHISPER158_SAMPLE_RATE, "%.2f"));
    json_put(object, "rss_peak_mib", memory_to_json());
    return object;
}
