/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158 info: what a model file holds, for people; with --json for programs.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"
#include "file.h"
#include "info_json.h"
#include "measure.h"
#include "need.h"
#include "options.h"
#include "report.h"
#include "summary.h"

static const char help[] = "Usage: whisper158 info [OPTION]... MODEL\n"
                           "Show what a model file (.w158) holds: its kind, dimensions, formats, the size\n"
                           "of its parts, and where it comes from.\n"
                           "\n"
                           "  -s, --sections         list every section of the file too\n"
                           "      --json             print one JSON object\n"
                           "  -h, --help             print this text\n"
                           "\n"
                           "  -M, --memory           show instead how much memory a transcription takes,\n"
                           "                         phase by phase (with --json: as well)\n"
                           "      --seconds S        of so much audio, at most 14400; default: a window's\n"
                           "      --audio-context N  in windows of N frames; auto (default) and full as for\n"
                           "                         whisper158 transcribe\n"
                           "      --tokens N         that hold N tokens; default: 4, and 4 for each second\n"
                           "  -t, --threads N        with N threads, 1 to 64; default: one for each\n"
                           "                         processor, at most 4\n"
                           "\n"
                           "Exit status:\n"
                           "  0   all went well\n"
                           "  64  wrong usage\n"
                           "  65  damaged or unsuitable model\n"
                           "  66  the model cannot be opened\n"
                           "  71  not enough memory\n"
                           "  74  output error\n";

static const char short_options[] = ":sMt:h";

enum {
    OPTION_SECONDS = 256,
    OPTION_AUDIO_CONTEXT,
    OPTION_TOKENS,
};

enum { MAX_TOKENS = 448 };

