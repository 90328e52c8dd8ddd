/* Two tunnels on one event base with endpoints in memory. To be used in a folder of the test's
 * own. */
#ifndef TESTS_UNIT_TUNNEL_SUPPORT_H
#define TESTS_UNIT_TUNNEL_SUPPORT_H

#include "appnet/tunnel/tunnel.h"

struct event_base;

/* The two ends of a session, the client's (instance web, with db as its peer) first; the engine is
 * the best there is, or `engine`. */
void support_established(struct established *ends[2], const struct record_engine *engine);

/* With an identity of that instance. */
struct handshaker *support_handshaker(unsigned threads, const char *instance);

/* Accepts on a free port of 127.0.0.1. */
void support_handshaker_listen(struct handshaker *handshaker, struct address *out,
                               void (*accepted)(void *argument, struct established *established),
                               void *argument);

/* ---- an application at the end of a stream ---- */

#define FOREVER UINT64_MAX

enum endpoint_then { THEN_WAIT, THEN_END, THEN_RESET };

struct endpoint {
    struct stream *stream; /* NULL: closed */
    /* what it says: bytes of a pattern, and then */
    uint64_t to_say; /* may be raised: endpoint_say */
    enum endpoint_then then;
    uint64_t said;
    bool ended; /* it has said that this was all */
    /* what it hears */
    uint64_t takes; /* how many bytes more it takes */
    uint64_t heard;
    bool wrong; /* what it heard is not the pattern */
    bool finished;
    /* what became of it */
    bool answered;
    unsigned status;
    char reason[64];
    bool closed;
    enum stream_end end;
    unsigned calls; /* after it was closed: there should be none */
};

extern const struct stream_handlers endpoint_handlers;

/* Says `size` bytes more, and then. */
void endpoint_say(struct endpoint *endpoint, uint64_t size, enum endpoint_then then);

/* Takes `size` bytes more. */
void endpoint_take(struct endpoint *endpoint, uint64_t size);

bool endpoint_is_closed(void *endpoint);

/* ---- two tunnels ---- */

#define WORLD_STREAMS 32

/* What the server does with a request. */
enum welcome { WELCOME_ACCEPT, WELCOME_REFUSE, WELCOME_LATER, WELCOME_IGNORE };

struct world_side {
    struct tunnel *tunnel; /* NULL: closed */
    bool ready, draining;
    unsigned closed;
    char reason[ERROR_TEXT_SIZE];
    bool refused;
};

struct world {
    struct event_base *base;
    struct buffers *buffers[2];
    struct world_side sides[2]; /* the client first */
    enum welcome welcome;
    unsigned refuse_status;
    const char *refuse_reason;
    struct endpoint served[WORLD_STREAMS]; /* the server's, as they came; used again when closed */
    struct endpoint pattern;               /* what a new one begins as */
    unsigned requests;
    bool understood; /* the last one; and what it said */
    struct stream_request request;
};

/* Makes two tunnels and waits until both are ready. The server accepts and its endpoints take all
 * and say nothing, until the world says otherwise. */
void world_make(struct world *world, const struct record_engine *engine);

/* Ends what is left. */
void world_free(struct world *world);

/* A request that is in order. */
struct stream_request world_request(void);

/* A new stream from the client; fails the test when there is none. */
void world_connect(struct world *world, struct endpoint *endpoint);

/* Turns until `done`, as support_turn_until. */
void world_turn_until(struct world *world, bool (*done)(void *argument), void *argument);
void world_turn_quiet(struct world *world);

/* Both endpoints are closed. */
void world_turn_until_closed(struct world *world, struct endpoint *a, struct endpoint *b);

#endif
