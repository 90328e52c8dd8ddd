#include <jansson.h>
#include <stdio.h>

#include "appnet/base/duration.h"
#include "appnet/cli/command.h"
#include "appnet/identity/authority.h"
#include "output.h"

static int run(const struct command_arguments *arguments, struct error *err)
{
    const char *folder = arguments->options[0];
    const char *instance = arguments->options[1];
    const char *out = arguments->options[2];
    int64_t ttl;

    if (duration_parse(arguments->options[3], &ttl, err) != 0) {
        error_prefix(err, "--ttl %s", arguments->options[3]);
        return COMMAND_USAGE;
    }
    if (authority_issue(folder, instance, ttl, out, err) != 0) {
        return COMMAND_FAILED;
    }
    if (arguments->json) {
        output_json(
            json_pack("{s:s,s:s,s:I}", "instance", instance, "out", out, "ttl", (json_int_t)ttl));
    } else {
        printf("%s has a certificate for %s now, good for %s: cert.pem, key.pem and ca.pem.\n", out,
               instance, arguments->options[3]);
    }
    return COMMAND_DONE;
}

const struct command ca_issue_command = {
    .words = "ca issue",
    .text = "Makes a key and a certificate for an instance.",
    .options =
        {
            {.name = "dir",
             .value = "DIR",
             .text = "the folder of the authority",
             .required = true},
            {.name = "instance",
             .value = "NAME",
             .text = "who the certificate is for",
             .required = true},
            {.name = "out",
             .value = "DIR2",
             .text = "where cert.pem, key.pem and ca.pem go",
             .required = true},
            {.name = "ttl",
             .value = "TIME",
             .text = "how long it is good: " DURATION_EXPECTED,
             .fallback = "24h"},
        },
    .prints = true,
    .run = run,
};
