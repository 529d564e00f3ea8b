/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#include "command_line.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "listener.h"
#include "log.h"
#include "options.h"
#include "socket_path.h"

const char command_line_help[] =
    "Usage: whisper158d [OPTION]...\n"
    "Listen to a microphone and turn what is said into text, for whoever asks.\n"
    "\n"
    "Model and machine\n"
    "  -m, --model FILE         the model (.w158); default: $WHISPER158_MODEL, and\n"
    "                           where that is not set\n"
    "                           " WHISPER158_DEFAULT_MODEL "\n"
    "  -t, --threads N          threads to compute with, 1 to 64; default: one for\n"
    "                           each processor, at most 4\n"
    "      --cache FILE         what \"whisper158 tune\" found out; default: where that\n"
    "                           keeps it\n"
    "      --no-tuning          do without\n"
    "\n"
    "What to listen to\n"
    "  -d, --device NAME        the microphone: an ALSA name, or the id of a card\n"
    "                           (\"whisper158 devices\"); default: the first on USB\n"
    "  -i, --input FILE         hear this audio file in the microphone's place, as\n"
    "                           fast as it was spoken; \"-\" is standard input. The\n"
    "                           daemon ends when all of it is answered\n"
    "      --raw                the input has no header: 16 kHz, mono, 16 bits\n"
    "      --fast               hear the input as fast as it can be heard\n"
    "      --stay               go on after the input's end, for clients\n"
    "      --wait               do not begin before there is a subscriber\n"
    "      --no-microphone      serve clients only\n"
    "      --record-dir DIR     keep what was heard in WAV files there, for debugging\n"
    "      --record-mib N       delete the oldest when they exceed this; default: 256\n"
    "\n"
    "What to hear\n"
    "  -l, --language CODE      language that is spoken, such as en; default: auto\n"
    "      --audio-context N    listen in windows of N frames of 20 ms, 1 to 1500;\n"
    "                           full: 1500 (30 s); auto (default): what was said, if\n"
    "                           the model was validated for that, else full\n"
    "      --prompt TEXT        names and terms that may be said; each costs time\n"
    "                           with each utterance; of a long text the end counts\n"
    "      --silence-ms N       silence that ends an utterance; default: 500\n"
    "      --max-seconds N      cut longer utterances, 5 to 30; default: 28\n"
    "      --interim WHEN       text of speech that goes on: auto (default: where the\n"
    "                           model is fast enough here), always or never\n"
    "\n"
    "Whom to answer\n"
    "      --socket PATH        events as lines of JSON on this Unix socket; \"none\":\n"
    "                           on none. Default: $WHISPER158_SOCKET, and where\n"
    "                           that is not set, " SOCKET_DEFAULT "\n"
    "      --wyoming[=ADDRESS]  the Wyoming protocol, for Home Assistant, on\n"
    "                           tcp://HOST:PORT or unix://PATH; default: off. Without\n"
    "                           an ADDRESS: " WYOMING_DEFAULT ". It has no\n"
    "                           passwords: who reaches it can use it\n"
    "      --wyoming-streaming  send Wyoming's transcripts in pieces as well\n"
    "      --http [ADDRESS:]PORT\n"
    "                           transcription requests as of OpenAI's programs, and a\n"
    "                           page with live captions; default: off. Without an\n"
    "                           ADDRESS: 127.0.0.1. Other than loopback needs a token\n"
    "      --http-token FILE    the token that clients must send, of 16 to 256\n"
    "                           characters; default:\n"
    "                           $CREDENTIALS_DIRECTORY/http-token, if it is there\n"
    "      --clients N          at most so many of each protocol at a time, 1 to 256;\n"
    "                           default: 16\n"
    "      --stop-seconds N     on SIGTERM, time to answer what was said; default: 20\n"
    "  -h, --help               print this text\n"
    "      --version            print the version\n"
    "\n"
    "Sockets of systemd are used where there are some: \"json\" and \"wyoming\" are\n"
    "their names (FileDescriptorName=). SIGTERM: what was said is answered first.\n"
    "SIGHUP: the microphone is opened anew.\n"
    "\n"
    "Exit status: 0 after SIGTERM or the end of the input, else\n"
    "  64  wrong usage\n"
    "  65  damaged or unsuitable audio or model\n"
    "  66  audio or model cannot be opened\n"
    "  69  a socket cannot be made\n"
    "  70  internal error\n"
    "  71  not enough memory, or no more threads or files\n"
    "  74  input or output error\n";

