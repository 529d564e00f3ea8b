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
} Worker;

struct Pool {
    uint32_t threads;
    uint32_t started; /* threads that exist besides the caller's */
    Worker *workers;  /* [threads]; 0 is the caller */

    pthread_mutex_t lock;
    pthread_cond_t work; /* there is a new loop, or the end */
    pthread_cond_t done; /* the last thread has left the loop */
    uint64_t loop;       /* counts the loops; a thread sees a new one by the change */
    uint32_t busy;       /* threads in the loop */
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
    uint64_t seen = 0;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->loop == seen && !pool->stop)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->loop;
        pthread_mutex_unlock(&pool->lock);
        take_items(pool, worker->index);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void pool_run(Pool *pool, PoolFn fn, void *arg, size_t n_items) {
    if (pool->started == 0 || n_items <= 1) {
        for (size_t i = 0; i < n_items; i++)
            fn(arg, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->fn = fn;
    pool->arg = arg;
    pool->n_items = n_items;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->busy = pool->started;
    pool->loop++;
    pthread_cond_broadcast(&pool->work);
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
    pool->threads = threads;
    pool->workers = calloc(threads, sizeof *pool->workers);
    if (!pool->workers) {
        free(pool);
        return -ENOMEM;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (uint32_t i = 1; i < threads; i++) {
        int r;

        pool->workers[i] = (Worker){.pool = pool, .index = i};
        r = pthread_create(&pool->workers[i].thread, NULL, run_worker, &pool->workers[i]);
        if (r != 0) {
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
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 1; i <= pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
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
