/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Keeps the last hours of what was heard in a folder, to find out later why something was misunderstood.
 *
 * Files are WAV, 16 kHz, 16 bits, a minute each, heard-NUMBER-TIME.wav; the oldest are deleted so that all of them stay
 * below a limit, also those of earlier runs. Numbers count up, whatever the clock says. A thread writes, so that a slow
 * disk does not hold up capture; a disk that fails or is full interrupts the recording, and nothing else: the file in hand
 * is cut to what its header says, or deleted where it has none yet. It goes on, in another file, when there is room for a
 * whole one.
 */
#ifndef DAEMON_RECORDER_H
#define DAEMON_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "whisper158.h"

typedef struct Recorder Recorder;

/* Starts to record. What is wrong with the folder shows later, as trouble. -ENOMEM; -EAGAIN: no more threads. */
int recorder_new(Recorder **out, const char *folder, uint64_t bytes, whisper158_error *error);

/* Takes samples; never waits for the disk. */
void recorder_push(Recorder *recorder, const float *samples, size_t count);

/* True, and a sentence, if something went wrong, or right again, that was not told yet. */
bool recorder_trouble(Recorder *recorder, whisper158_error *sentence);

/* Writes what is left and ends; there may be trouble to tell after that. */
void recorder_stop(Recorder *recorder);

/* Stops. NULL is allowed. Returns NULL. */
Recorder *recorder_free(Recorder *recorder);

#endif