static const char short_options[] = ":m:t:d:i:l:h";

enum {
    OPTION_CACHE = 256,
    OPTION_NO_TUNING,
    OPTION_RAW,
    OPTION_FAST,
    OPTION_STAY,
    OPTION_WAIT,
    OPTION_NO_MICROPHONE,
    OPTION_RECORD_DIR,
    OPTION_RECORD_MIB,
    OPTION_AUDIO_CONTEXT,
    OPTION_PROMPT,
    OPTION_SILENCE,
    OPTION_MAX_SECONDS,
    OPTION_INTERIM,
    OPTION_SOCKET,
    OPTION_WYOMING,
    OPTION_WYOMING_STREAMING,
    OPTION_HTTP,
    OPTION_HTTP_TOKEN,
    OPTION_CLIENTS,
    OPTION_STOP_SECONDS,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    {"model", required_argument, NULL, 'm'},
    {"threads", required_argument, NULL, 't'},
    {"cache", required_argument, NULL, OPTION_CACHE},
    {"no-tuning", no_argument, NULL, OPTION_NO_TUNING},
    {"device", required_argument, NULL, 'd'},
    {"input", required_argument, NULL, 'i'},
    {"raw", no_argument, NULL, OPTION_RAW},
    {"fast", no_argument, NULL, OPTION_FAST},
    {"stay", no_argument, NULL, OPTION_STAY},
    {"wait", no_argument, NULL, OPTION_WAIT},
    {"no-microphone", no_argument, NULL, OPTION_NO_MICROPHONE},
    {"record-dir", required_argument, NULL, OPTION_RECORD_DIR},
    {"record-mib", required_argument, NULL, OPTION_RECORD_MIB},
    {"language", required_argument, NULL, 'l'},
    {"audio-context", required_argument, NULL, OPTION_AUDIO_CONTEXT},
    {"prompt", required_argument, NULL, OPTION_PROMPT},
    {"silence-ms", required_argument, NULL, OPTION_SILENCE},
    {"max-seconds", required_argument, NULL, OPTION_MAX_SECONDS},
    {"interim", required_argument, NULL, OPTION_INTERIM},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"wyoming", optional_argument, NULL, OPTION_WYOMING},
    {"wyoming-streaming", no_argument, NULL, OPTION_WYOMING_STREAMING},
    {"http", required_argument, NULL, OPTION_HTTP},
    {"http-token", required_argument, NULL, OPTION_HTTP_TOKEN},
    {"clients", required_argument, NULL, OPTION_CLIENTS},
    {"stop-seconds", required_argument, NULL, OPTION_STOP_SECONDS},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {0},
};

static int usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int usage(const char *format, ...) {
    char sentence[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    log_line(LOG_ERR, "%s; see whisper158d --help", sentence);
    return EX_USAGE;
}

static int parse_interim(InterimPolicy *out, const char *value) {
    static const char *const names[] = {[INTERIM_AUTO] = "auto", [INTERIM_NEVER] = "never", [INTERIM_ALWAYS] = "always"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i]) == 0) {
            *out = (InterimPolicy)i;
            return 0;
        }
    return usage("--interim %s is neither auto nor always nor never", value);
}

/* What takes a number. Returns 0, or -EINVAL and a sentence. */
static int parse_value(CommandLine *c, int option, const char *value, whisper158_error *error) {
    uint32_t number = 0;
    int r;

    switch (option) {
    case 't':
        return parse_number(&c->context.threads, "--threads", value, 1, WHISPER158_MAX_THREADS, error);
    case OPTION_RECORD_MIB:
        r = parse_number(&number, "--record-mib", value, 1, 1u << 20, error);
        c->record_bytes = (uint64_t)number << 20;
        return r;
    case OPTION_AUDIO_CONTEXT:
        return parse_audio_context(&c->listen.audio_context, value, error);
    case OPTION_SILENCE:
        return parse_number(&c->silence_ms, "--silence-ms", value, 100, 5000, error);
    case OPTION_MAX_SECONDS:
        return parse_number(&c->max_seconds, "--max-seconds", value, 5, WHISPER158_WINDOW_SECONDS, error);
    case OPTION_CLIENTS:
        return parse_number(&c->clients, "--clients", value, 1, 256, error);
    default:
        return parse_number(&c->stop_seconds, "--stop-seconds", value, 1, 3600, error);
    }
}

