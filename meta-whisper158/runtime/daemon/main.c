/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158d: puts the daemon together and takes it apart.
 *
 * The main thread serves clients and publishes events, the source's thread listens, the worker's thread transcribes.
 * At the end, what was said is answered first: the source stops, the queue is closed, the worker empties it, and what
 * the clients have not read yet is sent; after a signal, all within --stop-seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "command_line.h"
#include "find_model.h"
#include "http.h"
#include "json_lines.h"
#include "listener.h"
#include "log.h"
#include "notify.h"
#include "report.h"
#include "session.h"
#include "tuning.h"
#include "wyoming.h"

enum {
    QUEUE_JOBS = 64,
    QUEUE_SECONDS = 600, /* 38 MB of audio */
};

#define FLUSH_SECONDS 2.0 /* for clients to read the last of it */
#define FLUSH_LOOK 0.02
#define INTERIM_SECONDS 0.5 /* of speech between two looks whether an interim result is worth it */

typedef struct Daemon {
    CommandLine options;
    whisper158_model *model;
    Loop *loop;
    Bus *bus;
    Queue *queue;
    Worker *worker;
    Stats stats;
    JsonLines *lines;
    Wyoming *wyoming;
    Http *http;       /* NULL: no --http */
    Session *session; /* NULL: --no-microphone */
    Watch signals;
    Timer watchdog, stop, flush;
    double watchdog_seconds;
    uint64_t progress; /* of the worker, when the watchdog was last fed */
    double flush_until;
    bool started; /* the session */
    bool stopping;
    bool told; /* by a signal, to stop */
    int status;
} Daemon;

/* --------------------------------------------------------------------------------------------------------- the end */

/* Nothing more will be said; ends when clients have it all. */
static void flush_clients(Timer *timer) {
    Daemon *const d = timer->user;
    const bool pending = json_lines_pending(d->lines) > 0 || wyoming_clients(d->wyoming) > 0 ||
                         (d->http && http_pending(d->http) > 0);

    if (pending && loop_now() < d->flush_until)
        loop_set_timer(d->loop, &d->flush, FLUSH_LOOK, flush_clients, d);
    else
        loop_quit(d->loop, d->status);
}

static void worker_ended(void *user) {
    Daemon *const d = user;

    timer_cancel(&d->stop);
    if (d->http)
        http_end_events(d->http);
    d->flush_until = loop_now() + FLUSH_SECONDS;
    loop_set_timer(d->loop, &d->flush, 0.0, flush_clients, d);
}

static void stop_in_time(Timer *timer) {
    Daemon *const d = timer->user;

    log_line(LOG_WARNING, "what is not transcribed yet is given up: there is no time left (--stop-seconds %u)",
             d->options.stop_seconds);
    worker_cancel(d->worker);
}

static void begin_stop(Daemon *d, int status) {
    if (d->stopping)
        return;
    d->stopping = true;
    d->status = status;
    notify("STOPPING=1\nSTATUS=Answering what was said");
    if (d->session)
        session_stop(d->session);
    wyoming_stop(d->wyoming);
    if (d->http)
        http_stop(d->http);
    queue_close(d->queue);
}

static void input_ended(void *user, int error) {
    Daemon *const d = user;

    if (error < 0 || !d->options.stay)
        begin_stop(d, error < 0 ? exit_status(error) : 0);
}

/* ----------------------------------------------------------------------------------------------- signals and watchdog */

