/* appnet-sidecar: the data plane, one beside each application. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "appnet/base/log.h"
#include "appnet/identity/identity.h"
#include "appnet/sidecar/sidecar.h"
#include "config.h"

#define EXIT_REFUSED 1
#define EXIT_USAGE 2

static const char usage[] =
    "usage: appnet-sidecar -c FILE [--check]\n"
    "\n"
    "  -c, --config FILE  the configuration: libconfig (.conf) or INI (.ini)\n"
    "      --check        read and check the configuration and the identity, then exit\n"
    "  -V, --version      print the version and exit\n"
    "  -h, --help         print this and exit\n"
    "\n"
    "It runs in the foreground and logs to standard error. SIGHUP reads the configuration anew, "
    "SIGTERM drains.\n"
    "APPNET_ENGINE=NAME chooses the record engine instead of the best one.\n";

struct arguments {
    const char *file;
    bool check;
};

static int parse(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->file = optarg;
            break;
        case 'k':
            out->check = true;
            break;
        case 'V':
            printf("appnet-sidecar %s\n", PACKAGE_VERSION);
            exit(EXIT_SUCCESS);
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default:
            return -1;
        }
    }
    return out->file && optind == argc ? 0 : -1;
}

/* Each application connection is a descriptor: what the system allows at the most is wanted. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The form of the file and what its options say to each other were checked by reading it. The
 * identity is checked where it is there already: a file may well be written, and checked, before
 * its certificate is issued. */
static int check(const struct config *config, struct error *err)
{
    struct identity *identity;

    if (config->registry.address) {
        printf("%s: ok\n", config->file); /* its identity comes from the registry */
        return 0;
    }
    if (access(config->identity.certificate, F_OK) != 0 && errno == ENOENT) {
        fprintf(stderr, "appnet-sidecar: %s is not there yet, so the identity was not checked\n",
                config->identity.certificate);
    } else {
        identity = identity_load(config->identity.certificate, config->identity.key,
                                 config->identity.ca, config->trust_domain, config->instance, err);
        if (!identity) {
            return -1;
        }
        identity_free(identity);
    }
    printf("%s: ok\n", config->file);
    return 0;
}

static int run(struct config *config, struct error *err)
{
    const char *name = getenv("APPNET_ENGINE");
    const struct record_engine *engine = NULL;
    struct sidecar *sidecar;
    int rc;

    if (name && name[0] != '\0') {
        engine = record_engine_find(name);
        if (!engine) {
            config_free(config);
            return error_set(err, "APPNET_ENGINE: this build has no record engine %s", name);
        }
    }
    raise_descriptor_limit();
    sidecar = sidecar_new(config, engine, err);
    if (!sidecar) {
        return -1;
    }
    rc = sidecar_run(sidecar, err);
    sidecar_free(sidecar);
    return rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct error err = ERROR_INIT;
    struct config *config;
    int rc;

    if (parse(argc, argv, &arguments) != 0) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    config = config_load(arguments.file, &err);
    if (!config) {
        fprintf(stderr, "appnet-sidecar: %s\n", err.text);
        return EXIT_REFUSED;
    }
    if (arguments.check) {
        rc = check(config, &err);
        config_free(config);
    } else {
        rc = run(config, &err);
    }
    if (rc != 0) {
        fprintf(stderr, "appnet-sidecar: %s\n", err.text);
        return EXIT_REFUSED;
    }
    if (!arguments.check) {
        log_info("stopped", LOG_I("code", 0));
    }
    return EXIT_SUCCESS;
}
