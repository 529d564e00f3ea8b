/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158 tune: measures which kernels, packings and numbers of threads are fastest for a model on this machine,
 * keeps what it found where the other commands look for it, and rewrites the model in the packings that won.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "file.h"
#include "find_model.h"
#include "options.h"
#include "report.h"
#include "tune_print.h"
#include "tuning.h"

static const char help[] = "Usage: whisper158 tune [OPTION]... [MODEL]\n"
                           "Measure which of the kernels, and how many threads, compute MODEL fastest on\n"
                           "this machine, and keep the answer for transcribe and bench. Speed changes;\n"
                           "results never do.\n"
                           "\n"
                           "MODEL is a .w158 file; default: $WHISPER158_MODEL, and where that is not set\n"
                           WHISPER158_DEFAULT_MODEL "\n"
                           "\n"
                           "      --budget SECONDS     how long to measure, about, at most 86400; default:\n"
                           "                           60. One short run of each candidate is the least\n"
                           "  -t, --threads N          the most threads to try, 1 to 64; default: one for\n"
                           "                           each processor\n"
                           "      --cache FILE         keep the answer in FILE; default: a file for each\n"
                           "                           model in $CACHE_DIRECTORY, else in\n"
                           "                           $XDG_CACHE_HOME/whisper158, else in\n"
                           "                           ~/.cache/whisper158\n"
                           "      --explain            print each shape of layer and its candidates: their\n"
                           "                           speed in 10^9 multiply-accumulates a second of one\n"
                           "                           processor, how often each was measured, which is\n"
                           "                           used with the model as it is, and which one of all\n"
                           "                           packings won\n"
                           "      --json               the same as one JSON object\n"
                           "      --retarget OUT       write the model to OUT, with ternary weights in the\n"
                           "                           packings that won; they and all else stay the same\n"
                           "  -h, --help               print this text\n"
                           "\n"
                           "--explain, --json and --retarget take an answer that is there already, without\n"
                           "measuring again; with --budget or --threads they measure. An answer that was\n"
                           "found on another machine, by another version or for another model is not used.\n"
                           "\n"
                           "Exit status:\n"
                           "  0   all went well\n"
                           "  64  wrong usage\n"
                           "  65  damaged or unsuitable model\n"
                           "  66  model cannot be opened\n"
                           "  71  not enough memory, or no more threads\n"
                           "  73  output cannot be created\n"
                           "  74  input or output error\n";

static const char short_options[] = ":t:h";

enum {
    OPTION_BUDGET = 256,
    OPTION_CACHE,
    OPTION_EXPLAIN,
    OPTION_JSON,
    OPTION_RETARGET,
};

static const struct option long_options[] = {
    {"budget", required_argument, NULL, OPTION_BUDGET},
    {"threads", required_argument, NULL, 't'},
    {"cache", required_argument, NULL, OPTION_CACHE},
    {"explain", no_argument, NULL, OPTION_EXPLAIN},
    {"json", no_argument, NULL, OPTION_JSON},
    {"retarget", required_argument, NULL, OPTION_RETARGET},
    {"help", no_argument, NULL, 'h'},
    {0},
};

enum {
    MAX_BUDGET = 86400,
    SHOWN_SECONDS = 10, /* of measuring, that are worth progress reports to something that is no terminal */
};

typedef struct Options {
    const char *model;    /* NULL: find one */
    const char *cache;    /* NULL: in its usual place */
    const char *retarget; /* NULL: not asked for */
    double budget;        /* 0: not given */
    uint32_t threads;     /* 0: not given */
    bool explain, json, help;
} Options;

/* ------------------------------------------------------------------------------------------------------ options */

