/* The answer that an HTTP request waits for. The client may go away meanwhile: then what is
 * answered goes nowhere. Every reply is answered exactly once, which ends it. */
#ifndef APPNET_REGISTRY_REPLY_H
#define APPNET_REGISTRY_REPLY_H

#include <jansson.h>

#include "appnet/http/exchange.h"
#include "appnet/registry/problems.h"
#include "appnet/registry/rules.h"

struct reply;

/* For an exchange that is neither answered nor begun. */
struct reply *reply_new(struct http_exchange *exchange);

/* Good until the answer; NULL: the client is gone. */
const struct http_request *reply_request(const struct reply *reply);

/* Before the answer. */
void reply_header(struct reply *reply, const char *name, const char *value);

/* Takes `body` over. */
void reply_json(struct reply *reply, unsigned status, json_t *body);

/* 204. */
void reply_nothing(struct reply *reply);

/* A problem (RFC 9457): `code` is stable, `detail` is for a person. `next`, what to do about it,
 * may be NULL. */
void reply_problem(struct reply *reply, unsigned status, const char *code, const char *detail,
                   const char *next);
void reply_refusal(struct reply *reply, const struct refusal *refusal);

/* A problem with all that is wrong, under "errors"; clears `problems`. */
void reply_problems(struct reply *reply, unsigned status, const char *code, const char *detail,
                    struct problems *problems);

/* Ends the reply without an answer: the exchange is the caller's again. NULL: the client is gone.
 */
struct http_exchange *reply_release(struct reply *reply);

#endif
