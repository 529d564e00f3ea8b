/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_MACHINE_H
#define W158_MACHINE_H

/* One printable line that says on what kind of machine a time was measured; the same line, as far as can be told, means
 * that it holds here too. */
typedef struct Machine {
    char text[256];
} Machine;

void machine_describe(Machine *out);

/* Threads to compute with when nobody asks for a number: one for each online processor, at most 4. */
unsigned machine_threads(void);

#endif
