/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The pool: every item is done once, by a worker that exists; loops follow each other closely and do not mix; what
 * little work there is does not keep idle threads busy.
 */
#undef NDEBUG
#include "pool.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

typedef struct Loop {
    atomic_int done[1000];
    atomic_int strangers;
    uint32_t threads;
} Loop;

static void count(void *arg, size_t item, uint32_t worker) {
    Loop *loop = arg;

    atomic_fetch_add(&loop->done[item], 1);
    if (worker >= loop->threads)
        atomic_fetch_add(&loop->strangers, 1);
}

static void check_loops(uint32_t threads) {
    static Loop loop;
    Pool *pool;

    assert(pool_new(&pool, threads) == 0 && pool_threads(pool) == threads);
    for (size_t n = 0; n <= 1000; n = n < 10 ? n + 1 : n * 10)
        for (int repeat = 0; repeat < 200; repeat++) {
            memset(&loop, 0, sizeof loop);
            loop.threads = threads;
            pool_run(pool, count, &loop, n);
            for (size_t i = 0; i < 1000; i++)
                assert(atomic_load(&loop.done[i]) == (i < n));
            assert(atomic_load(&loop.strangers) == 0);
        }
    for (uint32_t limit = threads + 1; limit >= 1; limit--) {
        pool_limit(pool, limit);
        memset(&loop, 0, sizeof loop);
        loop.threads = limit;
        pool_run(pool, count, &loop, 1000);
        for (size_t i = 0; i < 1000; i++)
            assert(atomic_load(&loop.done[i]) == 1);
        assert(atomic_load(&loop.strangers) == 0);
    }
    assert(pool_free(pool) == NULL && pool_free(NULL) == NULL);
}

/* Four threads that have nothing to do use no processor: the sum of their clocks stands still while time passes. */
static void check_idle(void) {
    const struct timespec pause = {.tv_nsec = 300000000};
    static Loop loop = {.threads = 4};
    double before;
    Pool *pool;

    assert(pool_new(&pool, 4) == 0);
    pool_run(pool, count, &loop, 1000);
    before = pool_cpu_seconds(pool);
    assert(nanosleep(&pause, NULL) == 0);
    assert(pool_cpu_seconds(pool) - before < 0.15);
    pool_free(pool);
}

int main(void) {
    for (uint32_t threads = 1; threads <= 5; threads += 2)
        check_loops(threads);
    check_idle();
    return 0;
}
