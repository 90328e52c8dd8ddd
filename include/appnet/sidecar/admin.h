/* The two small HTTP servers of a sidecar, on the control thread: the admin socket (/status), for
 * the local command line, and the metrics address (/metrics, /healthz, /readyz). What comes in is
 * as untrusted as anything. */
#ifndef APPNET_SIDECAR_ADMIN_H
#define APPNET_SIDECAR_ADMIN_H

#include "appnet/base/address.h"
#include "appnet/base/error.h"

struct admin;
struct admin_reply;
struct event_base;

enum admin_page { ADMIN_STATUS, ADMIN_METRICS, ADMIN_READY };

/* `asked` is called for each page that needs an answer; the answer may come later, by admin_answer,
 * exactly once. */
struct admin *admin_new(struct event_base *base,
                        void (*asked)(void *argument, enum admin_page page,
                                      struct admin_reply *reply),
                        void *argument);

/* Serves on a socket in the file system, mode 0600; makes its folder. A stale socket is replaced; a
 * live one is an error. */
int admin_listen_unix(struct admin *admin, const char *path, struct error *err);
int admin_listen_tcp(struct admin *admin, const struct address *address, struct error *err);

/* `status` is an HTTP status; `body` is copied. */
void admin_answer(struct admin_reply *reply, int status, const char *type, const char *body);

/* Removes the socket. Answers still owed may be given after this; they go nowhere. */
void admin_free(struct admin *admin);

#endif
