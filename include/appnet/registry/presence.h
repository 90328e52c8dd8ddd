/* The replicas that are there: each has an open watch, or had one within its lease, and has said
 * what it offers and what it measures. Kept in memory only: after a restart they come back by
 * themselves. */
#ifndef APPNET_REGISTRY_PRESENCE_H
#define APPNET_REGISTRY_PRESENCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "appnet/base/address.h"
#include "appnet/base/error.h"
#include "appnet/base/name.h"
#include "appnet/registry/model.h"
#include "appnet/registry/state.h"

#define REPLICA_ID_SIZE 17         /* 16 of a-z and 0-9, and the zero */
#define PRESENCE_REPLICAS_MAX 1000 /* of one instance */
/* How long a watch may be away before its replica counts as not there: a sidecar that lost its
 * connection is back sooner. */
#define PRESENCE_GRACE_MICROSECONDS 1000000

/* What a replica says of one connection whose source it is. */
struct replica_report {
    char id[MODEL_CONNECTION_ID_SIZE];
    enum state_status status; /* never TERMINATED */
    const char *reason;       /* a constant of state.h; NULL unless FAILED */
    char detail[ERROR_TEXT_SIZE];
    int64_t streams, sent, received;
    bool moved; /* one of the three, since the report before */
};

struct replica {
    TAILQ_ENTRY(replica) link; /* among its instance's, in the order of coming */
    char instance[NAME_SIZE];
    char id[REPLICA_ID_SIZE];
    char version[32];
    char address[ADDRESS_TEXT_SIZE]; /* of its tunnel; empty: it takes none */
    char certificate_not_after[32];  /* as it says */
    bool watching;
    bool live;                       /* watching and not silent, or away for less than the grace */
    bool silent;                     /* not a word within its lease */
    bool reported;                   /* has said something since it came */
    int64_t last_seen;               /* ms since 1970 */
    int64_t heard_at;                /* loop_now */
    int64_t applied;                 /* the revision that it has put into use */
    struct model_instance *declared; /* its interfaces; NULL: not said yet */
    struct replica_report *reports;  /* sorted by connection id */
    unsigned report_count;
};

struct event_base;
struct presence;

/* `changed` is told when a replica comes, goes, or is away for longer than the grace; not of what
 * it reports. When `lease_seconds` have passed without a word it is gone; or silent, as long as its
 * watch is open all the same. */
struct presence *presence_new(struct event_base *base, unsigned lease_seconds,
                              void (*changed)(void *argument, const char *instance),
                              void *argument);
void presence_free(struct presence *presence);

bool replica_id_valid(const char *text);

/* Found or made. NULL: PRESENCE_REPLICAS_MAX. */
struct replica *presence_replica(struct presence *presence, const char *instance, const char *id);

/* Its watch has opened, or closed. What one that was away for longer than the grace had reported
 * of its connections counts no more. */
void presence_watch(struct presence *presence, struct replica *replica, bool watching);

/* Takes a report (the sidecar's POST) in: 0, or -1 and what is wrong with it, then nothing has
 * changed. Interfaces are not read here. */
int presence_report(struct replica *replica, const json_t *report, struct error *err);

/* Takes `declared` over. */
void presence_declare(struct replica *replica, struct model_instance *declared);

/* What it says of a connection as its source; NULL: nothing. */
const struct replica_report *replica_report_of(const struct replica *replica, const char *id);

/* The replicas of an instance, within their leases, in the order of coming: NULL for the first. */
struct replica *presence_next(const struct presence *presence, const char *instance,
                              const struct replica *after);

/* All of an instance's are gone: it is being removed. */
void presence_forget(struct presence *presence, const char *instance);

size_t presence_count(const struct presence *presence);

#endif
