/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "find_model.h"
#include "options.h"
#include "report.h"

const char settings_help[] = "Usage: whisper158 transcribe [OPTION]... FILE...\n"
                             "Turn speech into text: one line on standard output for each FILE, everything\n"
                             "else on standard error.\n"
                             "\n"
                             "FILE is audio of any sample rate and number of channels, in WAV, FLAC or\n"
                             "another format that libsndfile reads, at most 4 hours long. \"-\" is standard\n"
                             "input.\n"
                             "\n"
                             "Model and machine\n"
                             "  -m, --model FILE         the model (.w158); default: $WHISPER158_MODEL, and\n"
                             "                           where that is not set\n"
                             "                           " WHISPER158_DEFAULT_MODEL "\n"
                             "  -t, --threads N          threads to compute with, 1 to 64, which does not\n"
                             "                           change the result; default: one for each processor,\n"
                             "                           at most 4\n"
                             "      --kernels NAME       set of kernels to compute with; default: the best\n"
                             "                           for this processor\n"
                             "      --cache FILE         what \"whisper158 tune\" found out; default: where that\n"
                             "                           keeps it\n"
                             "      --no-tuning          do without\n"
                             "\n"
                             "What to listen for\n"
                             "  -l, --language CODE      language that is spoken, such as en; default: auto,\n"
                             "                           which detects it\n"
                             "      --task TASK          transcribe (default), or translate into English,\n"
                             "                           which needs a multilingual model\n"
                             "      --translate          the same as --task translate\n"
                             "      --audio-context N    listen in windows of N frames of 20 ms, 1 to 1500;\n"
                             "                           full: 1500 (30 s); auto (default): what the audio\n"
                             "                           needs, if the model was validated for that (see\n"
                             "                           \"whisper158 info\"), else full. Less is faster\n"
                             "      --prompt TEXT        what was said before, or names and terms that may\n"
                             "                           come: guides the beginning of each FILE; of a long\n"
                             "                           one the end counts, about 220 tokens\n"
                             "      --condition-on-previous\n"
                             "                           let the text of a window guide the next one\n"
                             "\n"
                             "What to write\n"
                             "      --timestamps         one line for each segment, as soon as it is known:\n"
                             "                           [00:00:01.000 --> 00:00:02.500] text\n"
                             "      --no-timestamps      do not look for times; audio longer than a window\n"
                             "                           is then cut wherever the window ends\n"
                             "      --json               one line for each FILE, a JSON object with text,\n"
                             "                           segments, tokens, probabilities and timings\n"
                             "      --srt, --vtt         subtitles, of exactly one FILE\n"
                             "  -o, --output FILE        write to FILE instead. It appears when all is done;\n"
                             "                           what was there before stays if no input could be\n"
                             "                           transcribed, writing failed, or on interruption\n"
                             "      --progress WHEN      auto (default: for audio of more than 30 s), always\n"
                             "                           or never\n"
                             "  -q, --quiet              no progress and no warnings\n"
                             "  -h, --help               print this text\n"
                             "\n"
                             "A FILE that cannot be transcribed is reported and left out; the others are\n"
                             "still done.\n"
                             "\n"
                             "Exit status: 0 if all went well, else that of the first failure:\n"
                             "  64  wrong usage\n"
                             "  65  damaged or unsuitable audio or model\n"
                             "  66  audio or model cannot be opened\n"
                             "  70  internal error\n"
                             "  71  not enough memory, or no more threads or files\n"
                             "  73  output cannot be created\n"
                             "  74  input or output error\n"
                             "A signal ends the program as usual (130 for an interrupt in the shell).\n";

static const char short_options[] = ":m:t:l:o:qh";

enum {
    OPTION_KERNELS = 256,
    OPTION_CACHE,
    OPTION_NO_TUNING,
    OPTION_TASK,
    OPTION_TRANSLATE,
    OPTION_AUDIO_CONTEXT,
    OPTION_PROMPT,
    OPTION_CONDITION,
    OPTION_TIMESTAMPS,
    OPTION_NO_TIMESTAMPS,
    OPTION_JSON,
    OPTION_SRT,
    OPTION_VTT,
    OPTION_PROGRESS,
};

