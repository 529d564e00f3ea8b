/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The subcommands, one file each. `argv[0]` is the subcommand's name. They return the program's exit status.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

int command_transcribe(int argc, char **argv);
int command_info(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_tune(int argc, char **argv);
int command_selftest(int argc, char **argv);
int command_listen(int argc, char **argv);
int command_stats(int argc, char **argv);
#ifdef WHISPER158_ALSA
int command_devices(int argc, char **argv);
#endif

/* Prints a help text to standard output. Returns the exit status. */
int print_help(const char *text);

/* Sees to it that what was printed to standard output arrived. Returns the exit status. */
int finish_output(void);

#endif