/* Returns 0, or an exit status. */
static int parse_option(Options *o, int option, const char *value) {
    whisper158_error error;

    switch (option) {
    case 't':
        return parsed("tune", parse_number(&o->threads, "--threads", value, 1, WHISPER158_MAX_THREADS, &error), &error);
    case 'h':
        o->help = true;
        return 0;
    case OPTION_BUDGET:
        return parsed("tune", parse_seconds(&o->budget, "--budget", value, 0.0, MAX_BUDGET, &error), &error);
    case OPTION_CACHE:
        return parsed("tune", parse_file(&o->cache, "--cache", value, &error), &error);
    case OPTION_EXPLAIN:
        o->explain = true;
        return 0;
    case OPTION_JSON:
        o->json = true;
        return 0;
    case OPTION_RETARGET:
        return parsed("tune", parse_file(&o->retarget, "--retarget", value, &error), &error);
    default:
        return EX_SOFTWARE;
    }
}

static bool same_file(const char *a, const char *b) {
    struct stat x, y;

    return a && b && stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Nothing that is written may take the place of the model. Returns 0, or an exit status. */
static int check_outputs(const Options *o) {
    const char *const model = find_model_path(o->model);

    if (same_file(o->retarget, model))
        return report_usage("tune", "--retarget %s would overwrite the model that it is made from", o->retarget);
    if (same_file(o->cache, model))
        return report_usage("tune", "--cache %s would overwrite the model", o->cache);
    if (o->retarget && o->cache && (strcmp(o->retarget, o->cache) == 0 || same_file(o->retarget, o->cache)))
        return report_usage("tune", "--retarget and --cache name the same file");
    return 0;
}

/* Returns 0, or an exit status. */
static int parse_options(Options *o, int argc, char **argv) {
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        const int status = option == '?' || option == ':' ? report_option("tune", option, argv, short_options)
                                                          : parse_option(o, option, optarg);

        if (status != 0)
            return status;
    }
    if (o->help)
        return 0;
    if (argc - optind > 1)
        return report_usage("tune", "at most one MODEL can be tuned at a time, not %d", argc - optind);
    if (o->explain && o->json)
        return report_usage("tune", "only one of --explain and --json can be had at a time");
    o->model = argv[optind];
    return check_outputs(o);
}

/* --------------------------------------------------------------------------------------------------------- tune */

typedef struct Shown {
    bool terminal, at_all;
    unsigned tenths; /* that have been told */
} Shown;

static int on_progress(void *user, double share) {
    Shown *const shown = user;
    const unsigned tenths = (unsigned)(10 * share);
    void (*const say)(const char *, ...) = shown->terminal ? report_transient : report;

    if (shown->at_all && (shown->terminal || tenths > shown->tenths))
        say("%3.0f %% of the time for measuring", 100 * share);
    shown->tenths = tenths;
    return 0;
}

static int measure(whisper158_tuning **out, const whisper158_model *model, const Options *o, whisper158_error *error) {
    Shown shown = {.terminal = isatty(STDERR_FILENO) == 1};
    const whisper158_tune_options options = {
        .seconds = o->budget, .threads = o->threads, .progress = on_progress, .user = &shown};
    int r;

    shown.at_all = shown.terminal || o->budget == 0 || o->budget > SHOWN_SECONDS;
    r = whisper158_tune(out, model, &options, error);
    report_clear();
    return r;
}

/* Whether a file can be written, before much time is spent on what would stand in it. */
static int try_output(const char *path, whisper158_error *error) {
    OutputFile out;
    struct stat status;
    int r;

    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return 0; /* opening a device may do something */
    r = output_open(&out, path, error);
    if (r >= 0)
        output_discard(&out);
    return r;
}

typedef struct Retarget {
    OutputFile out;
    whisper158_error error;
} Retarget;

static int write_bytes(void *user, const void *bytes, size_t size) {
    Retarget *const job = user;

    errno = 0;
    if (fwrite(bytes, 1, size, job->out.stream) == size)
        return 0;
    return fail(&job->error, errno ? -errno : -EIO, "%s cannot be written: %s", job->out.name,
                strerror(errno ? errno : EIO));
}

