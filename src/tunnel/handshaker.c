#include "appnet/tunnel/handshaker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "appnet/base/acceptor.h"
#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/base/rate_limit.h"
#include "appnet/base/socket.h"
#include "appnet/tls/context.h"

/* How long a refused peer may take to read why. */
#define LINGER_SECONDS 1
/* Refusals of strangers that one thread logs. */
#define LOG_BURST 50
#define LOG_PER_SECOND 10
/* Accepted sockets that wait for their thread: beyond these, strangers wait in the kernel. */
#define ON_THE_WAY_MAX 32
#define ON_THE_WAY_MICROSECONDS 1000
#define STOPPING "the sidecar is stopping"

enum job_state { JOB_CONNECTING, JOB_SHAKING, JOB_LINGERING };

/* A wish of one of the loops, and then its answer. */
struct dial {
    struct thread *thread;
    struct address address;
    struct socket_address resolved;
    struct tls_expected expected;
    char what[NAME_SIZE + 16]; /* "the sidecar of NAME", for messages */
    struct loop *reply;
    void (*done)(void *argument, struct established *established, enum dial_failure failure,
                 const struct error *why);
    void *argument;
    struct established *established;
    enum dial_failure failure;
    struct error why;
};

/* One socket on its way to being authenticated, or, once refused, on its way out. */
struct job {
    TAILQ_ENTRY(job) link;
    struct thread *thread;
    enum job_state state;
    int fd;
    struct handshake *handshake;
    struct event *ready, *deadline;
    char address[ADDRESS_TEXT_SIZE];
    struct dial *dial; /* NULL: a stranger that came in, or a refused peer lingering */
};

TAILQ_HEAD(job_list, job);

struct thread {
    struct handshaker *owner;
    struct loop *loop;
    struct tls_context *context;
    struct job_list jobs;
    unsigned strangers; /* jobs that are nobody's dial */
    bool stopping;      /* what still comes is turned away */
    struct rate_limit log_limit;
};

struct handshaker {
    const struct record_engine *engine;
    struct loop *resolver; /* looking a name up blocks */
    struct thread *threads;
    unsigned thread_count;
    atomic_uint next;                  /* spreads the work over the threads */
    atomic_uint on_the_way;            /* accepted, and not yet taken by their thread */
    struct acceptor *_Atomic acceptor; /* lives on the first thread; accepts before it is set */
    enum tls_who who;                  /* may come in by it; set once, before anybody comes */
    void (*accepted)(void *argument, struct established *established);
    void *argument;
};

/* A socket, a context or a wish to stop, on its way to a thread. */
struct message {
    struct thread *thread;
    struct tls_context *context;
    int fd;
};

static struct message *message_new(struct thread *thread, int fd, struct tls_context *context)
{
    struct message *message = memory_zalloc(sizeof *message);

    message->thread = thread;
    message->fd = fd;
    message->context = context;
    return message;
}

static struct thread *pick(struct handshaker *handshaker)
{
    return &handshaker->threads[atomic_fetch_add(&handshaker->next, 1) % handshaker->thread_count];
}

void established_free(struct established *established)
{
    if (established) {
        record_free(established->record);
        close(established->fd);
        free(established);
    }
}

/* ---- answers ---- */

static void deliver(void *argument)
{
    struct dial *dial = argument;

    dial->done(dial->argument, dial->established, dial->failure, &dial->why);
    free(dial);
}

static void dial_failed(struct dial *dial, enum dial_failure failure, const struct error *why)
{
    dial->failure = failure;
    dial->why = *why;
    loop_post(dial->reply, deliver, dial);
}

/* ---- jobs ---- */

static void job_free(struct job *job)
{
    TAILQ_REMOVE(&job->thread->jobs, job, link);
    if (!job->dial) {
        job->thread->strangers--;
    }
    if (job->ready) {
        event_free(job->ready);
    }
    if (job->deadline) {
        event_free(job->deadline);
    }
    handshake_free(job->handshake);
    if (job->fd >= 0) {
        close(job->fd);
    }
    free(job);
}

