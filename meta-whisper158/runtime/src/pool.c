/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A few threads that divide loops among them.
 *
 * Idle threads block; they never spin, because the board has other work to do, and where processors are fewer than
 * threads a spinning thread keeps away the one that it waits for. Items are handed out one by one, so a thread that is
 * held up delays only the item in its hands. Which worker does which item is left to chance; nothing that is computed
 * may depend on it.
 */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "clock.h"

typedef struct Worker {
    Pool *pool;
    uint32_t index;
    pthread_t thread;
    pthread_cond_t work; /* it is called, or the end */
    bool called;         /* to the loop */
} Worker;

struct Pool {
    uint32_t threads;
    uint32_t started; /* threads that exist besides the caller's */
    uint32_t limit;   /* of them and the caller, how many work on a loop */
    Worker *workers;  /* [threads]; 0 is the caller */

    pthread_mutex_t lock;
    pthread_cond_t done; /* the last thread has left the loop */
    uint32_t busy;       /* threads called that have not left it */
    bool stop;

    PoolFn fn;
    void *arg;
    size_t n_items;
    atomic_size_t next;
};

static void take_items(Pool *pool, uint32_t worker) {
    size_t item;

    while ((item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed)) < pool->n_items)
        pool->fn(pool->arg, item, worker);
}

static void *run_worker(void *arg) {
    Worker *worker = arg;
    Pool *pool = worker->pool;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!worker->called && !pool->stop)
            pthread_cond_wait(&worker->work, &pool->lock);
        if (pool->stop)
            break;
        worker->called = false;
        pthread_mutex_unlock(&pool->lock);
        take_items(pool, worker->index);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void pool_limit(Pool *pool, uint32_t threads) {
    pool->limit = threads;
}

/* Threads besides the caller's that a loop of so many items is worth waking. */
static uint32_t helpers(const Pool *pool, size_t n_items) {
    uint32_t most = pool->limit < pool->threads ? pool->limit : pool->threads;

    return n_items == 0 ? 0 : (uint32_t)(n_items < most ? n_items : most) - 1;
}

void pool_run(Pool *pool, PoolFn fn, void *arg, size_t n_items) {
    const uint32_t n_called = helpers(pool, n_items);

    if (n_called == 0) {
        for (size_t i = 0; i < n_items; i++)
            fn(arg, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->fn = fn;
    pool->arg = arg;
    pool->n_items = n_items;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->busy = n_called;
    for (uint32_t i = 1; i <= n_called; i++) {
        pool->workers[i].called = true;
        pthread_cond_signal(&pool->workers[i].work);
    }
    pthread_mutex_unlock(&pool->lock);

    take_items(pool, 0);

    pthread_mutex_lock(&pool->lock);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

int pool_new(Pool **out, uint32_t threads) {
    Pool *pool = calloc(1, sizeof *pool);

    if (!pool)
        return -ENOMEM;
    pool->threads = pool->limit = threads;
    pool->workers = calloc(threads, sizeof *pool->workers);
    if (!pool->workers) {
        free(pool);
        return -ENOMEM;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (uint32_t i = 1; i < threads; i++) {
        int r;

        pool->workers[i] = (Worker){.pool = pool, .index = i};
        pthread_cond_init(&pool->workers[i].work, NULL);
        r = pthread_create(&pool->workers[i].thread, NULL, run_worker, &pool->workers[i]);
        if (r != 0) {
            pthread_cond_destroy(&pool->workers[i].work);
            pool_free(pool);
            return -r;
        }
        pool->started++;
    }
    *out = pool;
    return 0;
}

Pool *pool_free(Pool *pool) {
    if (!pool)
        return NULL;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    for (uint32_t i = 1; i <= pool->started; i++)
        pthread_cond_signal(&pool->workers[i].work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 1; i <= pool->started; i++) {
        pthread_join(pool->workers[i].thread, NULL);
        pthread_cond_destroy(&pool->workers[i].work);
    }
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool->workers);
    free(pool);
    return NULL;
}

uint32_t pool_threads(const Pool *pool) {
    return pool->threads;
}

double pool_cpu_seconds(const Pool *pool) {
    double seconds = clock_seconds(CLOCK_THREAD_CPUTIME_ID);

    for (uint32_t i = 1; i <= pool->started; i++) {
        clockid_t clock;

        if (pthread_getcpuclockid(pool->workers[i].thread, &clock) == 0)
            seconds += clock_seconds(clock);
    }
    return seconds;
}