static void on_signal(Watch *watch, uint32_t events) {
    Daemon *const d = watch->user;
    struct signalfd_siginfo info;

    (void)events;
    if (read(watch->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGHUP) {
        if (d->started && !d->stopping && !d->options.input) {
            log_line(LOG_NOTICE, "the microphone is opened anew");
            session_reopen(d->session);
        }
    } else if (d->told) {
        log_line(LOG_NOTICE, "a second signal: what is not transcribed yet is given up");
        worker_cancel(d->worker);
    } else {
        log_line(LOG_NOTICE, "ending; what was said is answered first");
        d->told = true;
        begin_stop(d, 0);
        if (d->flush_until == 0.0)
            loop_set_timer(d->loop, &d->stop, d->options.stop_seconds, stop_in_time, d);
    }
}

static int watch_signals(Daemon *d, const sigset_t *signals) {
    const int fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
    int r;

    if (fd < 0)
        return -errno;
    r = loop_watch(d->loop, &d->signals, fd, EPOLLIN, on_signal, d);
    if (r < 0)
        (void)close(fd);
    return r;
}

/* A worker that does not get on is what the watchdog is for; this thread shows by its being here that it lives. */
static void feed_watchdog(Timer *timer) {
    Daemon *const d = timer->user;
    const uint64_t progress = worker_progress(d->worker);

    if (progress != d->progress)
        notify("WATCHDOG=1");
    d->progress = progress;
    loop_set_timer(d->loop, &d->watchdog, d->watchdog_seconds / 4.0, feed_watchdog, d);
}

/* ------------------------------------------------------------------------------------------------------------ sockets */

static int family_of(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;

    return getsockname(fd, (struct sockaddr *)&address, &length) < 0 ? AF_UNSPEC : address.ss_family;
}

/* Those of systemd. *lines, *wyoming: whether there are such. */
static int take_sockets(Daemon *d, bool *lines, bool *wyoming, whisper158_error *error) {
    NotifySocket sockets[NOTIFY_SOCKETS];
    const size_t count = notify_take_sockets(sockets);
    int r = 0;

    for (size_t i = 0; i < count && r >= 0; i++) {
        const bool named = strcmp(sockets[i].name, "json") == 0 || strcmp(sockets[i].name, "wyoming") == 0;
        const bool json = named ? *sockets[i].name == 'j' : family_of(sockets[i].fd) == AF_UNIX;

        r = json ? json_lines_listen(d->lines, sockets[i].fd, NULL) : wyoming_listen(d->wyoming, sockets[i].fd, NULL);
        *(json ? lines : wyoming) = true;
        if (r < 0)
            (void)fail(error, r, "the socket %zu of systemd cannot be used: %s", i, strerror(-r));
    }
    return r;
}

static int listen_lines(Daemon *d, whisper158_error *error) {
    bool loopback;
    int r = listener_bind(d->options.socket, &loopback, error);

    if (r < 0)
        return r;
    r = json_lines_listen(d->lines, r, address_path(d->options.socket));
    return r < 0 ? fail(error, r, "the socket %.200s cannot be used: %s", d->options.socket, strerror(-r)) : 0;
}

static int listen_wyoming(Daemon *d, whisper158_error *error) {
    bool loopback;
    int r = listener_bind(d->options.wyoming, &loopback, error);

    if (r < 0)
        return r;
    if (!loopback)
        log_line(LOG_WARNING, "Wyoming listens on %s: whoever reaches it can use it, for it has no passwords",
                 d->options.wyoming);
    r = wyoming_listen(d->wyoming, r, address_path(d->options.wyoming));
    return r < 0 ? fail(error, r, "%.200s cannot be used: %s", d->options.wyoming, strerror(-r)) : 0;
}

static void start_session(void *user);

static int open_http(Daemon *d, whisper158_error *error) {
    const HttpOptions options = {.loop = d->loop, .bus = d->bus, .queue = d->queue, .stats = &d->stats, .model = d->model,
                                 .address = d->options.http, .token_file = d->options.http_token,
                                 .clients = d->options.clients, .max_seconds = QUEUE_SECONDS / 2,
                                 .subscribed = d->options.wait ? start_session : NULL, .user = d};

    return http_new(&d->http, &options, error);
}

static int open_sockets(Daemon *d, whisper158_error *error) {
    bool lines = false, wyoming = false;
    int r = take_sockets(d, &lines, &wyoming, error);

    if (r >= 0 && !lines && d->options.socket)
        r = listen_lines(d, error);
    if (r >= 0 && !wyoming && d->options.wyoming)
        r = listen_wyoming(d, error);
    if (r >= 0 && d->options.http)
        r = open_http(d, error);
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- the parts */

/* Nothing but speed depends on it: one that is of no use is told about and left. */
static whisper158_tuning *find_tuning(const Daemon *d) {
    char *const usual = d->options.no_tuning || d->options.cache ? NULL : tuning_path(d->model);
    const char *const path = d->options.cache ? d->options.cache : usual;
    whisper158_tuning *tuning = NULL;
    whisper158_error error;
    int r = path && !d->options.no_tuning ? tuning_load(&tuning, d->model, path, &error) : -ENOENT;

    if (r < 0 && !d->options.no_tuning && (r != -ENOENT || d->options.cache))
        log_line(LOG_WARNING, "what was tuned is not used: %s", error.text);
    free(usual);
    return r < 0 ? NULL : tuning;
}

/* Before there is a loop that reads them: signals that end us, and wait. */
static bool is_told_to_end(void *user) {
    sigset_t waiting;

    (void)user;
    return sigpending(&waiting) == 0 && (sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGINT) == 1);
}

static int make_worker(Daemon *d, whisper158_error *error) {
    WorkerOptions options = {.model = d->model, .context = d->options.context, .listen = d->options.listen,
                             .interim = d->options.interim, .give_up = is_told_to_end, .ended = worker_ended, .user = d};
    whisper158_tuning *const tuning = find_tuning(d);
    int r;

    options.context.tuning = tuning;
    r = worker_new(&d->worker, &options, d->queue, d->loop, error);
    (void)whisper158_tuning_free(tuning);
    return r;
}

static void start_session(void *user) {
    Daemon *const d = user;
    whisper158_error error;
    int r;

    if (!d->session || d->started || d->stopping)
        return;
    d->started = true;
    r = session_start(d->session, &error);
    if (r < 0) {
        log_line(LOG_ERR, "%s", error.text);
        begin_stop(d, exit_status(r));
    }
}

static int make_session(Daemon *d, whisper158_error *error) {
    const CommandLine *const c = &d->options;
    SessionOptions options = {
        .loop = d->loop,
        .bus = d->bus,
        .queue = d->queue,
        .worker = d->worker,
        .stats = &d->stats,
        .model = d->model,
        .source = {.device = c->device, .input = c->input, .input_raw = c->input_raw, .real_time = !c->fast,
                   .record_dir = c->record_dir, .record_bytes = c->record_bytes},
        .hearing = HEARING_OPTIONS_DEFAULT,
        .ended = input_ended,
        .user = d,
    };

    options.hearing.interim = c->interim == INTERIM_NEVER ? 0.0 : INTERIM_SECONDS;
    if (c->silence_ms)
        options.hearing.end_silence = 1e-3 * c->silence_ms;
    if (c->max_seconds)
        options.hearing.max_length = c->max_seconds;
    options.hearing.post_roll = fmin(options.hearing.post_roll, options.hearing.end_silence);

    return c->no_microphone ? 0 : session_new(&d->session, &options, error);
}

static int make_clients(Daemon *d) {
    const JsonLinesOptions lines = {.loop = d->loop, .bus = d->bus, .queue = d->queue, .stats = &d->stats,
                                    .clients = d->options.clients, .subscribed = d->options.wait ? start_session : NULL,
                                    .user = d};
    const WyomingOptions wyoming = {.loop = d->loop, .queue = d->queue, .stats = &d->stats, .model = d->model,
                                    .clients = d->options.clients, .streaming = d->options.wyoming_streaming};
    const int r = json_lines_new(&d->lines, &lines);

    return r < 0 ? r : wyoming_new(&d->wyoming, &wyoming);
}

/* What takes no model. */
static int make_parts(Daemon *d, const sigset_t *signals, whisper158_error *error) {
    const QueueLimits limits = {.jobs = QUEUE_JOBS, .samples = (size_t)QUEUE_SECONDS * WHISPER158_SAMPLE_RATE};
    int r = loop_new(&d->loop);

    if (r >= 0)
        r = bus_new(&d->bus);
    if (r >= 0)
        r = queue_new(&d->queue, &limits);
    if (r >= 0)
        r = make_clients(d);
    if (r >= 0)
        r = watch_signals(d, signals);
    return r < 0 ? fail(error, r, "cannot start: %s", strerror(-r)) : 0;
}

/* Returns 0, or an exit status, having said why; d->told where a signal came first. */
static int start(Daemon *d, const sigset_t *signals) {
    whisper158_error error;
    int r = find_model(&d->model, d->options.model, &error);
    int sockets = 0;

    if (r >= 0)
        stats_init(&d->stats, d->model);
    if (r >= 0)
        r = make_parts(d, signals, &error);
    if (r >= 0)
        r = make_worker(d, &error);
    if (r >= 0)
        r = make_session(d, &error);
    if (r >= 0)
        r = sockets = open_sockets(d, &error);
    if (r >= 0 && (r = worker_start(d->worker)) < 0)
        (void)fail(&error, r, "no thread can be started: %s", strerror(-r));
    if (r >= 0)
        return 0;
    d->told = r == -ECANCELED;
    log_line(d->told ? LOG_NOTICE : LOG_ERR, "%s", d->told ? "ending before it was ready, as told" : error.text);
    if (d->told)
        return 0;
    return sockets < 0 && sockets != -EINVAL ? EX_UNAVAILABLE : exit_status(r);
}

static void take_apart(Daemon *d) {
    if (d->session)
        session_stop(d->session); /* it posts no more */
    if (d->worker) {
        queue_close(d->queue);
        worker_cancel(d->worker);
        worker_join(d->worker);
        loop_run_posts(d->loop);
    }
    timer_cancel(&d->watchdog);
    timer_cancel(&d->stop);
    timer_cancel(&d->flush);
    if (d->signals.loop) {
        watch_remove(&d->signals);
        (void)close(d->signals.fd);
    }
    d->session = session_free(d->session);
    d->http = http_free(d->http);
    d->wyoming = wyoming_free(d->wyoming);
    d->lines = json_lines_free(d->lines);
    d->worker = worker_free(d->worker);
    d->queue = queue_free(d->queue);
    d->bus = bus_free(d->bus);
    d->loop = loop_free(d->loop);
    d->model = whisper158_model_close(d->model);
}

static int run(Daemon *d, const sigset_t *signals) {
    int status = start(d, signals);

    if (status == 0 && !d->told) {
        d->watchdog_seconds = notify_watchdog();
        if (d->watchdog_seconds > 0.0)
            loop_set_timer(d->loop, &d->watchdog, 0.0, feed_watchdog, d);
        notify("READY=1\nSTATUS=%s", d->session ? "Listening" : "Serving clients");
        log_line(LOG_NOTICE, "ready: whisper158d %s, model %s", whisper158_version(), d->stats.model);
        if (!d->options.wait)
            start_session(d);
        status = loop_run(d->loop);
        if (status < 0) {
            log_line(LOG_ERR, "the main loop broke: %s", strerror(-status));
            status = EX_OSERR;
        }
    }
    take_apart(d);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- beginning */

/* A descriptor that the parent closed must not become a client's: the log is written to it. */
static void fill_standard_descriptors(void) {
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

/* Every thread inherits that they are blocked; the main thread reads them from a descriptor. */
static void block_signals(sigset_t *signals) {
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a recording at its limit (RLIMIT_FSIZE) gets an error, as on a full disk */
}

int main(int argc, char **argv) {
    Daemon daemon = {0};
    sigset_t signals;
    int status;

    fill_standard_descriptors();
    status = command_line_parse(&daemon.options, argc, argv);
    if (status != 0)
        return status;
    if (daemon.options.help || daemon.options.version) {
        (void)printf(daemon.options.help ? "%s" : "whisper158d %s\n",
                     daemon.options.help ? command_line_help : whisper158_version());
        return fflush(stdout) == 0 ? 0 : EX_IOERR;
    }
    block_signals(&signals);
    return run(&daemon, &signals);
}
