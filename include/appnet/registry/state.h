/* The state of a connection: a pure function of its row, of what the replicas of its two ends
 * report, and of the time. Nothing is remembered, so that nothing can stick, and a late report
 * cannot bring back what is over. */
#ifndef APPNET_REGISTRY_STATE_H
#define APPNET_REGISTRY_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "appnet/base/error.h"
#include "appnet/registry/model.h"

/* How long it may take until what is new, or has just come back, is called failed. */
#define STATE_GRACE_MS 2000

enum state_status { STATE_WAITING, STATE_ESTABLISHED, STATE_FAILED, STATE_TERMINATED };

/* Reason codes of FAILED. */
#define STATE_NO_REPLICA "no-replica"
#define STATE_UNREACHABLE "unreachable"
#define STATE_TLS_REFUSED "tls-refused"
#define STATE_NOT_AUTHORISED "not-authorised"
#define STATE_TARGET_REFUSED "target-refused"
#define STATE_LISTEN_CONFLICT "listen-conflict"
#define STATE_INTERFACE_WITHDRAWN "interface-withdrawn"

/* What one present replica of the source reports of the connection. */
struct state_source {
    const char *replica;      /* its id, for the sentence */
    bool reported;            /* false: it has not spoken of this connection yet */
    enum state_status status; /* as reported; of no meaning unless reported */
    const char *reason;       /* a code, NULL unless FAILED */
    const char *detail;       /* a sentence, or NULL */
};

struct state_input {
    const struct model_connection *connection;
    int64_t now;    /* milliseconds since 1970 */
    int64_t uptime; /* milliseconds since the registry began to listen to replicas */
    const struct state_source *sources; /* every present replica of the source instance */
    unsigned source_count;
    unsigned target_count; /* present replicas of the target instance */
    unsigned unreleased;   /* when the row is removing: present replicas, of both ends, that have
                            * not yet confirmed that they let go of it */
};

struct state {
    enum state_status status;
    const char *reason;  /* a code, NULL unless FAILED: a constant, or the source's */
    struct error detail; /* a sentence, "" if there is nothing to say */
    int64_t next;        /* when to ask again though nothing was reported: milliseconds since 1970;
                          * 0: there is no need */
};

/* ESTABLISHED if a replica of the source is present and every present one reports it so.
 * TERMINATED if the row is removing. Otherwise WAITING while the row or the registry is younger
 * than STATE_GRACE_MS; then FAILED for want of a replica, or as the first that failed reports, and
 * else WAITING. */
void state_derive(const struct state_input *input, struct state *out);

/* Whether a row that is removing may be deleted: every present replica has let go of it. */
bool state_may_go(const struct state_input *input);

/* "WAITING", "ESTABLISHED", "FAILED", "TERMINATED", and back (-1: it is none of them). */
const char *state_status_text(enum state_status status);
int state_status_parse(const char *text, enum state_status *out);

/* The constant for a reason code that was received; NULL: it is not known. */
const char *state_reason(const char *text);

#endif