/* Returns an exit status, having said why. */
static int retarget(const whisper158_model *model, const whisper158_tuning *tuning, const char *path) {
    whisper158_retargeted told;
    whisper158_model_info info;
    Retarget job = {0};
    int r = output_open(&job.out, path, &job.error);

    if (r < 0) {
        report("%s", job.error.text);
        return EX_CANTCREAT;
    }
    r = whisper158_retarget(model, tuning, write_bytes, &job, &told, &job.error);
    if (r < 0)
        output_discard(&job.out);
    else
        r = output_commit(&job.out, &job.error);
    if (r < 0) {
        report("%s", job.error.text);
        return r == -ENOMEM ? EX_OSERR : EX_IOERR;
    }
    whisper158_model_get_info(model, &info);
    report("%s: %" PRIu32 " of %" PRIu32 " ternary matrices repacked, %" PRIu64 " bytes instead of %" PRIu64, path,
           told.repacked, told.matrices, told.file_size, info.file_size);
    return 0;
}

/* Returns an exit status, having said why. */
static int print(const whisper158_tuning *tuning, const Options *o, const char *file, bool is_new) {
    OutputFile out;
    whisper158_error error;
    int r = 0;

    if (o->json)
        r = tune_print_json(tuning, file, is_new);
    else if (o->explain)
        tune_print(tuning, file, is_new);
    if (r < 0) {
        report("no memory for the table");
        return EX_OSERR;
    }
    (void)output_open(&out, NULL, &error);
    r = output_flush(&out, &error);
    return r < 0 ? report_output(r, &error) : 0;
}

/* A tuning, read or measured and then kept. Returns an exit status, having said why. */
static int get_tuning(whisper158_tuning **out, bool *is_new, const whisper158_model *model, const Options *o,
                      const char *file) {
    const bool old_will_do = (o->explain || o->json || o->retarget) && o->budget == 0 && o->threads == 0;
    whisper158_error error;
    int r = old_will_do ? tuning_load(out, model, file, &error) : -ENOENT;

    *is_new = r < 0;
    if (r >= 0)
        return 0;
    if (r != -ENOENT && r != -ENOTDIR)
        report("measuring anew, for an earlier answer is of no use: %s", error.text);
    tuning_make_folders(file);
    r = try_output(file, &error);
    if (r >= 0 && o->retarget)
        r = try_output(o->retarget, &error);
    if (r < 0) {
        report("%s", error.text);
        return EX_CANTCREAT;
    }
    r = measure(out, model, o, &error);
    if (r < 0) {
        report("%s", error.text);
        return exit_status(r);
    }
    r = tuning_save(*out, file, &error);
    if (r < 0) {
        report("%s", error.text);
        return EX_IOERR;
    }
    report("kept in %s: %" PRIu32 " threads to encode, %" PRIu32 " to decode", file,
           tuned_threads(*out, WHISPER158_TUNED_ENCODE), tuned_threads(*out, WHISPER158_TUNED_DECODE));
    return 0;
}

static int tune_model(const whisper158_model *model, const Options *o, const char *file) {
    whisper158_tuning *tuning = NULL;
    bool is_new;
    int status = get_tuning(&tuning, &is_new, model, o, file);

    if (status == 0)
        status = print(tuning, o, file, is_new);
    if (status == 0 && o->retarget)
        status = retarget(model, tuning, o->retarget);
    (void)whisper158_tuning_free(tuning);
    return status;
}

static int run(const Options *o) {
    whisper158_model *model = NULL;
    whisper158_error error;
    char *usual = NULL;
    int status;
    const int r = find_model(&model, o->model, &error);

    if (r < 0) {
        report("%s", error.text);
        return exit_status(r);
    }
    if (!o->cache)
        usual = tuning_path(model);
    if (o->cache || usual)
        status = tune_model(model, o, o->cache ? o->cache : usual);
    else
        status = report_usage("tune", "there is no place to keep the answer in, as HOME is not set; give --cache FILE");
    free(usual);
    (void)whisper158_model_close(model);
    return status;
}

int command_tune(int argc, char **argv) {
    Options options = {0};
    const int status = parse_options(&options, argc, argv);

    if (status != 0)
        return status;
    return options.help ? print_help(help) : run(&options);
}
