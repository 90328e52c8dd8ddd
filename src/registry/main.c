/* appnet-registry: knows the instances, enforces the rules, issues identities. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "appnet/base/file.h"
#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "appnet/registry/registry.h"
#include "config.h"

#define EXIT_REFUSED 1
#define EXIT_USAGE 2

static const char usage[] =
    "usage: appnet-registry -c FILE [--check]\n"
    "       appnet-registry --dev --data DIR\n"
    "\n"
    "  -c, --config FILE  the configuration, in libconfig's form\n"
    "      --check        read and check the configuration, then exit\n"
    "      --dev          no configuration: all defaults, for a first look\n"
    "      --data DIR     where --dev keeps its CA, its tokens and its database\n"
    "  -V, --version      print the version and exit\n"
    "  -h, --help         print this and exit\n"
    "\n"
    "It runs in the foreground and logs to standard error. SIGHUP reads the CA's folder anew, "
    "SIGTERM stops it.\n";

struct arguments {
    const char *file, *data;
    bool check, dev;
};

static int parse(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"dev", no_argument, NULL, 'd'},
                                            {"data", required_argument, NULL, 'D'},
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
        case 'd':
            out->dev = true;
            break;
        case 'D':
            out->data = optarg;
            break;
        case 'V':
            printf("appnet-registry %s\n", PACKAGE_VERSION);
            exit(EXIT_SUCCESS);
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default:
            return -1;
        }
    }
    return optind == argc && !!out->file != out->dev && out->dev == !!out->data ? 0 : -1;
}

/* For the person who has just started it to try it. */
static void greet(const struct settings *settings, const char *page)
{
    char address[ADDRESS_TEXT_SIZE];
    char *token = file_path(settings->data_dir, "admin.token");

    address_format(&settings->http_listen, address, sizeof address);
    printf("The registry of trust domain %s is at http://%s\n"
           "appnet list --registry http://%s --token-file %s\n"
           "Its page, for one to sign in within an hour: %s\n",
           settings->trust_domain, address, address, token, page);
    fflush(stdout);
    free(token);
}

static int failed(const struct error *err)
{
    log_error("cannot go on", LOG_S("detail", err->text));
    return EXIT_REFUSED;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct error err = ERROR_INIT;
    struct settings *settings;
    struct registry *registry;
    int rc;

    if (parse(argc, argv, &arguments) != 0) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    settings = arguments.dev ? settings_make(arguments.data) : settings_load(arguments.file, &err);
    if (!settings) {
        fprintf(stderr, "appnet-registry: %s\n", err.text);
        return EXIT_REFUSED;
    }
    if (arguments.check) {
        printf("%s: ok\n", arguments.dev ? arguments.data : arguments.file);
        settings_free(settings);
        return EXIT_SUCCESS;
    }
    registry = registry_new(settings, &err);
    if (!registry) {
        return failed(&err);
    }
    rc = registry_run(registry, arguments.dev ? greet : NULL, &err);
    registry_free(registry);
    return rc == 0 ? EXIT_SUCCESS : failed(&err);
}
