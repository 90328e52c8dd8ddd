/* What happens, told as it happens: server-sent events (HTML Living Standard, section 9.2). The
 * last EVENTS_KEPT are kept, unless they are larger than EVENTS_KEPT_SIZE together, so that a
 * listener that was away for a moment misses nothing. */
#ifndef APPNET_REGISTRY_EVENTS_H
#define APPNET_REGISTRY_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "appnet/http/exchange.h"

#define EVENTS_KEPT 4096
#define EVENTS_KEPT_SIZE ((size_t)HTTP_BACKLOG_MAX / 2) /* told at once to who resumes */
#define EVENTS_LISTENERS_MAX 256
#define EVENTS_ALL "0" /* as Last-Event-ID: all that are kept */

struct event_base;
struct events;

/* `revision` is read whenever a listener begins anew. */
struct events *events_new(struct event_base *base, const int64_t *revision);
void events_free(struct events *events); /* ends all listeners */

/* Tells everybody; takes `data` over. `name` is a constant: "connection", "connection-removed",
 * "instance", "instance-removed". */
void events_publish(struct events *events, const char *name, json_t *data);

/* Tells those who want to hear of traffic, "traffic"; takes `data` over. It is not kept: what comes
 * next makes up for what was missed. */
void events_tell_traffic(struct events *events, json_t *data);
bool events_are_of_traffic(const struct events *events); /* whether anybody does */

/* Begins to answer `exchange` with events: with those after `last_id` (Last-Event-ID; EVENTS_ALL
 * is before the first), or, when it is NULL, or too old, or of another start of the registry, with
 * "reset": read the lists anew. False, and the exchange is untouched: there are
 * EVENTS_LISTENERS_MAX already. `pass` is what this listener came in by if that may end before it
 * does (NULL: it does not). `traffic`: it wants to be told of that, too. */
bool events_listen(struct events *events, struct http_exchange *exchange, const char *last_id,
                   const char *pass, bool traffic);

/* Says from now on which passes are good. */
void events_guard(struct events *events, bool (*is_good)(void *argument, const char *pass),
                  void *argument);

/* Ends those whose pass is good no more. Happens by itself every few seconds. */
void events_check(struct events *events);

#endif
