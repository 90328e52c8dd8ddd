#include "store_local.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "appnet/base/memory.h"

#define BATCH_MAX 256 /* commits; what a crash can undo was not answered yet */

/* A commit, or a load if it has `row`. */
struct job {
    struct job *next;
    struct store_change *changes; /* a copy, and so their rows */
    unsigned count;
    store_row_seen *row;
    struct mesh *loaded; /* of a load that worked */
    store_done *done;
    void *argument;
    struct store_result result;
};

struct job_list {
    struct job *first;
    struct job *last;
};

/* Between the threads. It lives as long as the store or a task that is posted, whichever is longer.
 */
struct exchange {
    pthread_mutex_t lock;
    unsigned references;
    struct job_list waiting;  /* for the store's thread */
    struct job_list finished; /* for the caller's loop */
    bool closed;              /* what comes now waits for nobody */
};

struct store_local {
    struct store base;
    const struct store_engine *functions;
    void *engine;
    struct loop *loop;   /* the caller's */
    struct loop *thread; /* the store's own */
    struct exchange *exchange;
};

/* ---- jobs ---- */

static void append(struct job_list *list, struct job *job)
{
    job->next = NULL;
    if (list->last) {
        list->last->next = job;
    } else {
        list->first = job;
    }
    list->last = job;
}

static struct job *pop(struct job_list *list)
{
    struct job *job = list->first;

    if (job) {
        list->first = job->next;
        if (!list->first) {
            list->last = NULL;
        }
    }
    return job;
}

union store_row store_local_copy_row(enum store_kind kind, union store_row row)
{
    union store_row copy = {0};

    switch (kind) {
    case STORE_INSTANCE:
        copy.instance = model_instance_copy(row.instance);
        break;
    case STORE_CONNECTION: {
        struct model_connection *connection = memory_zalloc(sizeof *connection);
        *connection = *row.connection;
        copy.connection = connection;
        break;
    }
    case STORE_TOKEN: {
        struct model_token *token = memory_zalloc(sizeof *token);
        *token = *row.token;
        copy.token = token;
        break;
    }
    }
    return copy;
}

void store_local_free_row(enum store_kind kind, union store_row row)
{
    switch (kind) {
    case STORE_INSTANCE:
        model_instance_free((struct model_instance *)row.instance);
        break;
    case STORE_CONNECTION:
        free((struct model_connection *)row.connection);
        break;
    case STORE_TOKEN:
        free((struct model_token *)row.token);
        break;
    }
}

static void free_job(struct job *job)
{
    for (unsigned i = 0; i < job->count; i++) {
        store_local_free_row(job->changes[i].kind, job->changes[i].row);
    }
    free(job->changes);
    mesh_free(job->loaded);
    free(job);
}

/* ---- on the caller's loop ---- */

static void show_rows(const struct job *job)
{
    const struct model_instance *instance = NULL;
    const struct model_connection *connection = NULL;
    const struct model_token *token = NULL;

    while ((instance = mesh_next_instance(job->loaded, instance ? instance->name : NULL))) {
        job->row(job->argument, STORE_INSTANCE, (union store_row){.instance = instance});
    }
    while ((connection = mesh_next_connection(job->loaded, connection))) {
        job->row(job->argument, STORE_CONNECTION, (union store_row){.connection = connection});
    }
    while ((token = mesh_next_token(job->loaded, token ? token->id : NULL))) {
        job->row(job->argument, STORE_TOKEN, (union store_row){.token = token});
    }
}

static void answer(struct job *job)
{
    if (job->loaded) {
        show_rows(job);
    }
    if (job->done) {
        job->done(job->argument, &job->result);
    }
    free_job(job);
}

static struct job *take_one(struct exchange *exchange, struct job_list *list)
{
    struct job *job;

    pthread_mutex_lock(&exchange->lock);
    job = pop(list);
    pthread_mutex_unlock(&exchange->lock);
    return job;
}

static void release(struct exchange *exchange)
{
    bool last;

    pthread_mutex_lock(&exchange->lock);
    last = --exchange->references == 0;
    pthread_mutex_unlock(&exchange->lock);
    if (last) {
        pthread_mutex_destroy(&exchange->lock);
        free(exchange);
    }
}

