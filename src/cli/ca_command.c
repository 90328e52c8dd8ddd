#include <stdio.h>

#include "appnet/base/duration.h"
#include "appnet/cli/command.h"
#include "appnet/identity/authority.h"

static int init(const char *const *values, struct error *err)
{
    const char *folder = values[0];
    const char *trust_domain = values[1];

    if (authority_init(folder, trust_domain, err) != 0)
        return COMMAND_FAILED;
    printf("%s has a CA for %s now: %s, and its key %s, which is to be kept secret.\n", folder,
           trust_domain, AUTHORITY_CERTIFICATE, AUTHORITY_KEY);
    return COMMAND_DONE;
}

static int issue(const char *const *values, struct error *err)
{
    const char *folder = values[0];
    const char *instance = values[1];
    const char *out = values[2];
    int64_t ttl;

    if (duration_parse(values[3], &ttl, err) != 0) {
        error_prefix(err, "--ttl %s", values[3]);
        return COMMAND_USAGE;
    }
    if (authority_issue(folder, instance, ttl, out, err) != 0)
        return COMMAND_FAILED;
    printf("%s has a certificate for %s now, good for %s: cert.pem, key.pem and ca.pem.\n", out,
           instance, values[3]);
    return COMMAND_DONE;
}

const struct command ca_init_command = {
    .words = "ca init",
    .text = "Makes the certificate authority of a mesh. A folder that has one is left as it is.",
    .options =
        {
            {"dir", "DIR", "the folder, made if it is not there", true, NULL},
            {"trust-domain", "TD", "the name of the mesh, such as shop.example", true, NULL},
        },
    .run = init,
};

const struct command ca_issue_command = {
    .words = "ca issue",
    .text = "Makes a key and a certificate for an instance.",
    .options =
        {
            {"dir", "DIR", "the folder of the authority", true, NULL},
            {"instance", "NAME", "who the certificate is for", true, NULL},
            {"out", "DIR2", "where cert.pem, key.pem and ca.pem go", true, NULL},
            {"ttl", "TIME", "how long it is good: " DURATION_EXPECTED, false, "24h"},
        },
    .run = issue,
};
