#include "appnet/registry/reply.h"

#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "appnet/base/text.h"

#define JSON_TYPE "application/json"
#define PROBLEM_TYPE "application/problem+json"

struct reply {
    struct http_exchange *exchange; /* NULL: the client is gone */
};

static void on_gone(void *argument)
{
    struct reply *reply = argument;

    reply->exchange = NULL;
}

struct reply *reply_new(struct http_exchange *exchange)
{
    struct reply *reply = memory_zalloc(sizeof *reply);

    reply->exchange = exchange;
    http_exchange_on_closed(exchange, on_gone, reply);
    return reply;
}

const struct http_request *reply_request(const struct reply *reply)
{
    return reply->exchange ? http_exchange_request(reply->exchange) : NULL;
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
    if (reply->exchange) {
        http_exchange_set_header(reply->exchange, name, value);
    }
}

static void answer(struct reply *reply, unsigned status, const char *type, json_t *body)
{
    if (reply->exchange) {
        char *text = json_dumps(body, JSON_COMPACT);
        http_exchange_answer(reply->exchange, status, type, text, text ? strlen(text) : 0);
        free(text);
    }
    json_decref(body);
    free(reply);
}

void reply_json(struct reply *reply, unsigned status, json_t *body)
{
    answer(reply, status, JSON_TYPE, body);
}

void reply_nothing(struct reply *reply)
{
    if (reply->exchange) {
        http_exchange_answer(reply->exchange, 204, NULL, NULL, 0);
    }
    free(reply);
}

/* `detail` may quote what was sent, cut to a size. */
static json_t *problem(unsigned status, const char *code, const char *detail, const char *next)
{
    char *text = memory_strdup(detail);
    json_t *body;

    text_repair(text);
    body = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s*}", "type", "about:blank", "title",
                     http_status_text(status), "status", (int)status, "code", code, "detail", text,
                     "next", next);
    free(text);
    return body;
}

void reply_problem(struct reply *reply, unsigned status, const char *code, const char *detail,
                   const char *next)
{
    answer(reply, status, PROBLEM_TYPE, problem(status, code, detail, next));
}

void reply_refusal(struct reply *reply, const struct refusal *refusal)
{
    reply_problem(reply, refusal->status, refusal->code, refusal->text.text, NULL);
}

void reply_problems(struct reply *reply, unsigned status, const char *code, const char *detail,
                    struct problems *problems)
{
    json_t *body = problem(status, code, detail, NULL);
    json_t *errors = json_array();

    for (unsigned i = 0; i < problems->count; i++) {
        json_array_append_new(errors, json_string(problems->sentences[i]));
    }
    json_object_set_new(body, "errors", errors);
    problems_clear(problems);
    answer(reply, status, PROBLEM_TYPE, body);
}

struct http_exchange *reply_release(struct reply *reply)
{
    struct http_exchange *exchange = reply->exchange;

    if (exchange) {
        http_exchange_on_closed(exchange, NULL, NULL);
    }
    free(reply);
    return exchange;
}