/* One at a time: what is called may close the store. */
static void deliver(void *argument)
{
    struct exchange *exchange = argument;
    struct job *job;

    while ((job = take_one(exchange, &exchange->finished))) {
        answer(job);
    }
    release(exchange);
}

/* ---- on the store's thread ---- */

static void fail(struct job **jobs, unsigned count, const struct error *why)
{
    for (unsigned i = 0; i < count; i++) {
        jobs[i]->result = (struct store_result){.outcome = STORE_FAILED, .why = *why};
    }
}

enum batch { BATCH_MADE, BATCH_FAILED, BATCH_NOT_BEGUN };

static enum batch commit_batch(struct store_local *store, struct job **jobs, unsigned count)
{
    struct error why = ERROR_INIT;

    if (store->functions->begin(store->engine, &why) != 0) {
        fail(jobs, count, &why);
        return BATCH_NOT_BEGUN;
    }
    for (unsigned i = 0; i < count; i++) {
        struct job *job = jobs[i];
        store->functions->apply(store->engine, job->changes, job->count, &job->result);
        if (job->result.outcome == STORE_FAILED) {
            why = job->result.why;
            store->functions->cancel(store->engine);
            fail(jobs, count, &why);
            return BATCH_FAILED;
        }
    }
    if (store->functions->end(store->engine, &why) != 0) {
        fail(jobs, count, &why);
        return BATCH_FAILED;
    }
    return BATCH_MADE;
}

/* What fails together is tried one by one, so that one commit's trouble is not another's. What
 * cannot even begin is everybody's trouble, and whoever waits for a lock has waited long enough. */
static void run_commits(struct store_local *store, struct job **jobs, unsigned count)
{
    enum batch batch = commit_batch(store, jobs, count);
    bool one_by_one = batch == BATCH_FAILED && count > 1;

    for (unsigned i = 0; one_by_one && i < count; i++) {
        if (commit_batch(store, &jobs[i], 1) == BATCH_NOT_BEGUN) {
            fail(&jobs[i], count - i, &jobs[i]->result.why);
            break;
        }
    }
}

static void run_load(struct store_local *store, struct job *job)
{
    struct store_result *result = &job->result;

    job->loaded = mesh_new();
    if (store->functions->load(store->engine, job->loaded, &result->revision, &result->why) != 0) {
        result->outcome = STORE_FAILED;
        mesh_free(job->loaded);
        job->loaded = NULL;
    }
}

/* The commits that come next, up to a load, or the load alone. */
static unsigned take_batch(struct exchange *exchange, struct job **jobs)
{
    unsigned count = 0;

    pthread_mutex_lock(&exchange->lock);
    while (exchange->waiting.first && count < BATCH_MAX) {
        bool is_load = exchange->waiting.first->row != NULL;
        if (is_load && count > 0) {
            break;
        }
        jobs[count++] = pop(&exchange->waiting);
        if (is_load) {
            break;
        }
    }
    pthread_mutex_unlock(&exchange->lock);
    return count;
}

static void hand_back(struct store_local *store, struct job **jobs, unsigned count)
{
    struct exchange *exchange = store->exchange;
    bool post;

    pthread_mutex_lock(&exchange->lock);
    post = exchange->finished.first == NULL;
    exchange->references += post;
    for (unsigned i = 0; i < count; i++) {
        append(&exchange->finished, jobs[i]);
    }
    pthread_mutex_unlock(&exchange->lock);
    if (post) {
        loop_post(store->loop, deliver, exchange);
    }
}

static void work(void *argument)
{
    struct store_local *store = argument;
    struct job *jobs[BATCH_MAX];
    unsigned count;

    while ((count = take_batch(store->exchange, jobs)) > 0) {
        if (jobs[0]->row) {
            run_load(store, jobs[0]);
        } else {
            run_commits(store, jobs, count);
        }
        hand_back(store, jobs, count);
    }
}

/* ---- the table's functions ---- */

