/* A registry's door with TLS on the test's own loop, and clients for it. To be used in a folder of
 * the test's own. */
#ifndef TESTS_UNIT_HTTP2_SUPPORT_H
#define TESTS_UNIT_HTTP2_SUPPORT_H

#include "appnet/http/http2_door.h"
#include "appnet/http/http_client.h"
#include "http_support.h"

/* The test's thread turns the loop, on which both sides are. */
struct support_scene {
    struct loop *loop;
    struct support_service service;
    struct http2_door *door; /* NULL: closed */
    struct address address;
    struct handshaker *web;    /* with a certificate of instance web */
    struct handshaker *nobody; /* with none: it knows the CA's hash */
};

void support_scene_make(struct support_scene *scene);

/* Clients are to be freed before. */
void support_scene_free(struct support_scene *scene);

/* Closes the door, and opens it again at the same address. */
void support_scene_close(struct support_scene *scene);
void support_scene_open(struct support_scene *scene);

/* The registry's identity, by the CA of the folder `ca`. */
struct identity *support_registry_identity(const char *ca);

/* The certificate_hash of the CA of the folder `ca`, good for ever. */
const char *support_ca_hash(const char *ca);

/* A handshaker for one that has no certificate, and trusts the CA of that hash. */
struct handshaker *support_nobody(const char *trust_domain, const char *ca_hash);

/* Expects the registry. */
struct http_client *support_client(struct support_scene *scene, struct handshaker *handshaker);

void support_scene_turn_until(struct support_scene *scene, bool (*done)(void *argument),
                              void *argument);

#endif
