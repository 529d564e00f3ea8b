/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158 transcribe: audio files in, text out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "audio.h"
#include "command.h"
#include "file.h"
#include "find_model.h"
#include "progress.h"
#include "report.h"
#include "settings.h"
#include "transcript.h"

enum {
    PROGRESS_SECONDS = 30, /* of audio that are worth a progress report */
};

/* What the files have in common. */
typedef struct Run {
    const Settings *settings;
    whisper158_model *model;
    whisper158_context *context;
    OutputFile output;
    int n_done;
    bool stop; /* what went wrong would go wrong with every file */
} Run;

/* One file under way: what the callbacks need. */
typedef struct Job {
    Run *run;
    Transcript transcript;
    Progress progress;
    whisper158_error error;
    int output_failure; /* negative errno of a callback that could not write, 0 otherwise */
    whisper158_error output_error;
} Job;

static int on_segment(void *user, const whisper158_segment *segment) {
    Job *const job = user;
    OutputFile *const output = &job->run->output;

    if (transcript_add(&job->transcript, segment) < 0)
        return -ENOMEM;
    if (job->run->settings->form != FORM_TIMESTAMPS)
        return 0;
    report_clear();
    transcript_write_line(output->stream, &job->transcript, &job->transcript.segments[job->transcript.n_segments - 1]);
    job->output_failure = output_flush(output, &job->output_error);
    return job->output_failure;
}

static int on_progress(void *user, uint64_t done, uint64_t total) {
    Job *const job = user;

    progress_update(&job->progress, done, total);
    return 0;
}

static bool shows_progress(const Settings *s, double seconds) {
    return !s->quiet && (s->progress == WHEN_ALWAYS || (s->progress == WHEN_AUTO && seconds > PROGRESS_SECONDS));
}

/* Returns an exit status, having said why. */
static int explain_failure(Job *job, const char *name, int r) {
    if (job->output_failure < 0) {
        job->run->stop = true;
        return report_output(job->output_failure, &job->output_error);
    }
    if (r == -ECANCELED) {
        report("%s: no memory for its text", name);
        return EX_OSERR;
    }
    if (r == -EINVAL) {
        job->run->stop = true;
        return report_usage("transcribe", "%s", job->error.text);
    }
    report("%s: %s", name, job->error.text);
    return exit_status(r);
}

/* Transcribes the samples and writes the result. Returns an exit status, having said why. */
static int transcribe_audio(Job *job, const char *name, const Audio *audio) {
    Run *const run = job->run;
    const Settings *const s = run->settings;
    Transcript *const transcript = &job->transcript;
    whisper158_options options = s->listen;
    int r;

    transcript->duration = (double)audio->count / WHISPER158_SAMPLE_RATE;
    progress_start(&job->progress, name, shows_progress(s, transcript->duration));
    options.progress = on_progress;
    options.user = job;
    r = whisper158_transcribe(run->context, audio->samples, audio->count, &options, on_segment, job, &job->error);
    report_clear();
    if (r < 0)
        return explain_failure(job, name, r);

    transcript->seconds = now() - job->progress.started;
    whisper158_context_get_timings(run->context, &transcript->timings);
    if (transcript_write(run->output.stream, transcript, s->form, run->model) < 0) {
        report("%s: no memory for its text", name);
        return EX_OSERR;
    }
    r = output_flush(&run->output, &job->error);
    if (r < 0) {
        run->stop = true;
        return report_output(r, &job->error);
    }
    run->n_done++;
    return 0;
}

static int transcribe_file(Run *run, const char *path) {
    const char *const name = strcmp(path, "-") == 0 ? "standard input" : path;
    Job job = {.run = run, .transcript.file = path};
    Audio audio;
    int status;
    int r;

    r = audio_read(&audio, path, AUDIO_MAX_SECONDS, &job.error);
    if (r < 0) {
        report("%s %s", name, job.error.text);
        return exit_status(r);
    }
    if (audio.warning.text[0] && !run->settings->quiet)
        report("%s %s", name, audio.warning.text);
    status = transcribe_audio(&job, name, &audio);
    audio_free(&audio);
    transcript_free(&job.transcript);
    return status;
}

/* Transcribes all files into run->output. Returns the status of the first failure. */
static int transcribe_files(Run *run) {
    const Settings *const s = run->settings;
    whisper158_error error;
    int status = 0;
    int r;

    for (int i = 0; i < s->n_files && !run->stop; i++) {
        const int failure = transcribe_file(run, s->files[i]);

        status = status != 0 ? status : failure;
    }
    if (run->n_done == 0 || run->stop) {
        output_discard(&run->output);
        return status;
    }
    r = output_commit(&run->output, &error);
    if (r < 0) {
        const int failure = report_output(r, &error);

        status = status != 0 ? status : failure;
    }
    return status;
}

/* Who asks for a fitted context shall know when there is none. */
static void warn_of_context(const Settings *settings, const whisper158_model *model) {
    whisper158_model_info info;

    whisper158_model_get_info(model, &info);
    if (settings->fit && !settings->quiet && info.min_audio_ctx == info.n_audio_ctx)
        report("the model was validated for its full context only, so --audio-context auto is full: %" PRIu32 " frames",
               info.n_audio_ctx);
}

/* Opens the model and makes a context. Returns 0, or a negative errno and a sentence. */
static int start(Run *run, whisper158_error *error) {
    const Settings *const s = run->settings;
    whisper158_context_options machine = s->machine;
    whisper158_tuning *tuning;
    int r = find_model(&run->model, s->model, error);

    if (r < 0)
        return r;
    machine.tuning = tuning = tuning_find(run->model, &s->tuning, s->quiet);
    r = whisper158_context_new(&run->context, run->model, &machine, error);
    (void)whisper158_tuning_free(tuning);
    return r;
}

static int run(const Settings *settings) {
    Run run = {.settings = settings};
    whisper158_error error;
    int status;
    int r;

    r = start(&run, &error);
    status = r < 0 ? exit_status(r) : 0;
    if (r >= 0) {
        warn_of_context(settings, run.model);
        r = output_open(&run.output, settings->output, &error);
        status = r < 0 ? EX_CANTCREAT : transcribe_files(&run);
    }
    if (r < 0)
        report("%s", error.text);
    run.context = whisper158_context_free(run.context);
    run.model = whisper158_model_close(run.model);
    return status;
}

int command_transcribe(int argc, char **argv) {
    Settings settings;
    const int status = settings_parse(&settings, argc, argv);

    if (status != 0)
        return status;
    return settings.help ? print_help(settings_help) : run(&settings);
}
