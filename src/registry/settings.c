#include "appnet/registry/settings.h"

#include <libconfig.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/duration.h"
#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "appnet/base/name.h"

#define TRUST_DOMAIN_DEV "dev.appnet"
#define TLS_LISTEN "0.0.0.0:15010"
#define HTTP_LISTEN "127.0.0.1:15080"
#define STORE_SQLITE "sqlite:"
#define STORE_MEMORY "mem:" /* forgotten at the end: for tests */
#define STORE_DEFAULT STORE_SQLITE "appnet.db"
#define TTL_SECONDS (24 * 3600)
#define TTL_MOST (INT64_C(10) * 365 * 24 * 3600)
#define TTL_LEAST 3
#define LEASE_SECONDS 15
#define LEASE_LEAST 1
#define LEASE_MOST 3600

/* Where in the file, for messages. */
struct place {
    const char *file;
    const config_setting_t *setting;
    struct error *err;
};

static int wrong(const struct place *place, const char *expected)
{
    return error_set(place->err, "%s:%d: %s: expected %s", place->file,
                     (int)config_setting_source_line(place->setting),
                     config_setting_name(place->setting), expected);
}

static const char *text_of(const struct place *place)
{
    return config_setting_type(place->setting) == CONFIG_TYPE_STRING
               ? config_setting_get_string(place->setting)
               : NULL;
}

static int read_address(const struct place *place, struct address *out)
{
    const char *text = text_of(place);

    return text && address_parse(text, out, NULL) == 0
               ? 0
               : wrong(place, "HOST:PORT, for example " TLS_LISTEN);
}

static int read_seconds(const struct place *place, int64_t least, int64_t most,
                        const char *expected, int64_t *out)
{
    const char *text = text_of(place);

    if (text) {
        if (duration_parse(text, out, NULL) != 0) {
            return wrong(place, expected);
        }
    } else if (config_setting_type(place->setting) == CONFIG_TYPE_INT) {
        *out = config_setting_get_int(place->setting);
    } else {
        return wrong(place, expected);
    }
    return *out >= least && *out <= most ? 0 : wrong(place, expected);
}

static int read_names(const struct place *place, struct settings *settings)
{
    static const char expected[] = "a list of at most 14 host names or addresses: ( \"a\", \"b\" )";
    int count = config_setting_length(place->setting);

    if ((!config_setting_is_list(place->setting) && !config_setting_is_array(place->setting)) ||
        count > SETTINGS_NAMES_MAX) {
        return wrong(place, expected);
    }
    for (int i = 0; i < count; i++) {
        const char *name = config_setting_get_string_elem(place->setting, i);
        if (!name || *name == '\0') {
            return wrong(place, expected);
        }
        settings->tls_names[settings->tls_name_count++] = memory_strdup(name);
    }
    return 0;
}

/* A relative path is taken from the file's folder, that of a database from data_dir. */
static char *beside(const char *file, const char *path)
{
    char *copy = memory_strdup(file);
    char *whole = file_path(dirname(copy), path);

    free(copy);
    return whole;
}

static int read_store(const struct place *place, struct settings *settings)
{
    const char *text = text_of(place);

    if (text && strncmp(text, "etcd:", strlen("etcd:")) == 0) {
        return wrong(place, "\"sqlite:FILE\": this version has no etcd");
    }
    if (text && strcmp(text, STORE_MEMORY) == 0) {
        free(settings->store);
        settings->store = memory_strdup(text);
        return 0;
    }
    if (!text || strncmp(text, STORE_SQLITE, strlen(STORE_SQLITE)) != 0 ||
        text[strlen(STORE_SQLITE)] == '\0') {
        return wrong(place, "\"sqlite:FILE\", for example \"" STORE_DEFAULT "\"");
    }
    free(settings->store);
    settings->store = memory_strdup(text);
    return 0;
}

