/* Asking the registry, by its HTTP API. */
#ifndef APPNET_CLI_API_CLIENT_H
#define APPNET_CLI_API_CLIENT_H

#include <jansson.h>

#include "appnet/cli/command.h"

#define API_REGISTRY "http://127.0.0.1:15080"

/* The registry that was asked for, and who asks. */
struct api;

/* Takes the options or else the environment: APPNET_REGISTRY, APPNET_TOKEN_FILE, APPNET_CA. Nothing
 * is asked yet. NULL if the address is none, the token cannot be read, ... */
struct api *api_new(const struct command_arguments *arguments, struct error *err);
void api_free(struct api *api);

/* What the registry has answered. */
struct api_answer {
    long status;  /* HTTP's; 0: it did not answer */
    char *text;   /* as it came */
    json_t *json; /* NULL: it is not JSON */
};

/* One request, with `body` (or NULL) as JSON. Returns COMMAND_DONE with an answer of the kind that
 * was asked for. Otherwise COMMAND_FAILED, with a sentence and, where there is more to say than
 * one, further lines on standard error. Clear the answer either way. */
int api_ask(struct api *api, const char *method, const char *path, const json_t *body,
            struct api_answer *answer, struct error *err);
void api_answer_clear(struct api_answer *answer);

/* As api_ask, and a refusal is an answer, too: COMMAND_DONE whatever its status. */
int api_try(struct api *api, const char *method, const char *path, const json_t *body,
            struct api_answer *answer, struct error *err);

/* Says why an answer is a refusal: the problem on standard output if JSON is asked for, sentences
 * on standard error, or one in `err`. Returns COMMAND_FAILED. */
int api_refused(const struct api *api, const struct api_answer *answer, struct error *err);

/* Asks, and prints the answer: as it is, or its list `key` as a table. */
struct table_column;
int api_print_list(const struct command_arguments *arguments, const char *path, const char *key,
                   const struct table_column *columns, struct error *err);

/* GETs a stream of any length; `take` gets each piece and returns -1 to end it. Returns 0 when it
 * has ended, by itself or by `take`. -1 with a sentence: it could not be had or broke; *refused
 * tells that trying again is of no use. `last_id`, which may be empty, is sent as Last-Event-ID. */
struct api_stream {
    const char *path;
    const char *last_id;
    int (*take)(void *argument, const char *data, size_t size);
    /* Called about once a second and with every piece, when the answer has begun; -1 ends the
     * stream. May be NULL. */
    int (*tick)(void *argument);
    void *argument;
};
int api_follow(struct api *api, const struct api_stream *stream, bool *refused, struct error *err);

#endif
