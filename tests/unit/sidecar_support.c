#include "sidecar_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"

struct config *support_config(const char *lists, struct error *err)
{
    char *text = memory_printf("instance = \"shop\"; trust_domain = \"shop.example\";"
                               "tunnel = { listen = \"127.0.0.1:15008\"; };"
                               "registry = { address = \"127.0.0.1:15010\"; };%s",
                               lists);
    struct config *config;

    assert_int_equal(file_write("registry.conf", text, strlen(text), 0600, false, NULL), 0);
    free(text);
    config = config_load("registry.conf", err);
    return config;
}

struct snapshot *support_snapshot(const char *lists, struct error *err)
{
    struct error failure = ERROR_INIT;
    char *text = memory_printf("instance = \"shop\"; trust_domain = \"shop.example\";"
                               "tunnel = { listen = \"127.0.0.1:15008\"; };"
                               "identity = { certificate = \"c\"; key = \"k\"; ca = \"a\"; };%s",
                               lists);
    struct config *config;
    struct snapshot *snapshot;

    assert_int_equal(file_write("snapshot.conf", text, strlen(text), 0600, false, NULL), 0);
    free(text);
    config = config_load("snapshot.conf", &failure);
    if (!config)
        fail_msg("%s", failure.text);
    snapshot = snapshot_new(config, err);
    config_free(config);
    return snapshot;
}
