/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158 bench: what a model takes on this machine, stage by stage, and how much memory.
 *
 * The audio may be made up and the number of tokens is fixed, because time depends on their length alone.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "audio.h"
#include "bench_print.h"
#include "command.h"
#include "file.h"
#include "find_model.h"
#include "options.h"
#include "report.h"
#include "tuning.h"

static const char help[] = "Usage: whisper158 bench [OPTION]... [MODEL]\n"
                           "Measure the time that each stage of a transcription takes on this machine, and\n"
                           "the most memory that the program ever held.\n"
                           "\n"
                           "MODEL is a .w158 file; default: $WHISPER158_MODEL, and where that is not set\n"
                           WHISPER158_DEFAULT_MODEL "\n"
                           "\n"
                           "  -i, --input FILE         audio to hear; at most its first 30 s are used\n"
                           "      --seconds S          without --input: how much noise to hear instead, at\n"
                           "                           most 30; default: 9\n"
                           "      --audio-context N    frames of 20 ms that the encoder sees, 1 to 1500;\n"
                           "                           full (default): 1500 (30 s), however short the audio\n"
                           "                           is; auto: what \"transcribe\" would give this audio\n"
                           "      --tokens N           tokens to decode, after a prompt of 4; default: 30\n"
                           "  -r, --repeat N           how often to do it all, 1 to 1000; default: 5\n"
                           "  -t, --threads N          threads to compute with, 1 to 64; default: one for\n"
                           "                           each processor, at most 4\n"
                           "      --kernels NAME       set of kernels to compute with; default: the best\n"
                           "                           for this processor\n"
                           "      --cache FILE         what \"whisper158 tune\" found out; default: where that\n"
                           "                           keeps it\n"
                           "      --no-tuning          do without\n"
                           "      --keep-pages         do not give memory back while it is not needed\n"
                           "      --json               print one JSON object\n"
                           "  -h, --help               print this text\n"
                           "\n"
                           "The tokens are the same whatever the model says. Encoding includes the decoder's\n"
                           "keys and values of what was heard. Processor time is that of all threads.\n"
                           "\n"
                           "Exit status:\n"
                           "  0   all went well\n"
                           "  64  wrong usage\n"
                           "  65  damaged or unsuitable audio or model\n"
                           "  66  audio or model cannot be opened\n"
                           "  71  not enough memory, or no more threads\n"
                           "  74  input or output error\n";

static const char short_options[] = ":i:r:t:h";

enum {
    OPTION_SECONDS = 256,
    OPTION_AUDIO_CONTEXT,
    OPTION_TOKENS,
    OPTION_KERNELS,
    OPTION_CACHE,
    OPTION_NO_TUNING,
    OPTION_KEEP_PAGES,
    OPTION_JSON,
};

static const struct option long_options[] = {
    {"input", required_argument, NULL, 'i'},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"audio-context", required_argument, NULL, OPTION_AUDIO_CONTEXT},
    {"tokens", required_argument, NULL, OPTION_TOKENS},
    {"repeat", required_argument, NULL, 'r'},
    {"threads", required_argument, NULL, 't'},
    {"kernels", required_argument, NULL, OPTION_KERNELS},
    {"cache", required_argument, NULL, OPTION_CACHE},
    {"no-tuning", no_argument, NULL, OPTION_NO_TUNING},
    {"keep-pages", no_argument, NULL, OPTION_KEEP_PAGES},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {0},
};

enum {
    DEFAULT_SECONDS = 9,
    DEFAULT_TOKENS = 30,
    DEFAULT_REPEATS = 5,
    MAX_TOKENS = 448,
    MAX_SAMPLES = WHISPER158_WINDOW_SECONDS * WHISPER158_SAMPLE_RATE,
};

typedef struct Options {
    const char *model; /* NULL: find one */
    const char *input; /* NULL: noise */
    double seconds;    /* 0: not given */
    uint32_t frames;   /* as whisper158_options.audio_context */
    uint32_t tokens, repeats; /* 0: not given */
    whisper158_context_options machine;
    TuningChoice tuning;
    bool json, help;
} Options;

