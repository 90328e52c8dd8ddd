#include <stdio.h>
#include <stdlib.h>

#include "api_client.h"
#include "appnet/base/memory.h"
#include "appnet/identity/join_token.h"

static int run(const struct command_arguments *arguments, struct error *err)
{
    const char *id = arguments->operands[0];
    struct api_answer answer;
    struct api *api;
    char *path;
    int code;

    if (!join_token_id_valid(id)) {
        error_set(err, "ID \"%s\": expected 12 of a-z and 0-9, as appnet token list shows them",
                  id);
        return COMMAND_USAGE;
    }
    api = api_new(arguments, err);
    if (!api) {
        return COMMAND_FAILED;
    }
    path = memory_printf("/v1/join-tokens/%s", id);
    code = api_ask(api, "DELETE", path, NULL, &answer, err);
    if (code == COMMAND_DONE && !arguments->json) {
        printf("%s: revoked\n", id);
    }
    api_answer_clear(&answer);
    api_free(api);
    free(path);
    return code;
}

const struct command token_revoke_command = {
    .words = "token revoke",
    .text = "Revokes a join token. Who has joined by it keeps its certificate.",
    .operands = {{"ID", "of the token, the word behind appnet1"}},
    .prints = true,
    .asks_registry = true,
    .run = run,
};
