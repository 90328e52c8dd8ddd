#include <jansson.h>
#include <stdio.h>

#include "appnet/cli/command.h"
#include "appnet/identity/authority.h"
#include "output.h"

static int run(const struct command_arguments *arguments, struct error *err)
{
    const char *folder = arguments->options[0];
    const char *trust_domain = arguments->options[1];

    if (authority_init(folder, trust_domain, err) != 0) {
        return COMMAND_FAILED;
    }
    if (arguments->json) {
        output_json(json_pack("{s:s,s:s}", "dir", folder, "trust_domain", trust_domain));
    } else {
        printf("%s has a CA for %s now: %s, and its key %s, which is to be kept secret.\n", folder,
               trust_domain, AUTHORITY_CERTIFICATE, AUTHORITY_KEY);
    }
    return COMMAND_DONE;
}

const struct command ca_init_command = {
    .words = "ca init",
    .text = "Makes the certificate authority of a mesh. A folder that has one is left as it is.",
    .options =
        {
            {.name = "dir",
             .value = "DIR",
             .text = "the folder, made if it is not there",
             .required = true},
            {.name = "trust-domain",
             .value = "TD",
             .text = "the name of the mesh, such as shop.example",
             .required = true},
        },
    .prints = true,
    .run = run,
};