/* What takes a number or a name. Returns 0, or -EINVAL and a sentence. */
static int parse_value(Options *o, int option, const char *value, whisper158_error *error) {
    switch (option) {
    case 'r':
        return parse_number(&o->repeats, "--repeat", value, 1, MEASURE_MAX_REPEATS, error);
    case 't':
        return parse_number(&o->machine.threads, "--threads", value, 1, WHISPER158_MAX_THREADS, error);
    case OPTION_SECONDS:
        return parse_seconds(&o->seconds, "--seconds", value, 1.0 / WHISPER158_SAMPLE_RATE, WHISPER158_WINDOW_SECONDS,
                             error);
    case OPTION_AUDIO_CONTEXT:
        return parse_audio_context(&o->frames, value, error);
    case OPTION_TOKENS:
        return parse_number(&o->tokens, "--tokens", value, 1, MAX_TOKENS, error);
    default:
        return parse_kernels(&o->machine.kernels, value, error);
    }
}

/* Returns 0, or an exit status. */
static int parse_option(Options *o, int option, const char *value) {
    whisper158_error error;

    switch (option) {
    case 'i':
        o->input = value;
        return 0;
    case 'h':
        o->help = true;
        return 0;
    case OPTION_CACHE:
        o->tuning.file = value;
        return 0;
    case OPTION_NO_TUNING:
        o->tuning.none = true;
        return 0;
    case OPTION_KEEP_PAGES:
        o->machine.keep_pages = true;
        return 0;
    case OPTION_JSON:
        o->json = true;
        return 0;
    default:
        return parsed("bench", parse_value(o, option, value, &error), &error);
    }
}

/* Returns 0, or an exit status. */
static int parse_options(Options *o, int argc, char **argv) {
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        const int status = option == '?' || option == ':' ? report_option("bench", option, argv, short_options)
                                                          : parse_option(o, option, optarg);

        if (status != 0)
            return status;
    }
    if (o->help)
        return 0;
    if (argc - optind > 1)
        return report_usage("bench", "at most one MODEL can be measured at a time, not %d", argc - optind);
    if (o->input && o->seconds > 0)
        return report_usage("bench", "--seconds is for noise, and --input gives audio of its own");
    o->model = argv[optind];
    return 0;
}

