/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The program whisper158: a table of subcommands, and a client of whisper158.h like any other.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "file.h"
#include "report.h"

static const struct {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"transcribe", "turn speech in audio files into text", command_transcribe},
    {"info", "show what a model file holds", command_info},
    {"bench", "measure time and memory that a model takes here", command_bench},
    {"tune", "find out what computes a model fastest here", command_tune},
    {"selftest", "check that this machine gives the right words", command_selftest},
#ifdef WHISPER158_ALSA
    {"devices", "list the sound cards, and which one whisper158d would take", command_devices},
    {"listen", "print what the daemon hears, live", command_listen},
    {"stats", "show how the daemon has fared", command_stats},
#endif
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

int finish_output(void) {
    OutputFile out;
    whisper158_error error;
    int r;

    (void)output_open(&out, NULL, &error);
    r = output_flush(&out, &error);
    return r < 0 ? report_output(r, &error) : 0;
}

int print_help(const char *text) {
    (void)fputs(text, stdout);
    return finish_output();
}

static int print_commands(void) {
    (void)fputs("Usage: whisper158 COMMAND [OPTION]... [FILE]...\n"
                "Speech recognition with small Whisper models on the processor of a board.\n"
                "\n"
                "Commands\n",
                stdout);
    for (size_t i = 0; i < N_COMMANDS; i++)
        (void)printf("  %-12s %s\n", commands[i].name, commands[i].summary);
    return print_help("\n"
                      "  --help       print this text; \"whisper158 COMMAND --help\" is about a command\n"
                      "  --version    print the version\n");
}

/* A descriptor that the parent closed must not become that of the next file we open. */
static void fill_standard_descriptors(void) {
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

int main(int argc, char **argv) {
    const char *const name = argc > 1 ? argv[1] : "";

    fill_standard_descriptors();
    output_catch_signals();
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return print_commands();
    if (strcmp(name, "--version") == 0) {
        (void)printf("whisper158 %s\n", whisper158_version());
        return finish_output();
    }
    if (*name == '\0')
        return report_usage("", "no command is given");
    return report_usage("", "there is no command %s", name);
}
