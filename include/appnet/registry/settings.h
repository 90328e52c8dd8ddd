/* The registry's configuration: libconfig, or none at all. */
#ifndef APPNET_REGISTRY_SETTINGS_H
#define APPNET_REGISTRY_SETTINGS_H

#include <stdint.h>

#include "appnet/base/address.h"
#include "appnet/base/error.h"

#define SETTINGS_NAMES_MAX 14

struct settings {
    char *file; /* NULL: made without one */
    char *trust_domain;
    char *data_dir; /* absolute, or as the file's folder makes it */
    struct address tls_listen, http_listen;
    char *store;                         /* "sqlite:PATH" with an absolute path, "mem:" */
    int64_t certificate_ttl;             /* seconds */
    unsigned lease;                      /* seconds */
    char *tls_names[SETTINGS_NAMES_MAX]; /* further names in the registry's certificate */
    unsigned tls_name_count;
};

/* Reads and checks a file: an error names file, line, option and what was expected; an unknown
 * option is one. */
struct settings *settings_load(const char *path, struct error *err);

/* All defaults, as for a first look: trust domain "dev.appnet". */
struct settings *settings_make(const char *data_dir);

void settings_free(struct settings *settings);

#endif