static const struct option long_options[] = {
    {"sections", no_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"memory", no_argument, NULL, 'M'},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"audio-context", required_argument, NULL, OPTION_AUDIO_CONTEXT},
    {"tokens", required_argument, NULL, OPTION_TOKENS},
    {"threads", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void print_provenance_value(const whisper158_model *model, const char *key) {
    const char *value;
    const int length = whisper158_model_get_provenance(model, key, &value);

    if (length >= 0)
        (void)printf("%.*s\n", length, value);
    else
        (void)puts("not known");
}

static void print_languages(const whisper158_model *model, const whisper158_model_info *info) {
    const char *code;

    if (info->n_languages == 0) {
        (void)puts("English only");
        return;
    }
    (void)printf("%" PRIu32 " languages:", info->n_languages);
    for (uint32_t i = 0; (code = whisper158_model_get_language(model, i)); i++)
        (void)printf("%s %s", i > 0 && i % 20 == 0 ? "\n                 " : "", code);
    (void)putchar('\n');
}

static void print_formats(const Summary *summary) {
    for (const LinearFormat *f = summary->formats; f != summary->formats + summary->n_formats; f++) {
        (void)printf("%-18s%" PRIu32 " in %s", f == summary->formats ? "Linear layers" : "", f->count, f->dtype);
        if (strcmp(f->packing, "plain") != 0)
            (void)printf(", packed as %s", f->packing);
        if (f->group == WHOLE_ROW)
            (void)fputs(", a scale for each row", stdout);
        else if (f->group > 0)
            (void)printf(", a scale for every %" PRIu32 " channels", f->group);
        (void)printf(": %.3f bits per weight\n", bits_per_weight(f));
    }
}

static void print_parts(const Summary *summary) {
    static const char *const names[N_PARTS] = {
        "encoder", "decoder", "embedding, head", "vocabulary, filters", "detector of speech", "other",
    };

    for (Part part = 0; part < N_PARTS; part++)
        (void)printf("  %-20s%12" PRIu64 " bytes\n", names[part], summary->bytes[part]);
}

static void print_provenance(const whisper158_model *model) {
    const char *text;
    size_t left = whisper158_model_get_provenance_text(model, &text);
    Line line;

    (void)puts("Provenance");
    while (next_line(&text, &left, &line)) {
        const int gap = line.key_length < 15 ? 16 - (int)line.key_length : 1;

        (void)printf("  %.*s%*s%.*s\n", (int)line.key_length, line.key, gap, "", (int)line.value_length, line.value);
    }
}

static void print_section(const whisper158_section *section) {
    char shape[64] = "";

    for (uint32_t i = 0; i < section->rank; i++) {
        const size_t used = strlen(shape);

        (void)snprintf(shape + used, sizeof shape - used, "%s%" PRIu32, i ? " x " : "", section->shape[i]);
    }
    (void)printf("%-44s %-5s %-6s %-16s %6" PRIu32 " %11" PRIu64 " %11" PRIu64 "\n", section->name, section->dtype,
                 section->packing, shape, section->group, section->offset, section->size);
}

static void print_sections(const whisper158_model *model) {
    whisper158_section section;

    (void)printf("\n%-44s %-5s %-6s %-16s %6s %11s %11s\n", "Section", "dtype", "packed", "shape", "group", "offset",
                 "bytes");
    for (uint32_t i = 0; whisper158_model_get_section(model, i, &section) >= 0; i++)
        print_section(&section);
}

static void print_summary(const whisper158_model *model, const Summary *summary) {
    const whisper158_model_info *const info = &summary->info;

    (void)printf("%-18s", "Name");
    print_provenance_value(model, "name");
    (void)printf("%-18s", "Format");
    print_provenance_value(model, "format");
    (void)printf("%-18s", "Kind");
    print_languages(model, info);
    (void)printf("%-18s%" PRIu32 " layers, %" PRIu32 " wide, %" PRIu32 " heads; %" PRIu32 " mel bands, %" PRIu32
                 " frames (%.1f s)\n",
                 "Encoder", info->n_audio_layer, info->n_audio_state, info->n_audio_head, info->n_mels,
                 info->n_audio_ctx, (double)info->n_audio_ctx / WHISPER158_FRAMES_PER_SECOND);
    (void)printf("%-18s%" PRIu32 " layers, %" PRIu32 " wide, %" PRIu32 " heads; %" PRIu32 " tokens of text\n",
                 "Decoder", info->n_text_layer, info->n_text_state, info->n_text_head, info->n_text_ctx);
    (void)printf("%-18s%" PRIu32 " tokens\n", "Vocabulary", info->n_vocab);
    (void)printf("%-18s%" PRIu64 "\n", "Parameters", summary->parameters);
    print_formats(summary);
    (void)printf("%-18s%s\n", "Activations",
                 info->activation_bits == 8 ? "8 bits, scaled frame by frame" : "32-bit float");
    (void)printf("%-18sfrom %" PRIu32 " frames (%.2f s) on\n", "Audio context", info->min_audio_ctx,
                 (double)info->min_audio_ctx / WHISPER158_FRAMES_PER_SECOND);
    (void)printf("%-18s%.3f in linear layers, %.3f in the whole file\n", "Bits per weight",
                 bits_per_weight(&summary->linear), bits_per_parameter(summary));
    (void)printf("%-18s%" PRIu64 " bytes (%.1f MiB)\n", "File", info->file_size, (double)info->file_size / 1048576.0);
    print_parts(summary);
    print_provenance(model);
}

typedef struct Options {
    bool sections, json, help;
    bool memory, for_memory; /* asked for; something given that only it heeds */
    NeedOptions need;
} Options;

/* Returns 0 or a negative errno. */
static int print(const whisper158_model *model, const Options *o, const Need *need) {
    Summary summary;

    summarise(&summary, model);
    if (o->json)
        return info_print_json(model, &summary, o->sections, need);
    if (need) {
        need_print(need);
        return 0;
    }
    print_summary(model, &summary);
    if (o->sections)
        print_sections(model);
    return 0;
}

/* Returns an exit status, having said why. */
static int show(const char *path, const Options *o) {
    const uint64_t program = measure_memory().rss;
    OutputFile out;
    whisper158_model *model = NULL;
    whisper158_error error;
    Need need;
    int r;

    r = whisper158_model_open(&model, path, &error);
    if (r >= 0 && o->memory)
        r = need_compute(&need, model, &o->need, program, &error);
    if (r < 0) {
        report("%s", error.text);
        (void)whisper158_model_close(model);
        return exit_status(r);
    }
    (void)output_open(&out, NULL, &error);
    r = print(model, o, o->memory ? &need : NULL);
    (void)whisper158_model_close(model);
    if (r < 0) {
        report("no memory to describe %s", path);
        return EX_OSERR;
    }
    r = output_flush(&out, &error);
    return r < 0 ? report_output(r, &error) : 0;
}

/* Returns 0, or -EINVAL and a sentence. */
static int parse_memory_option(NeedOptions *need, int option, const char *value, whisper158_error *error) {
    switch (option) {
    case OPTION_SECONDS:
        return parse_seconds(&need->seconds, "--seconds", value, 1.0 / WHISPER158_SAMPLE_RATE, NEED_MAX_SECONDS, error);
    case OPTION_AUDIO_CONTEXT:
        return parse_audio_context(&need->audio_context, value, error);
    case OPTION_TOKENS:
        return parse_number(&need->tokens, "--tokens", value, 1, MAX_TOKENS, error);
    default:
        return parse_number(&need->machine.threads, "--threads", value, 1, WHISPER158_MAX_THREADS, error);
    }
}

/* Returns 0, or an exit status. */
static int parse_option(Options *o, int option, const char *value) {
    whisper158_error error;

    switch (option) {
    case 's':
        o->sections = true;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case 'M':
        o->memory = true;
        return 0;
    case 'h':
        o->help = true;
        return 0;
    default:
        o->for_memory = true;
        return parsed("info", parse_memory_option(&o->need, option, value, &error), &error);
    }
}

int command_info(int argc, char **argv) {
    Options options = {0};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        const int status = option == '?' || option == ':' ? report_option("info", option, argv, short_options)
                                                          : parse_option(&options, option, optarg);

        if (status != 0)
            return status;
    }
    if (options.help)
        return print_help(help);
    if (options.for_memory && !options.memory)
        return report_usage("info", "--seconds, --audio-context, --tokens and --threads go with --memory");
    if (argc - optind != 1)
        return report_usage("info", "exactly one MODEL is needed, not %d", argc - optind);
    return show(argv[optind], &options);
}