/* Returns 0, or an exit status. */
static int parse_option(CommandLine *c, int option, const char *value) {
    whisper158_error error;

    switch (option) {
    case 'm':
        c->model = value;
        return 0;
    case 'd':
        c->device = value;
        return 0;
    case 'i':
        c->input = value;
        return 0;
    case 'l':
        c->listen.language = value;
        return 0;
    case 'h':
        c->help = true;
        return 0;
    case OPTION_VERSION:
        c->version = true;
        return 0;
    case OPTION_CACHE:
        c->cache = value;
        return 0;
    case OPTION_NO_TUNING:
        c->no_tuning = true;
        return 0;
    case OPTION_RAW:
        c->input_raw = true;
        return 0;
    case OPTION_FAST:
        c->fast = true;
        return 0;
    case OPTION_STAY:
        c->stay = true;
        return 0;
    case OPTION_WAIT:
        c->wait = true;
        return 0;
    case OPTION_NO_MICROPHONE:
        c->no_microphone = true;
        return 0;
    case OPTION_RECORD_DIR:
        c->record_dir = value;
        return 0;
    case OPTION_PROMPT:
        c->listen.prompt = value;
        return 0;
    case OPTION_INTERIM:
        return parse_interim(&c->interim, value);
    case OPTION_SOCKET:
        c->socket = strcmp(value, "none") == 0 ? NULL : value;
        return 0;
    case OPTION_WYOMING:
        c->wyoming = value ? value : WYOMING_DEFAULT;
        return 0;
    case OPTION_WYOMING_STREAMING:
        c->wyoming_streaming = true;
        return 0;
    case OPTION_HTTP:
        c->http = value;
        return 0;
    case OPTION_HTTP_TOKEN:
        c->http_token = value;
        return 0;
    default:
        return parse_value(c, option, value, &error) < 0 ? usage("%s", error.text) : 0;
    }
}

/* What getopt_long could not make sense of. */
static int refuse(int answer, char *const *argv) {
    const char *const argument = argv[optind - 1];

    if (answer == ':')
        return usage("option %s needs a value", argument);
    if (optopt > 255 || (optopt && strchr(short_options, optopt)))
        return usage("option %.*s takes no value", (int)strcspn(argument, "="), argument);
    if (optopt)
        return usage("unknown option -%c", optopt);
    return usage("unknown or ambiguous option %s", argument);
}

static int check(const CommandLine *c) {
    if (c->input && c->device)
        return usage("--input takes the microphone's place; leave out --device");
    if (c->no_microphone && (c->input || c->device))
        return usage("--no-microphone leaves nothing to hear for --input and --device");
    if (!c->input && (c->input_raw || c->fast || c->stay))
        return usage("--raw, --fast and --stay are about an --input");
    if (c->http_token && !c->http)
        return usage("--http-token is of no use without --http");
    if (c->socket && !address_path(c->socket))
        return usage("--socket %s is not a path that begins with /, nor none", c->socket);
    if (c->record_bytes && !c->record_dir)
        return usage("--record-mib needs a --record-dir");
    return 0;
}

int command_line_parse(CommandLine *out, int argc, char **argv) {
    int option;

    *out = (CommandLine){
        .listen = WHISPER158_OPTIONS_DEFAULT,
        .socket = find_socket_path(NULL),
        .clients = 16,
        .stop_seconds = 20,
    };
    opterr = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        const int status = option == '?' || option == ':' ? refuse(option, argv) : parse_option(out, option, optarg);

        if (status != 0)
            return status;
    }
    if (optind < argc)
        return usage("%s is not an option; an audio file is given as --input %s", argv[optind], argv[optind]);
    return out->help || out->version ? 0 : check(out);
}
