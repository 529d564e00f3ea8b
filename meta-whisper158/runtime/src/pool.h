/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
#ifndef W158_POOL_H
#define W158_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef struct Pool Pool;

/* Work item `item`, done by worker `worker` (0 to threads - 1), who alone uses that worker's scratch memory. */
typedef void (*PoolFn)(void *arg, size_t item, uint32_t worker);

/* Starts threads - 1 threads; the caller of pool_run is the last one. Return: 0, -ENOMEM, or what pthread_create gave. */
int pool_new(Pool **out, uint32_t threads);
Pool *pool_free(Pool *pool);

uint32_t pool_threads(const Pool *pool);

/* From now on at most `threads` (1 or more) work on a loop, the caller being one of them; the others sleep. */
void pool_limit(Pool *pool, uint32_t threads);

/* Calls fn for items 0 .. n_items - 1 in any order and on any worker; returns when all are done. */
void pool_run(Pool *pool, PoolFn fn, void *arg, size_t n_items);

/* Processor seconds that the pool's own threads and the calling thread have used since they began. */
double pool_cpu_seconds(const Pool *pool);

#endif
