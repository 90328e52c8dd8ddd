#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api_client.h"
#include "appnet/base/duration.h"
#include "appnet/base/name.h"
#include "output.h"

#define USES_MAX 1000000

static int parse_uses(const char *text, json_int_t *uses, struct error *err)
{
    char *end;

    errno = 0;
    *uses = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || *uses < 1 ||
        *uses > USES_MAX) {
        return error_set(err, "--uses %s: expected a number from 1 to %d", text, USES_MAX);
    }
    return 0;
}

static int parse(const struct command_arguments *arguments, int64_t *ttl, json_int_t *uses,
                 struct error *err)
{
    const char *instance = arguments->options[0];

    if (!name_valid(instance, strlen(instance))) {
        return error_set(err, "--instance %s: expected " NAME_EXPECTED, instance);
    }
    if (duration_parse(arguments->options[1], ttl, err) != 0) {
        return error_prefix(err, "--ttl %s", arguments->options[1]);
    }
    return parse_uses(arguments->options[2], uses, err);
}

/* The token alone on standard output, so that a script can put it into a file. */
static int print(const struct command_arguments *arguments, const struct api_answer *answer,
                 struct error *err)
{
    const char *token = json_string_value(json_object_get(answer->json, "token"));

    if (!token) {
        error_set(err, "the registry's answer is not a join token");
        return COMMAND_FAILED;
    }
    if (arguments->json) {
        output_text(answer->text);
        return COMMAND_DONE;
    }
    output_text(token);
    if (isatty(STDOUT_FILENO)) {
        fprintf(
            stderr,
            "It lets %s join, for %s and %s time%s. It is shown this once: put it into the file "
            "that join_token_file of the sidecar's configuration names.\n",
            arguments->options[0], arguments->options[1], arguments->options[2],
            strcmp(arguments->options[2], "1") == 0 ? "" : "s");
    }
    return COMMAND_DONE;
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    struct api_answer answer;
    struct api *api;
    json_int_t uses = 0;
    json_t *body;
    int64_t ttl = 0;
    int code;

    if (parse(arguments, &ttl, &uses, err) != 0) {
        return COMMAND_USAGE;
    }
    api = api_new(arguments, err);
    if (!api) {
        return COMMAND_FAILED;
    }
    body = json_pack("{s:s,s:I,s:I}", "instance", arguments->options[0], "ttl", (json_int_t)ttl,
                     "uses", uses);
    code = api_ask(api, "POST", "/v1/join-tokens", body, &answer, err);
    if (code == COMMAND_DONE) {
        code = print(arguments, &answer, err);
    }
    json_decref(body);
    api_answer_clear(&answer);
    api_free(api);
    return code;
}

const struct command token_create_command = {
    .words = "token create",
    .text = "Makes a join token, by which replicas of an instance get their first certificate.",
    .options =
        {
            {.name = "instance",
             .value = "NAME",
             .text = "whose replicas may join",
             .required = true},
            {.name = "ttl",
             .value = "TIME",
             .text = "how long it is good: " DURATION_EXPECTED,
             .fallback = "15m"},
            {.name = "uses",
             .value = "NUMBER",
             .text = "how many replicas may join by it; 1 if not given",
             .fallback = "1"},
        },
    .prints = true,
    .asks_registry = true,
    .run = run,
};