static void log_stranger_refused(struct job *job, const struct error *why)
{
    const char *peer = job->handshake ? handshake_peer(job->handshake) : "";
    uint64_t left_out = 0;

    if (rate_limit_take(&job->thread->log_limit, loop_now(), &left_out)) {
        log_warn("tunnel refused", LOG_S("side", "target"), LOG_S("address", job->address),
                 LOG_S("peer", peer[0] != '\0' ? peer : NULL), LOG_S("reason", "tls-refused"),
                 LOG_S("detail", why->text), LOG_I("left_out", left_out));
    }
}

static void job_wait(struct job *job, short what)
{
    event_del(job->ready);
    event_assign(job->ready, loop_base(job->thread->loop), job->fd, what,
                 event_get_callback(job->ready), job);
    event_add(job->ready, NULL);
}

/* Closing a socket with unread input makes a reset, and a reset may overtake the alert that tells
 * the peer why. So only our side is shut, and what comes is thrown away for a moment. */
static void job_linger(struct job *job)
{
    static const struct timeval patience = {LINGER_SECONDS, 0};

    if (job->dial) {
        job->dial = NULL;
        job->thread->strangers++;
    }
    job->state = JOB_LINGERING;
    handshake_free(job->handshake);
    job->handshake = NULL;
    shutdown(job->fd, SHUT_WR);
    event_add(job->deadline, &patience);
    job_wait(job, EV_READ);
}

static void job_failed(struct job *job, enum dial_failure failure, const struct error *why)
{
    bool greeted = job->state == JOB_SHAKING;

    if (job->dial) {
        dial_failed(job->dial, failure, why);
    } else {
        log_stranger_refused(job, why);
    }
    if (greeted) {
        job_linger(job);
    } else {
        job_free(job);
    }
}

static void job_done(struct job *job)
{
    struct handshaker *owner = job->thread->owner;
    struct established *established = memory_zalloc(sizeof *established);
    struct tls_session session;
    struct error err = ERROR_INIT;

    established->fd = job->fd;
    if (handshake_finish(job->handshake, &session, &err) != 0) {
        free(established);
        job_failed(job, DIAL_REFUSED, &err);
        return;
    }
    established->is_client = session.is_client;
    established->peer = session.peer;
    snprintf(established->version, sizeof established->version, "%s", session.version);
    snprintf(established->cipher, sizeof established->cipher, "%s", session.cipher);
    snprintf(established->address, sizeof established->address, "%s", job->address);
    established->record = record_new(owner->engine, &session, job->fd, &err);
    if (!established->record) {
        free(established);
        job_failed(job, DIAL_REFUSED, &err);
        return;
    }
    event_del(job->ready);
    job->fd = -1;
    if (job->dial) {
        job->dial->established = established;
        loop_post(job->dial->reply, deliver, job->dial);
    } else {
        owner->accepted(owner->argument, established);
    }
    job_free(job);
}

static void job_shake(struct job *job)
{
    struct error err = ERROR_INIT;

    switch (handshake_step(job->handshake, &err)) {
    case HANDSHAKE_DONE:
        job_done(job);
        break;
    case HANDSHAKE_READ:
        job_wait(job, EV_READ);
        break;
    case HANDSHAKE_WRITE:
        job_wait(job, EV_WRITE);
        break;
    case HANDSHAKE_FAILED:
        job_failed(job, DIAL_REFUSED, &err);
        job = NULL;
        break;
    }
}

static void job_begin(struct job *job)
{
    struct tls_expected stranger = {0};
    const struct tls_expected *expected = &stranger;
    struct error err = ERROR_INIT;

    if (job->dial) {
        expected = &job->dial->expected;
    } else {
        stranger.who = job->thread->owner->who;
    }
    socket_prepare(job->fd, socket_is_local(job->fd));
    socket_peer_format(job->fd, job->address, sizeof job->address);
    job->handshake =
        handshake_new(job->thread->context, job->fd, job->dial != NULL, expected, &err);
    if (!job->handshake) {
        job_failed(job, DIAL_REFUSED, &err);
        return;
    }
    job->state = JOB_SHAKING;
    job_shake(job);
}

