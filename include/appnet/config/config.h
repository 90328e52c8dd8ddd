/* The sidecar's configuration: libconfig (`.conf`) or INI (`.ini`), read through one table of
 * options into one immutable structure. The lists a person writes by hand become arrays here. */
#ifndef APPNET_CONFIG_CONFIG_H
#define APPNET_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "appnet/base/address.h"
#include "appnet/base/error.h"

struct config_outbound {
    char *name;
    bool required;
    struct address listen;
    int line; /* where the section begins, for messages; so in the others below */
};

struct config_inbound {
    char *name;
    struct address target;
    int line;
};

struct config_connection {
    char *outbound;         /* names one of our outbounds */
    char *instance;         /* the target instance */
    char *inbound;          /* its inbound */
    struct address address; /* its sidecar's tunnel address */
    int line;
};

struct config_allow {
    char *inbound;  /* names one of our inbounds */
    char *instance; /* the source instance */
    char *outbound; /* its outbound */
    int line;
};

struct config {
    char *file; /* where it was read from, for messages */
    char *instance;
    char *trust_domain;
    char *state_dir;        /* /var/lib/appnet/INSTANCE if not given and there is a registry */
    char *admin;            /* path of the admin socket; /run/appnet/INSTANCE.sock if not given */
    struct address metrics; /* port 0: not given */
    int drain_timeout;      /* seconds */
    struct {
        struct address listen;    /* port 0: not given, no inbound can be reached */
        struct address advertise; /* port 0: not given */
        int workers;              /* 0: one a core */
    } tunnel;
    struct {
        char *address; /* HOST:PORT as written; NULL: no registry */
        char *join_token_file;
        int line;
    } registry;
    struct {
        char *certificate; /* paths, made absolute against the file's folder */
        char *key;
        char *ca;
        int line; /* 0: no such section */
    } identity;
    struct config_outbound *outbounds;
    unsigned outbound_count;
    struct config_inbound *inbounds;
    unsigned inbound_count;
    struct config_connection *connections;
    unsigned connection_count;
    struct config_allow *allows;
    unsigned allow_count;
};

/* Reads and checks a file; the ending of its name chooses the reader (`.conf` or `.ini`). Returns
 * NULL with an error that names file, line, option and what was expected. Besides each option's own
 * form it checks what holds between them: names used twice (inbounds and outbounds share one
 * namespace), an unknown outbound or inbound, two connections for one outbound, a connection or
 * allow to the instance itself, two sockets on one address, what is missing. */
struct config *config_load(const char *path, struct error *err);

void config_free(struct config *config);

const struct config_outbound *config_find_outbound(const struct config *config, const char *name);
const struct config_inbound *config_find_inbound(const struct config *config, const char *name);
/* The connection of an outbound, or NULL. */
const struct config_connection *config_find_connection(const struct config *config,
                                                       const char *outbound);

#endif
