/* What the registry has told this sidecar: its own connections and the trust bundle. Kept in a
 * file, so that a sidecar can start while the registry is away. No rules and, but for that file, no
 * I/O.
 *
 * The registry speaks in lines, one JSON object each (registry/feed.h shows them). A line is taken
 * whole or not at all: what is wrong anywhere in it changes nothing. Fields and kinds of lines that
 * are not known are those of a newer registry, and are passed over. */
#ifndef APPNET_SIDECAR_VIEW_H
#define APPNET_SIDECAR_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appnet/base/address.h"
#include "appnet/base/error.h"
#include "appnet/base/name.h"

#define VIEW_DIGEST_SIZE 129
#define VIEW_LEASE_SECONDS 15
#define VIEW_FILE_MAX ((size_t)64 << 20)
#define VIEW_BUNDLE_MAX ((size_t)256 << 10)
#define VIEW_ADDRESSES_MAX 1024 /* of one connection */

/* One connection, of which this instance is the one end or the other. */
struct view_connection {
    char id[NAME_SIZE];
    bool is_source;
    char outbound[NAME_SIZE]; /* ours if we are the source; else the other's */
    char inbound[NAME_SIZE];  /* ours if we are the target; else the other's */
    char instance[NAME_SIZE]; /* the other end */
    uint16_t port; /* of the inbound's rule: the one opened for it, and the only one dialled;
                    * 0: the registry does not know yet */
    const struct address *addresses; /* source: the target's replicas, none twice */
    unsigned address_count;
};

enum view_line { VIEW_SNAPSHOT, VIEW_RESUME, VIEW_CHANGE, VIEW_ALIVE };

struct view;

struct view *view_new(void);
void view_free(struct view *view);

/* Takes one line of `length` bytes. *kind (may be NULL) tells which it was; one that is not known
 * counts as VIEW_ALIVE. */
int view_take(struct view *view, const char *line, size_t length, enum view_line *kind,
              struct error *err);

int64_t view_revision(const struct view *view);
const char *view_digest(const struct view *view);       /* empty: it has been told nothing yet */
unsigned view_lease(const struct view *view);           /* seconds; VIEW_LEASE_SECONDS until told */
const char *view_trust_bundle(const struct view *view); /* PEM, unchecked; NULL: none */

/* In order of their ids; good until the next line is taken. */
unsigned view_count(const struct view *view);
const struct view_connection *view_at(const struct view *view, unsigned index);
const struct view_connection *view_find(const struct view *view, const char *id);

/* The file's text: {"view","revision","connections","trust_bundle"}. malloc'ed. */
char *view_text(const struct view *view);

/* Writes that text, mode 0600, the old file or the new one, never half of one. */
int view_save(const struct view *view, const char *path, struct error *err);

/* NULL with an empty `err`: there is no such file. */
struct view *view_load(const char *path, struct error *err);

#endif