static void job_connected(struct job *job)
{
    struct error err = ERROR_INIT;
    char text[ADDRESS_TEXT_SIZE];
    int failure = 0;
    socklen_t size = sizeof failure;

    getsockopt(job->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) {
        address_format(&job->dial->address, text, sizeof text);
        error_set_errno(&err, failure, "%s does not answer at %s", job->dial->what, text);
        job_failed(job, DIAL_UNREACHABLE, &err);
        return;
    }
    job_begin(job);
}

static void job_discard(struct job *job)
{
    char waste[4096];
    ssize_t n;

    for (int i = 0; i < 16; i++) {
        n = recv(job->fd, waste, sizeof waste, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            job_free(job);
            return;
        }
        if (n < 0) {
            break;
        }
    }
    job_wait(job, EV_READ);
}

static void on_ready(evutil_socket_t fd, short what, void *argument)
{
    struct job *job = argument;

    (void)fd;
    (void)what;
    switch (job->state) {
    case JOB_CONNECTING:
        job_connected(job);
        break;
    case JOB_SHAKING:
        job_shake(job);
        break;
    case JOB_LINGERING:
        job_discard(job);
        break;
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *argument)
{
    struct job *job = argument;
    struct error err = ERROR_INIT;

    (void)fd;
    (void)what;
    if (job->state == JOB_LINGERING) {
        job_free(job);
    } else if (job->state == JOB_CONNECTING) {
        error_set(&err, "%s did not answer within %d seconds", job->dial->what,
                  HANDSHAKER_DEADLINE_SECONDS);
        job_failed(job, DIAL_UNREACHABLE, &err);
    } else {
        error_set(&err, "the TLS handshake was not finished within %d seconds",
                  HANDSHAKER_DEADLINE_SECONDS);
        job_failed(job, job->dial ? DIAL_UNREACHABLE : DIAL_REFUSED, &err);
    }
}

/* Takes `fd` over. */
static struct job *job_new(struct thread *thread, int fd, struct dial *dial)
{
    static const struct timeval patience = {HANDSHAKER_DEADLINE_SECONDS, 0};
    struct job *job = memory_zalloc(sizeof *job);

    job->thread = thread;
    job->fd = fd;
    job->dial = dial;
    TAILQ_INSERT_TAIL(&thread->jobs, job, link);
    if (!dial) {
        thread->strangers++;
    }
    job->ready = event_new(loop_base(thread->loop), fd, EV_WRITE, on_ready, job);
    job->deadline = event_new(loop_base(thread->loop), -1, 0, on_deadline, job);
    if (!job->ready || !job->deadline || event_add(job->deadline, &patience) != 0) {
        struct error err = ERROR_INIT;
        error_set(&err, "no memory for another handshake");
        job_failed(job, DIAL_UNREACHABLE, &err);
        return NULL;
    }
    return job;
}

/* ---- strangers ---- */

static struct job *oldest_stranger(struct thread *thread, bool lingering)
{
    struct job *job;

    TAILQ_FOREACH (job, &thread->jobs, link) {
        if (!job->dial && (job->state == JOB_LINGERING) == lingering) {
            return job;
        }
    }
    return NULL;
}

/* The oldest gives way, so that silent ones cannot keep others out: first of those who only have to
 * read why they were refused. */
static void make_room(struct thread *thread)
{
    struct error err = ERROR_INIT;
    struct job *job;

    if (thread->strangers < HANDSHAKER_STRANGERS_MAX) {
        return;
    }
    job = oldest_stranger(thread, true);
    if (!job) {
        job = oldest_stranger(thread, false);
        error_set(&err, "it had not finished the TLS handshake when newer ones needed its place");
        log_stranger_refused(job, &err);
    }
    job_free(job);
}

static void take_stranger(void *argument)
{
    struct message *message = argument;
    struct job *job;

    atomic_fetch_sub(&message->thread->owner->on_the_way, 1);
    if (message->thread->stopping) {
        close(message->fd);
    } else {
        make_room(message->thread);
        job = job_new(message->thread, message->fd, NULL);
        if (job) {
            job_begin(job);
        }
    }
    free(message);
}

/* On the first thread. */
static void on_accepted(void *argument, int fd)
{
    struct handshaker *handshaker = argument;
    struct thread *thread = pick(handshaker);
    struct acceptor *acceptor = handshaker->acceptor;

    loop_post(thread->loop, take_stranger, message_new(thread, fd, NULL));
    if (atomic_fetch_add(&handshaker->on_the_way, 1) + 1 >= ON_THE_WAY_MAX && acceptor) {
        acceptor_rest(acceptor, ON_THE_WAY_MICROSECONDS);
    }
}

int handshaker_listen(struct handshaker *handshaker, int fd, enum tls_who who,
                      void (*accepted)(void *argument, struct established *established),
                      void *argument, struct error *err)
{
    handshaker->accepted = accepted;
    handshaker->argument = argument;
    handshaker->who = who;
    handshaker->acceptor =
        acceptor_new(loop_base(handshaker->threads[0].loop), fd, on_accepted, handshaker, err);
    return handshaker->acceptor ? 0 : -1;
}

static void close_acceptor(void *argument)
{
    struct handshaker *handshaker = argument;

    acceptor_free(handshaker->acceptor);
    handshaker->acceptor = NULL;
}

void handshaker_close(struct handshaker *handshaker)
{
    loop_post(handshaker->threads[0].loop, close_acceptor, handshaker);
}

/* ---- dialling ---- */

static void start_connecting(void *argument)
{
    struct dial *dial = argument;
    struct thread *thread = dial->thread;
    struct error err = ERROR_INIT;
    char text[ADDRESS_TEXT_SIZE];
    struct job *job;
    int fd;

    if (thread->stopping) {
        error_set(&err, STOPPING);
        dial_failed(dial, DIAL_UNREACHABLE, &err);
        return;
    }
    fd = socket(dial->resolved.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        error_set_errno(&err, errno, "no socket to reach %s", dial->what);
        dial_failed(dial, DIAL_UNREACHABLE, &err);
        return;
    }
    job = job_new(thread, fd, dial);
    if (!job) {
        return;
    }
    if (connect(fd, (const struct sockaddr *)&dial->resolved.storage, dial->resolved.length) != 0 &&
        errno != EINPROGRESS) {
        int failure = errno;
        address_format(&dial->address, text, sizeof text);
        error_set_errno(&err, failure, "%s does not answer at %s", dial->what, text);
        job_failed(job, DIAL_UNREACHABLE, &err);
        return;
    }
    job_wait(job, EV_WRITE);
}

/* On the resolver's thread, or on the dialling one for numeric addresses. */
static void resolve(void *argument)
{
    struct dial *dial = argument;
    struct error err = ERROR_INIT;

    if (address_resolve(&dial->address, &dial->resolved, &err) != 0) {
        dial_failed(dial, DIAL_UNREACHABLE, &err);
    } else {
        loop_post(dial->thread->loop, start_connecting, dial);
    }
}

void handshaker_dial(struct handshaker *handshaker, const struct address *address,
                     const struct tls_expected *expected, struct loop *reply,
                     void (*done)(void *argument, struct established *established,
                                  enum dial_failure failure, const struct error *why),
                     void *argument)
{
    struct dial *dial = memory_zalloc(sizeof *dial);

    dial->thread = pick(handshaker);
    dial->address = *address;
    dial->expected = *expected;
    if (expected->who == TLS_REGISTRY) {
        snprintf(dial->what, sizeof dial->what, "the registry");
    } else {
        snprintf(dial->what, sizeof dial->what, "the sidecar of %s", expected->instance);
    }
    dial->reply = reply;
    dial->done = done;
    dial->argument = argument;
    if (address_is_literal(address)) {
        resolve(dial);
    } else {
        loop_post(handshaker->resolver, resolve, dial);
    }
}

/* ---- life ---- */

static void take_context(void *argument)
{
    struct message *message = argument;

    tls_context_unref(message->thread->context);
    message->thread->context = message->context;
    free(message);
}

int handshaker_set_identity(struct handshaker *handshaker, const struct identity *identity,
                            struct error *err)
{
    struct message **messages = memory_zalloc(handshaker->thread_count * sizeof *messages);
    unsigned made = 0;

    /* All are made before any is put into use, so that the threads never differ. */
    while (made < handshaker->thread_count) {
        struct tls_context *context = tls_context_new(identity, err);
        if (!context) {
            break;
        }
        messages[made] = message_new(&handshaker->threads[made], -1, context);
        made++;
    }
    for (unsigned i = 0; i < made; i++) {
        if (made == handshaker->thread_count) {
            loop_post(messages[i]->thread->loop, take_context, messages[i]);
        } else {
            tls_context_unref(messages[i]->context);
            free(messages[i]);
        }
    }
    free(messages);
    return made == handshaker->thread_count ? 0 : -1;
}

struct handshaker *handshaker_new(unsigned threads, const struct record_engine *engine,
                                  struct error *err)
{
    struct handshaker *handshaker = memory_zalloc(sizeof *handshaker);
    char name[32];

    handshaker->engine = engine;
    handshaker->threads = memory_zalloc(threads * sizeof *handshaker->threads);
    handshaker->resolver = loop_new("resolver", err);
    if (!handshaker->resolver || loop_start(handshaker->resolver, err) != 0) {
        goto failed;
    }
    for (unsigned i = 0; i < threads; i++) {
        struct thread *thread = &handshaker->threads[i];
        thread->owner = handshaker;
        thread->log_limit = (struct rate_limit)RATE_LIMIT_INIT(LOG_BURST, LOG_PER_SECOND);
        TAILQ_INIT(&thread->jobs);
        snprintf(name, sizeof name, "handshake-%u", i);
        thread->loop = loop_new(name, err);
        if (!thread->loop) {
            goto failed;
        }
        handshaker->thread_count++;
        if (loop_start(thread->loop, err) != 0) {
            goto failed;
        }
    }
    return handshaker;

failed:
    handshaker_free(handshaker);
    return NULL;
}

static void abandon_jobs(struct thread *thread)
{
    struct error err = ERROR_INIT;
    struct job *job;

    thread->stopping = true;
    error_set(&err, STOPPING);
    while ((job = TAILQ_FIRST(&thread->jobs))) {
        if (job->dial) {
            dial_failed(job->dial, DIAL_UNREACHABLE, &err);
        }
        job_free(job);
    }
}

void handshaker_free(struct handshaker *handshaker)
{
    if (!handshaker) {
        return;
    }
    if (handshaker->resolver) {
        loop_stop(handshaker->resolver);
        loop_join(handshaker->resolver);
        loop_free(handshaker->resolver);
    }
    for (unsigned i = 0; i < handshaker->thread_count; i++) {
        struct thread *thread = &handshaker->threads[i];
        loop_stop(thread->loop);
        loop_join(thread->loop);
    }
    if (handshaker->acceptor) {
        acceptor_free(handshaker->acceptor);
    }
    for (unsigned i = 0; i < handshaker->thread_count; i++) {
        struct thread *thread = &handshaker->threads[i];
        abandon_jobs(thread);
        loop_free(thread->loop); /* may still make jobs of what was posted */
        tls_context_unref(thread->context);
    }
    free(handshaker->threads);
    free(handshaker);
}
