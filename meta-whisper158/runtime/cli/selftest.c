/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158 selftest: whether this machine, with this model, gives the right words. It needs neither a network nor a sound
 * card: a recording of three seconds and a small model with every format of weights come with the program.
 */
#include <ctype.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "audio.h"
#include "command.h"
#include "file.h"
#include "find_model.h"
#include "json.h"
#include "progress.h"
#include "report.h"
#include "selftest_kernels.h"
#include "transcript.h"
#include "verdict.h"
#include "whisper158.h"

/* What is said in the recording, and how much of it a model may get wrong: the smallest ones are no perfect listeners, but
 * kernels or weights that are broken get nothing right. */
#define SAID "ask what you can do for your country"
enum {
    MAX_WORDS = 32, /* that are looked at */
    MAX_WRONG = 2,  /* of 8 */
};

enum { EXIT_FAILED = 1 };

static const char help[] = "Usage: whisper158 selftest [OPTION]...\n"
                           "Check, without a network or a microphone, that this machine gives the right\n"
                           "words: kernels against the reference, the model's checksums, its detector of\n"
                           "speech, and its words for a recording.\n"
                           "\n"
                           "  -m, --model FILE   the model; default: as whisper158 transcribe\n"
                           "      --data FOLDER  where the recording (speech.wav) and the small model\n"
                           "                     (model.w158) lie; default: where they were installed\n"
                           "      --json         print one JSON object\n"
                           "  -h, --help         print this text\n"
                           "\n"
                           "Exit status:\n"
                           "  0   nothing failed\n"
                           "  1   something did\n"
                           "  64  wrong usage\n"
                           "  71  not enough memory\n"
                           "  74  output error\n";

static const char short_options[] = ":m:h";

