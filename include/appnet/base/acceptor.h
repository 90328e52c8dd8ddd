/* Listening sockets and their accept loops. */
#ifndef APPNET_BASE_ACCEPTOR_H
#define APPNET_BASE_ACCEPTOR_H

#include <stdbool.h>

#include "appnet/base/address.h"
#include "appnet/base/error.h"

struct acceptor;
struct event_base;

/* Opens `count` listening TCP sockets on one address, among which the kernel spreads connections
 * (SO_REUSEPORT) when there are several. Fails, with nothing left open, if any other socket listens
 * there, even one that would share the port. */
int acceptor_open(const struct address *address, int *fds, unsigned count, struct error *err);

/* Accepts on `fd`, which it takes over, and hands out connected sockets (non-blocking,
 * close-on-exec) that the callee then owns. When descriptors run out it says so in the log and
 * pauses instead of spinning. */
struct acceptor *acceptor_new(struct event_base *base, int fd,
                              void (*accepted)(void *argument, int fd), void *argument,
                              struct error *err);

/* Accepts nothing for so long (less than a second): what comes meanwhile waits in the kernel. May
 * be called from within `accepted`. */
void acceptor_rest(struct acceptor *acceptor, int microseconds);

/* Accepts nothing until acceptor_resume; what comes meanwhile waits in the kernel. May be called
 * from within `accepted`. */
void acceptor_pause(struct acceptor *acceptor);
void acceptor_resume(struct acceptor *acceptor);

/* Closes the listening socket. */
void acceptor_free(struct acceptor *acceptor);

#endif