static int read_option(const struct place *place, struct settings *settings)
{
    const char *name = config_setting_name(place->setting);
    const char *text = text_of(place);
    int64_t seconds;

    if (strcmp(name, "trust_domain") == 0) {
        if (!text || !trust_domain_valid(text, strlen(text))) {
            return wrong(place, TRUST_DOMAIN_EXPECTED);
        }
        settings->trust_domain = memory_strdup(text);
        return 0;
    }
    if (strcmp(name, "data_dir") == 0) {
        if (!text || *text == '\0') {
            return wrong(place, "the path of a folder");
        }
        settings->data_dir = beside(place->file, text);
        return 0;
    }
    if (strcmp(name, "tls_listen") == 0) {
        return read_address(place, &settings->tls_listen);
    }
    if (strcmp(name, "http_listen") == 0) {
        return read_address(place, &settings->http_listen);
    }
    if (strcmp(name, "tls_names") == 0) {
        return read_names(place, settings);
    }
    if (strcmp(name, "store") == 0) {
        return read_store(place, settings);
    }
    if (strcmp(name, "certificate_ttl") == 0) {
        return read_seconds(place, TTL_LEAST, TTL_MOST,
                            "a time from 3 seconds to 10 years, for example \"24h\"",
                            &settings->certificate_ttl);
    }
    if (strcmp(name, "lease") == 0) {
        if (read_seconds(place, LEASE_LEAST, LEASE_MOST, "a number of seconds from 1 to 3600",
                         &seconds) != 0) {
            return -1;
        }
        settings->lease = (unsigned)seconds;
        return 0;
    }
    return error_set(place->err,
                     "%s:%d: %s: unknown option; there are trust_domain, data_dir, tls_listen, "
                     "http_listen, tls_names, store, certificate_ttl and lease",
                     place->file, (int)config_setting_source_line(place->setting), name);
}

static struct settings *with_defaults(void)
{
    struct settings *settings = memory_zalloc(sizeof *settings);

    address_parse(TLS_LISTEN, &settings->tls_listen, NULL);
    address_parse(HTTP_LISTEN, &settings->http_listen, NULL);
    settings->store = memory_strdup(STORE_DEFAULT);
    settings->certificate_ttl = TTL_SECONDS;
    settings->lease = LEASE_SECONDS;
    return settings;
}

/* The database's path, made absolute. */
static void place_store(struct settings *settings)
{
    char *path;

    if (strcmp(settings->store, STORE_MEMORY) == 0) {
        return;
    }
    path = file_path(settings->data_dir, settings->store + strlen(STORE_SQLITE));
    free(settings->store);
    settings->store = memory_printf(STORE_SQLITE "%s", path);
    free(path);
}

static int read_file(struct settings *settings, config_t *config, struct error *err)
{
    const config_setting_t *root;

    if (config_read_file(config, settings->file) != CONFIG_TRUE) {
        return config_error_type(config) == CONFIG_ERR_FILE_IO
                   ? error_set(err, "%s cannot be read", settings->file)
                   : error_set(err, "%s:%d: %s", settings->file, config_error_line(config),
                               config_error_text(config));
    }
    root = config_root_setting(config);
    for (int i = 0; i < config_setting_length(root); i++) {
        const struct place place = {settings->file, config_setting_get_elem(root, (unsigned)i),
                                    err};
        if (read_option(&place, settings) != 0) {
            return -1;
        }
    }
    if (!settings->trust_domain) {
        return error_set(err, "%s: trust_domain is missing: expected " TRUST_DOMAIN_EXPECTED,
                         settings->file);
    }
    if (!settings->data_dir) {
        return error_set(err, "%s: data_dir is missing: expected the path of a folder",
                         settings->file);
    }
    if (address_equal(&settings->tls_listen, &settings->http_listen)) {
        return error_set(err, "%s: tls_listen and http_listen are the same address",
                         settings->file);
    }
    place_store(settings);
    return 0;
}

struct settings *settings_load(const char *path, struct error *err)
{
    struct settings *settings = with_defaults();
    config_t config;
    int rc;

    settings->file = memory_strdup(path);
    config_init(&config);
    rc = read_file(settings, &config, err);
    config_destroy(&config);
    if (rc != 0) {
        settings_free(settings);
        return NULL;
    }
    return settings;
}

struct settings *settings_make(const char *data_dir)
{
    struct settings *settings = with_defaults();

    settings->trust_domain = memory_strdup(TRUST_DOMAIN_DEV);
    settings->data_dir = memory_strdup(data_dir);
    place_store(settings);
    return settings;
}

void settings_free(struct settings *settings)
{
    if (!settings) {
        return;
    }
    for (unsigned i = 0; i < settings->tls_name_count; i++) {
        free(settings->tls_names[i]);
    }
    free(settings->file);
    free(settings->trust_domain);
    free(settings->data_dir);
    free(settings->store);
    free(settings);
}