/* White noise, softer than full scale, the same each time (a linear congruential generator of Numerical Recipes). */
static int make_noise(Audio *audio, double seconds, whisper158_error *error) {
    uint32_t state = 158;

    *audio = (Audio){.count = (size_t)lround(seconds * WHISPER158_SAMPLE_RATE)};
    audio->samples = malloc(audio->count * sizeof *audio->samples);
    if (!audio->samples)
        return fail(error, -ENOMEM, "no memory for %.2f s of audio", seconds);
    for (size_t i = 0; i < audio->count; i++) {
        state = state * 1664525u + 1013904223u;
        audio->samples[i] = 0.1f * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
    return 0;
}

/* Returns 0, or a negative errno and a sentence. */
static int get_audio(Audio *audio, const Options *o, whisper158_error *error) {
    whisper158_error cause;
    int r;

    if (!o->input)
        return make_noise(audio, o->seconds > 0 ? o->seconds : DEFAULT_SECONDS, error);
    r = audio_read(audio, o->input, AUDIO_MAX_SECONDS, &cause);
    return r < 0 ? fail(error, r, "%.120s %.240s", o->input, cause.text) : 0;
}

/* Fits what was asked for to the model. Returns 0, or an exit status, having said why. */
static int settle_job(Job *job, const Options *o, const whisper158_model *model, const Audio *audio) {
    whisper158_model_info info;
    uint32_t room;

    whisper158_model_get_info(model, &info);
    room = info.n_text_ctx;
    *job = (Job){.samples = audio->samples, .repeats = o->repeats ? o->repeats : DEFAULT_REPEATS};
    job->count = audio->count < MAX_SAMPLES ? audio->count : MAX_SAMPLES;
    job->shown = isatty(STDERR_FILENO) == 1;
    job->frames = o->frames;
    if (job->frames == WHISPER158_AUDIO_CONTEXT_AUTO)
        job->frames = whisper158_model_fit_audio_context(model, job->count);
    else if (job->frames == WHISPER158_AUDIO_CONTEXT_FULL)
        job->frames = info.n_audio_ctx;
    job->prompt = room > MEASURE_MAX_PROMPT ? MEASURE_MAX_PROMPT : room - 1;
    job->tokens = o->tokens;
    if (job->tokens == 0)
        job->tokens = room - job->prompt < DEFAULT_TOKENS ? room - job->prompt : DEFAULT_TOKENS;
    if (job->frames > info.n_audio_ctx)
        return report_usage("bench", "--audio-context %" PRIu32 " is more than the %" PRIu32 " frames of this model",
                            job->frames, info.n_audio_ctx);
    if (job->tokens > room - job->prompt)
        return report_usage("bench",
                            "--tokens %" PRIu32 " is more than the %" PRIu32
                            " for which this model has room after a prompt of %" PRIu32,
                            job->tokens, room - job->prompt, job->prompt);
    return 0;
}

/* The best set comes last. */
static const char *best_kernels(void) {
    const char *best = NULL;
    const char *name;

    for (uint32_t i = 0; (name = whisper158_kernels_name(i)); i++)
        best = name;
    return best;
}

static int print(const Findings *findings, bool json) {
    OutputFile out;
    whisper158_error error;
    int r;

    (void)output_open(&out, NULL, &error);
    if (json && bench_print_json(findings) < 0) {
        report("no memory to print what was found");
        return EX_OSERR;
    }
    if (!json)
        bench_print(findings);
    r = output_flush(&out, &error);
    return r < 0 ? report_output(r, &error) : 0;
}

/* Measures and prints. Returns an exit status, having said why. */
static int bench_model(Findings *f, whisper158_context *context, const Options *o, const Audio *audio) {
    whisper158_model_info info;
    whisper158_error error;
    int status;
    int r;

    whisper158_model_get_info(f->model, &info);
    status = settle_job(&f->job, o, f->model, audio);
    if (status != 0)
        return status;
    f->kernels = o->machine.kernels ? o->machine.kernels : best_kernels();
    f->threads = o->machine.threads;
    f->seconds = fmin((double)f->job.count / WHISPER158_SAMPLE_RATE,
                      (double)f->job.frames / WHISPER158_FRAMES_PER_SECOND);
    r = measure(f->stages, context, &info, &f->job, &error);
    report_clear();
    if (r < 0) {
        report("%s", error.text);
        return exit_status(r);
    }
    f->memory = measure_memory();
    return print(f, o->json);
}

static int run(const Options *o) {
    Findings findings = {0};
    Audio audio = {0};
    whisper158_model *model = NULL;
    whisper158_context *context = NULL;
    whisper158_tuning *tuning = NULL;
    whisper158_context_options machine = o->machine;
    whisper158_error error;
    Seconds start;
    int status;
    int r;

    r = get_audio(&audio, o, &error);
    start = measure_clock();
    if (r >= 0)
        r = find_model(&model, o->model, &error);
    if (r >= 0) {
        machine.tuning = tuning = tuning_find(model, &o->tuning, false);
        r = whisper158_context_new(&context, model, &machine, &error);
    }
    findings.load = measure_since(start);
    findings.model = model;
    /* One that is for other kernels than were asked for has no effect. */
    if (tuning && (!o->machine.kernels || strcmp(o->machine.kernels, whisper158_tuning_get_kernels(tuning)) == 0))
        findings.tuned = tuning;
    if (r < 0)
        report("%s", error.text);
    status = r < 0 ? exit_status(r) : bench_model(&findings, context, o, &audio);
    (void)whisper158_context_free(context);
    (void)whisper158_tuning_free(tuning);
    (void)whisper158_model_close(model);
    audio_free(&audio);
    return status;
}

int command_bench(int argc, char **argv) {
    Options options = {.frames = WHISPER158_AUDIO_CONTEXT_FULL};
    const int status = parse_options(&options, argc, argv);

    if (status != 0)
        return status;
    return options.help ? print_help(help) : run(&options);
}
