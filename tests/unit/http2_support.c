#include "http2_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/base/acceptor.h"
#include "appnet/identity/authority.h"
#include "support.h"
#include "tls_support.h"
#include "tunnel_support.h"

static struct authority *load(const char *ca)
{
    struct error err = ERROR_INIT;
    struct authority *authority;

    if (access(ca, F_OK) != 0 && authority_init(ca, SUPPORT_DOMAIN, &err) != 0) {
        fail_msg("%s", err.text);
    }
    authority = authority_load(ca, NULL, &err);
    if (!authority) {
        fail_msg("%s", err.text);
    }
    return authority;
}

struct identity *support_registry_identity(const char *ca)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    struct authority *authority = load(ca);
    struct error err = ERROR_INIT;
    struct identity *identity = authority_registry_identity(authority, names, 2, 3600, &err);

    if (!identity) {
        fail_msg("%s", err.text);
    }
    authority_free(authority);
    return identity;
}

const char *support_ca_hash(const char *ca)
{
    static char hash[CERTIFICATE_HASH_SIZE];
    struct authority *authority = load(ca);

    snprintf(hash, sizeof hash, "%s", authority_hash(authority));
    authority_free(authority);
    return hash;
}

static struct handshaker *handshaker_of(struct identity *identity, unsigned threads)
{
    struct error err = ERROR_INIT;
    struct handshaker *handshaker = handshaker_new(threads, NULL, &err);

    if (!handshaker || handshaker_set_identity(handshaker, identity, &err) != 0) {
        fail_msg("%s", err.text);
    }
    identity_free(identity);
    return handshaker;
}

struct handshaker *support_nobody(const char *trust_domain, const char *ca_hash)
{
    return handshaker_of(identity_pinned(trust_domain, ca_hash), 1);
}

struct http_client *support_client(struct support_scene *scene, struct handshaker *handshaker)
{
    const struct tls_expected expected = {.who = TLS_REGISTRY};

    return http_client_new(scene->loop, handshaker, &scene->address, &expected);
}

void support_scene_open(struct support_scene *scene)
{
    const struct http_handler handler = support_service_handler(&scene->service);
    struct error err = ERROR_INIT;
    int fd;

    if (acceptor_open(&scene->address, &fd, 1, &err) != 0) {
        fail_msg("%s", err.text);
    }
    scene->door = http2_door_new(scene->loop, handshaker_of(support_registry_identity("ca"), 2), fd,
                                 &handler, &err);
    if (!scene->door) {
        fail_msg("%s", err.text);
    }
}

void support_scene_make(struct support_scene *scene)
{
    memset(scene, 0, sizeof *scene);
    scene->loop = scene->service.loop = loop_new("test", NULL);
    assert_non_null(scene->loop);
    support_free_address(&scene->address);
    support_scene_open(scene);
    scene->web = support_handshaker(1, "web");
    scene->nobody = support_nobody(SUPPORT_DOMAIN, support_ca_hash("ca"));
}

void support_scene_close(struct support_scene *scene)
{
    http2_door_free(scene->door);
    scene->door = NULL;
}

void support_scene_free(struct support_scene *scene)
{
    support_scene_close(scene);
    handshaker_free(scene->web);
    handshaker_free(scene->nobody);
    loop_free(scene->loop);
    assert_int_equal(atomic_load(&scene->service.open), 0);
}

void support_scene_turn_until(struct support_scene *scene, bool (*done)(void *argument),
                              void *argument)
{
    support_turn_until(loop_base(scene->loop), done, argument);
}