struct store *store_local_new(const struct store_table *table, const struct store_engine *functions,
                              void *engine, struct loop *loop, struct error *err)
{
    struct store_local *store = memory_zalloc(sizeof *store);

    store->base.table = table;
    store->functions = functions;
    store->engine = engine;
    store->loop = loop;
    store->exchange = memory_zalloc(sizeof *store->exchange);
    store->exchange->references = 1;
    pthread_mutex_init(&store->exchange->lock, NULL);
    store->thread = loop_new("store", err);
    if (!store->thread || loop_start(store->thread, err) != 0) {
        loop_free(store->thread);
        functions->free(engine);
        release(store->exchange);
        free(store);
        return NULL;
    }
    return &store->base;
}

static void submit(struct store *base, struct job *job)
{
    struct store_local *store = (struct store_local *)base;
    struct exchange *exchange = store->exchange;
    bool wake;

    pthread_mutex_lock(&exchange->lock);
    wake = !exchange->closed && exchange->waiting.first == NULL;
    if (exchange->closed) {
        job->result.outcome = STORE_FAILED;
        error_set(&job->result.why, "the store is being closed");
        append(&exchange->finished, job);
    } else {
        append(&exchange->waiting, job);
    }
    pthread_mutex_unlock(&exchange->lock);
    if (wake) {
        loop_post(store->thread, work, store);
    }
}

void store_local_load(struct store *store, store_row_seen *row, store_done *done, void *argument)
{
    struct job *job = memory_zalloc(sizeof *job);

    job->row = row;
    job->done = done;
    job->argument = argument;
    submit(store, job);
}

void store_local_commit(struct store *store, const struct store_change *changes, unsigned count,
                        store_done *done, void *argument)
{
    struct job *job = memory_zalloc(sizeof *job);

    job->changes = memory_grow(NULL, count, sizeof *changes);
    job->count = count;
    job->done = done;
    job->argument = argument;
    for (unsigned i = 0; i < count; i++) {
        job->changes[i] = changes[i];
        job->changes[i].row = store_local_copy_row(changes[i].kind, changes[i].row);
    }
    submit(store, job);
}

void store_local_close(struct store *base)
{
    struct store_local *store = (struct store_local *)base;
    struct exchange *exchange = store->exchange;
    struct job *job;

    /* What waits is a task of the thread's, and run before it ends. */
    loop_stop(store->thread);
    loop_join(store->thread);
    loop_free(store->thread);
    pthread_mutex_lock(&exchange->lock);
    exchange->closed = true;
    pthread_mutex_unlock(&exchange->lock);
    while ((job = take_one(exchange, &exchange->finished))) {
        answer(job);
    }
    store->functions->free(store->engine);
    release(exchange);
    free(store);
}

/* ---- for engines ---- */

static void describe(const struct store_change *change, char *out, size_t size)
{
    switch (change->kind) {
    case STORE_INSTANCE:
        snprintf(out, size, "instance %s", change->row.instance->name);
        break;
    case STORE_CONNECTION:
        snprintf(out, size, "the connection of outbound %s of %s", change->row.connection->outbound,
                 change->row.connection->source);
        break;
    case STORE_TOKEN:
        snprintf(out, size, "join token %s", change->row.token->id);
        break;
    }
}

bool store_local_expects(const struct store_change *change, unsigned number, int64_t revision,
                         struct store_result *result)
{
    char what[2 * NAME_SIZE + 64] = "";

    if (change->expected == STORE_ANY || change->expected == revision) {
        return true;
    }
    describe(change, what, sizeof what);
    result->outcome = STORE_CONFLICT;
    result->conflict = number;
    if (revision == STORE_ABSENT) {
        error_set(&result->why, "%s is not there any more", what);
    } else if (change->expected == STORE_ABSENT) {
        error_set(&result->why, "%s is there already", what);
    } else {
        error_set(&result->why,
                  "%s was changed meanwhile: its revision is %" PRId64 ", not %" PRId64, what,
                  revision, change->expected);
    }
    return false;
}

void store_local_violates(const struct store_change *change, unsigned number,
                          struct store_result *result)
{
    char what[2 * NAME_SIZE + 64] = "";

    describe(change, what, sizeof what);
    result->outcome = STORE_CONFLICT;
    result->conflict = number;
    error_set(&result->why, "%s %s", what,
              change->kind == STORE_CONNECTION
                  ? "needs an id of its own, and an outbound and an inbound of two instances"
                  : "has interfaces that are connected, and cannot lose them");
}