static const struct option long_options[] = {
    {"model", required_argument, NULL, 'm'},
    {"threads", required_argument, NULL, 't'},
    {"kernels", required_argument, NULL, OPTION_KERNELS},
    {"language", required_argument, NULL, 'l'},
    {"cache", required_argument, NULL, OPTION_CACHE},
    {"no-tuning", no_argument, NULL, OPTION_NO_TUNING},
    {"task", required_argument, NULL, OPTION_TASK},
    {"translate", no_argument, NULL, OPTION_TRANSLATE},
    {"audio-context", required_argument, NULL, OPTION_AUDIO_CONTEXT},
    {"prompt", required_argument, NULL, OPTION_PROMPT},
    {"condition-on-previous", no_argument, NULL, OPTION_CONDITION},
    {"timestamps", no_argument, NULL, OPTION_TIMESTAMPS},
    {"no-timestamps", no_argument, NULL, OPTION_NO_TIMESTAMPS},
    {"json", no_argument, NULL, OPTION_JSON},
    {"srt", no_argument, NULL, OPTION_SRT},
    {"vtt", no_argument, NULL, OPTION_VTT},
    {"output", required_argument, NULL, 'o'},
    {"progress", required_argument, NULL, OPTION_PROGRESS},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int parse_task(whisper158_task *out, const char *value) {
    const bool translate = strcmp(value, "translate") == 0;

    *out = translate ? WHISPER158_TRANSLATE : WHISPER158_TRANSCRIBE;
    if (translate || strcmp(value, "transcribe") == 0)
        return 0;
    return report_usage("transcribe", "--task %s is neither transcribe nor translate", value);
}

static int parse_when(When *out, const char *value) {
    static const char *const names[] = {"auto", "always", "never"};

    for (When when = WHEN_AUTO; when <= WHEN_NEVER; when++) {
        *out = when;
        if (strcmp(value, names[when]) == 0)
            return 0;
    }
    return report_usage("transcribe", "--progress %s is neither auto nor always nor never", value);
}

/* Returns 0, or an exit status. */
static int parse_option(Settings *s, int option, const char *value) {
    whisper158_error error;

    switch (option) {
    case 'm':
        s->model = value;
        return 0;
    case 't':
        return parsed("transcribe",
                      parse_number(&s->machine.threads, "--threads", value, 1, WHISPER158_MAX_THREADS, &error), &error);
    case 'l':
        s->listen.language = value;
        return 0;
    case 'o':
        s->output = value;
        return 0;
    case 'q':
        s->quiet = true;
        return 0;
    case 'h':
        s->help = true;
        return 0;
    case OPTION_KERNELS:
        return parsed("transcribe", parse_kernels(&s->machine.kernels, value, &error), &error);
    case OPTION_CACHE:
        s->tuning.file = value;
        return 0;
    case OPTION_NO_TUNING:
        s->tuning.none = true;
        return 0;
    case OPTION_TASK:
        return parse_task(&s->listen.task, value);
    case OPTION_TRANSLATE:
        s->listen.task = WHISPER158_TRANSLATE;
        return 0;
    case OPTION_AUDIO_CONTEXT:
        s->fit = strcmp(value, "auto") == 0;
        return parsed("transcribe", parse_audio_context(&s->listen.audio_context, value, &error), &error);
    case OPTION_PROMPT:
        s->listen.prompt = value;
        return 0;
    case OPTION_CONDITION:
        s->listen.condition_on_previous = true;
        return 0;
    case OPTION_TIMESTAMPS:
        s->timestamps = true;
        return 0;
    case OPTION_NO_TIMESTAMPS:
        s->no_timestamps = true;
        return 0;
    case OPTION_JSON:
        s->json = true;
        return 0;
    case OPTION_SRT:
        s->srt = true;
        return 0;
    case OPTION_VTT:
        s->vtt = true;
        return 0;
    case OPTION_PROGRESS:
        return parse_when(&s->progress, value);
    default:
        return EX_SOFTWARE;
    }
}

/* Makes one form and one way of decoding of the flags. Returns 0, or an exit status. */
static int settle_form(Settings *s) {
    if (s->json + s->srt + s->vtt > 1)
        return report_usage("transcribe", "only one of --json, --srt and --vtt can be had at a time");
    if (s->no_timestamps && (s->timestamps || s->srt || s->vtt))
        return report_usage("transcribe", "--no-timestamps leaves no times for --timestamps, --srt or --vtt to write");
    if (s->n_files == 0)
        return report_usage("transcribe", "no FILE is given");
    if ((s->srt || s->vtt) && s->n_files != 1)
        return report_usage("transcribe", "--srt and --vtt take exactly one FILE, not %d", s->n_files);

    if (s->json)
        s->form = FORM_JSON;
    else if (s->srt)
        s->form = FORM_SRT;
    else if (s->vtt)
        s->form = FORM_VTT;
    else if (s->timestamps)
        s->form = FORM_TIMESTAMPS;
    if (s->no_timestamps)
        s->listen.timestamps = WHISPER158_TIMESTAMPS_OFF;
    else if (s->form != FORM_TEXT)
        s->listen.timestamps = WHISPER158_TIMESTAMPS_ON;
    return 0;
}

/* The result must not take the place of what it is made from. Returns 0, or an exit status. */
static int check_output(const Settings *s) {
    struct stat output, input;

    if (!s->output || stat(s->output, &output) < 0 || !S_ISREG(output.st_mode))
        return 0;
    for (int i = -1; i < s->n_files; i++) {
        const char *const path = i < 0 ? find_model_path(s->model) : s->files[i];

        if (path && stat(path, &input) == 0 && input.st_dev == output.st_dev && input.st_ino == output.st_ino)
            return report_usage("transcribe", "--output %s would overwrite %s", s->output, path);
    }
    return 0;
}

int settings_parse(Settings *s, int argc, char **argv) {
    int option;
    int status;

    *s = (Settings){.listen = WHISPER158_OPTIONS_DEFAULT};
    opterr = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        status = option == '?' || option == ':' ? report_option("transcribe", option, argv, short_options)
                                                : parse_option(s, option, optarg);
        if (status != 0)
            return status;
    }
    s->files = argv + optind;
    s->n_files = argc - optind;
    if (s->help)
        return 0;
    status = settle_form(s);
    return status != 0 ? status : check_output(s);
}