static const struct option long_options[] = {
    {"model", required_argument, NULL, 'm'},
    {"data", required_argument, NULL, 'd'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

typedef struct Options {
    const char *model, *data;
    bool json;
} Options;

typedef struct Check {
    const char *name;
    Verdict verdict;
    double seconds;
} Check;

enum { KERNELS, MODEL, DETECTOR, WORDS, N_CHECKS };

/* ---------------------------------------------------------------------------------------------------------------- checks */

/* Opens the model, and with it checks every checksum. NULL: as whisper158 transcribe does. *model stays NULL on failure. */
static void check_model(Verdict *out, whisper158_model **model, const char *path) {
    whisper158_model_info info;
    whisper158_error error;
    const char *name;
    int length;

    if (find_model(model, path, &error) < 0) {
        verdict(out, FAILED, "%s", error.text);
        return;
    }
    whisper158_model_get_info(*model, &info);
    length = whisper158_model_get_provenance(*model, "name", &name);
    if (length < 0) {
        name = "no name";
        length = (int)strlen(name);
    }
    verdict(out, PASSED, "%.*s, %" PRIu32 " sections, %" PRIu64 " bytes, all checksums are right",
            length > 64 ? 64 : length, name, info.n_sections, info.file_size);
}

/* The part of all frames of `count` samples (NULL: silence) in which the detector hears speech. */
static double heard(whisper158_vad *vad, const float *samples, size_t count) {
    static const float silence[WHISPER158_VAD_FRAME];
    size_t frames = 0, speech = 0;

    whisper158_vad_reset(vad);
    for (size_t at = 0; at + WHISPER158_VAD_FRAME <= count; at += WHISPER158_VAD_FRAME, frames++)
        speech += whisper158_vad_run(vad, samples ? samples + at : silence) > 0.5f;
    return frames ? (double)speech / (double)frames : 0;
}

/* The model's detector, with the recording and without a sound. */
static void check_detector(Verdict *out, const whisper158_model *model, const Audio *speech) {
    whisper158_vad *vad = NULL;
    whisper158_error error;
    double in_speech, in_silence;

    if (whisper158_vad_new(&vad, model, &error) < 0) {
        verdict(out, SKIPPED, "%s", error.text);
        return;
    }
    in_speech = heard(vad, speech->samples, speech->count);
    in_silence = heard(vad, NULL, speech->count);
    (void)whisper158_vad_free(vad);
    verdict(out, in_speech > 0.5 && in_silence == 0 ? PASSED : FAILED,
            "speech in %.0f %% of the recording, in %.0f %% of silence", 100 * in_speech, 100 * in_silence);
}

typedef struct Words {
    char text[512]; /* lower case, one space between them */
    const char *at[MAX_WORDS];
    size_t count;
} Words;

/* Words are letters; what else there is stands between them. */
static void split(Words *out, const char *text, size_t length) {
    size_t used = 0;
    bool inside = false;

    out->count = 0;
    for (size_t i = 0; i < length && used + 2 < sizeof out->text; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool letter = isalpha(c) || c == '\'';

        if (letter && !inside && out->count == MAX_WORDS)
            break;
        if (letter && !inside)
            out->at[out->count++] = out->text + used;
        if (letter)
            out->text[used++] = (char)tolower(c);
        else if (inside)
            out->text[used++] = '\0';
        inside = letter;
    }
    out->text[used] = '\0';
}

static size_t least(size_t a, size_t b, size_t c) {
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Words to replace, leave out or put in (Levenshtein). */
static size_t words_wrong(const Words *a, const Words *b) {
    size_t row[MAX_WORDS + 1];

    for (size_t j = 0; j <= b->count; j++)
        row[j] = j;
    for (size_t i = 0; i < a->count; i++) {
        size_t corner = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b->count; j++) {
            const size_t above = row[j + 1];

            row[j + 1] = least(above + 1, row[j] + 1, corner + (strcmp(a->at[i], b->at[j]) != 0));
            corner = above;
        }
    }
    return row[b->count];
}

static int collect(void *user, const whisper158_segment *segment) {
    return transcript_add(user, segment);
}

/* Weights that were never learnt say nothing; who made them up says so in the provenance. */
static bool has_learnt(const whisper158_model *model) {
    const char *source;
    const int length = whisper158_model_get_provenance(model, "source", &source);
    static const char *const made_up[] = {"generated", "made up"};

    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; i++)
        if (length == (int)strlen(made_up[i]) && memcmp(source, made_up[i], (size_t)length) == 0)
            return false;
    return true;
}

static void judge(Verdict *out, const Transcript *transcript) {
    size_t length, wrong;
    const char *const text = transcript_text(transcript, &length);
    Words want, have;

    split(&want, SAID, strlen(SAID));
    split(&have, text, length);
    wrong = words_wrong(&want, &have);
    verdict(out, wrong <= MAX_WRONG ? PASSED : FAILED, "%zu of %zu wrong in \"%.*s\"%s", wrong, want.count,
            length > 200 ? 200 : (int)length, text, wrong == 0 ? "" : "; what is said is \"" SAID "\"");
}

/* The model's words for the recording. */
static void check_words(Verdict *out, const whisper158_model *model, const Audio *speech) {
    whisper158_options options = WHISPER158_OPTIONS_DEFAULT;
    Transcript transcript = {0};
    whisper158_context *context = NULL;
    whisper158_error error;
    int r;

    if (!has_learnt(model)) {
        verdict(out, SKIPPED, "the model's weights are made up: it knows no words");
        return;
    }
    options.language = "en";
    r = whisper158_context_new(&context, model, NULL, &error);
    if (r >= 0)
        r = whisper158_transcribe(context, speech->samples, speech->count, &options, collect, &transcript, &error);
    if (r < 0)
        verdict(out, FAILED, "%s", error.text);
    else
        judge(out, &transcript);
    transcript_free(&transcript);
    (void)whisper158_context_free(context);
}

/* ---------------------------------------------------------------------------------------------------------------- report */

static const char *const result_names[] = {[PASSED] = "ok", [FAILED] = "FAILED", [SKIPPED] = "skipped"};

static void print_check(const Check *check) {
    (void)printf("%-9s %-8s", check->name, result_names[check->verdict.result]);
    for (const char *c = check->verdict.text; *c; c++) /* names of files and models may be any bytes */
        (void)putchar(iscntrl((unsigned char)*c) ? '?' : *c);
    (void)printf(" (%.1f s)\n", check->seconds);
    (void)fflush(stdout);
}

static struct json_object *describe(const Check *check) {
    static const char *const names[] = {[PASSED] = "ok", [FAILED] = "failed", [SKIPPED] = "skipped"};
    struct json_object *const object = json_object_new_object();

    json_put(object, "name", json_text(check->name, strlen(check->name)));
    json_put(object, "result", json_object_new_string(names[check->verdict.result]));
    json_put(object, "text", json_text(check->verdict.text, strlen(check->verdict.text)));
    json_put(object, "seconds", json_number(check->seconds, "%.3f"));
    return object;
}

static int print_json(const Check checks[N_CHECKS], bool passed) {
    struct json_object *const object = json_object_new_object();
    struct json_object *const list = json_object_new_array();

    for (size_t i = 0; i < N_CHECKS && list; i++)
        (void)json_object_array_add(list, describe(&checks[i]));
    json_put(object, "passed", json_object_new_boolean(passed));
    json_put(object, "version", json_object_new_string(whisper158_version()));
    json_put(object, "checks", list);
    return json_print(stdout, object);
}

/* ------------------------------------------------------------------------------------------------------------------- all */

typedef struct Files {
    char model[4096], speech[4096];
} Files;

static int find_files(Files *out, const char *folder) {
    const int model = snprintf(out->model, sizeof out->model, "%s/model.w158", folder);
    const int speech = snprintf(out->speech, sizeof out->speech, "%s/speech.wav", folder);

    if (model >= (int)sizeof out->model || speech >= (int)sizeof out->speech)
        return report_usage("selftest", "--data is too long to be the name of a folder");
    return 0;
}

typedef struct Run {
    const Options *options;
    Files files;
    Audio speech;
    whisper158_error speech_error; /* empty, or why there is none */
    whisper158_model *model;
} Run;

static void check(Verdict *out, Run *run, int which) {
    if (which == KERNELS)
        check_kernels(out, run->files.model);
    else if (which == MODEL)
        check_model(out, &run->model, run->options->model);
    else if (!run->model)
        verdict(out, SKIPPED, "there is no model to try");
    else if (!run->speech.samples)
        verdict(out, FAILED, "%.250s %.200s", run->files.speech, run->speech_error.text);
    else if (which == DETECTOR)
        check_detector(out, run->model, &run->speech);
    else
        check_words(out, run->model, &run->speech);
}

/* Returns whether nothing failed. */
static bool check_all(Check checks[N_CHECKS], Run *run) {
    static const char *const names[] = {
        [KERNELS] = "kernels", [MODEL] = "model", [DETECTOR] = "detector", [WORDS] = "words"};
    bool passed = true;

    for (int i = 0; i < N_CHECKS; i++) {
        const double began = now();

        checks[i].name = names[i];
        check(&checks[i].verdict, run, i);
        checks[i].seconds = now() - began;
        passed &= checks[i].verdict.result != FAILED;
        if (!run->options->json)
            print_check(&checks[i]);
    }
    return passed;
}

static int selftest(const Options *options) {
    enum { SECONDS = 30 };
    static Check checks[N_CHECKS];
    static Run run;
    bool passed;
    int status;

    run.options = options;
    status = find_files(&run.files, options->data);
    if (status != 0)
        return status;
    (void)audio_read(&run.speech, run.files.speech, SECONDS, &run.speech_error);
    passed = check_all(checks, &run);
    audio_free(&run.speech);
    run.model = whisper158_model_close(run.model);
    if (options->json && print_json(checks, passed) < 0) {
        report("no memory to describe the checks");
        return EX_OSERR;
    }
    status = finish_output();
    return status != 0 ? status : passed ? 0 : EXIT_FAILED;
}

int command_selftest(int argc, char **argv) {
    Options options = {.data = WHISPER158_SELFTEST_DATA};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
        switch (option) {
        case 'm':
            options.model = optarg;
            break;
        case 'd':
            options.data = optarg;
            break;
        case 'j':
            options.json = true;
            break;
        case 'h':
            return print_help(help);
        default:
            return report_option("selftest", option, argv, short_options);
        }
    if (optind < argc)
        return report_usage("selftest", "there is nothing that %s could mean", argv[optind]);
    return selftest(&options);
}
