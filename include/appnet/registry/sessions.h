/* Who has signed in with a browser. A session is a random text that the browser keeps as a cookie;
 * here is only what can be compared with it, also on disk, so that a restart signs nobody out. */
#ifndef APPNET_REGISTRY_SESSIONS_H
#define APPNET_REGISTRY_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "appnet/registry/auth.h"

#define SESSIONS_MAX 256
#define SESSIONS_SECONDS (12 * 3600) /* the life of one */
#define SESSIONS_CODE_SECONDS 3600
#define SESSIONS_FILE "sessions"
#define SESSIONS_TEXT_SIZE 65

struct sessions;

/* Those that are kept in `folder`, as far as the token of their role is still the same. A file that
 * cannot be used, or that others may read, is left out with a word in the log. `auth` outlives it.
 * Here and below `now` is in seconds since 1970. */
struct sessions *sessions_open(const char *folder, const struct auth *auth, int64_t now);
void sessions_free(struct sessions *sessions);

/* Makes one, and keeps it. When there are SESSIONS_MAX, the oldest of the least role gives way;
 * false: all are of a higher role than this one. */
bool sessions_add(struct sessions *sessions, enum role role, int64_t now,
                  char out[SESSIONS_TEXT_SIZE]);

/* What a browser with this text may do. */
enum role sessions_role(const struct sessions *sessions, const char *text, int64_t now);

/* Ends it, also for later starts. */
void sessions_remove(struct sessions *sessions, const char *text);

unsigned sessions_count(const struct sessions *sessions);

/* A new code for one to sign in with who has no token at hand; the last one is worth nothing from
 * then on. `clock` is in seconds, of a clock that nobody sets. */
void sessions_make_code(struct sessions *sessions, int64_t clock, char out[SESSIONS_TEXT_SIZE]);

/* Whether it is the code; true only once, and for SESSIONS_CODE_SECONDS. */
bool sessions_take_code(struct sessions *sessions, const char *code, int64_t clock);

#endif
