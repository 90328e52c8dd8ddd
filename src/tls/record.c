#include "appnet/tls/record.h"

#include <string.h>

#include "config.h"
#include "record_engines.h"

const struct record_engine *const record_engines[] = {
#ifdef HAVE_LINUX_TLS_H
    &record_engine_ktls,
#endif
#ifdef HAVE_LIBGCRYPT
    &record_engine_gcrypt,
#endif
    &record_engine_mbedtls,
    NULL,
};

const struct record_engine *record_engine_find(const char *name)
{
    for (const struct record_engine *const *at = record_engines; *at; at++) {
        if (strcmp((*at)->name, name) == 0) {
            return *at;
        }
    }
    return NULL;
}

static const struct record_engine *best_for(const struct tls_session *session)
{
    for (const struct record_engine *const *at = record_engines; *at; at++) {
        if ((*at)->usable(session)) {
            return *at;
        }
    }
    return NULL;
}

const struct record_engine *record_engine_best(void)
{
    return best_for(NULL);
}

struct record *record_new(const struct record_engine *engine, struct tls_session *session, int fd,
                          struct error *err)
{
    struct record *record = NULL;

    if (!engine) {
        engine = best_for(session);
    }
    if (!engine || !engine->usable(session)) {
        error_set(err, "no record engine serves %s with %s", session->version, session->cipher);
    } else {
        record = engine->create(session, fd, err);
        if (record) {
            record->key_limit = RECORD_KEY_LIMIT;
        }
    }
    tls_session_clear(session);
    return record;
}

void record_free(struct record *record)
{
    if (record) {
        record->engine->destroy(record);
    }
}
