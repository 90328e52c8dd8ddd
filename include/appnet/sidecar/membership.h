/* A sidecar's place in the registry: it is told its own connections, and tells what it measures of
 * them. Without the registry it goes on with what it was told last, also after a restart. */
#ifndef APPNET_SIDECAR_MEMBERSHIP_H
#define APPNET_SIDECAR_MEMBERSHIP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "appnet/base/loop.h"
#include "appnet/config/config.h"
#include "appnet/sidecar/credentials.h"
#include "appnet/sidecar/view.h"
#include "appnet/tunnel/handshaker.h"

struct membership;

struct membership_handlers {
    /* What the registry says of our connections, membership_view, has changed. */
    void (*view)(void *argument);
    /* The list of "connections" of a report. */
    json_t *(*report)(void *argument);
    /* The registry does not know this instance. */
    void (*unknown)(void *argument);
    void *argument;
};

/* What `appnet status` shows. */
struct membership_info {
    const char *address;
    bool connected; /* the watch is open */
    int64_t revision;
    int64_t last_contact; /* seconds since 1970; 0: never */
    const char *trouble;  /* NULL: none */
};

/* Makes state_dir, and has it for itself until the end. `handshaker` has an identity before
 * membership_start, and outlives it. */
struct membership *membership_new(struct loop *loop, struct handshaker *handshaker,
                                  const struct config *config,
                                  const struct membership_handlers *handlers, struct error *err);
void membership_free(struct membership *membership);

/* What the registry has told, now or the last time; empty before it has told anything. */
const struct view *membership_view(const struct membership *membership);

/* Begins to watch, from then on until it is freed. */
void membership_start(struct membership *membership);

/* The file was read anew: other interfaces may be declared. */
void membership_reconfigure(struct membership *membership, const struct config *config);

/* This sidecar is going to end: the registry is to lead nobody new to it. */
void membership_withdraw(struct membership *membership);

/* The certificate has changed. */
void membership_identify(struct membership *membership, const struct identity *identity);

/* There is something to report. */
void membership_changed(struct membership *membership);

void membership_describe(const struct membership *membership, struct membership_info *out);

#endif
