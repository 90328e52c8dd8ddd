#include "option.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "appnet/base/name.h"
#include "spelling.h"

enum option_type {
    OPTION_NAME,         /* char * */
    OPTION_TRUST_DOMAIN, /* char * */
    OPTION_PATH,         /* char *, absolute */
    OPTION_ADDRESS,      /* struct address */
    OPTION_ADDRESS_TEXT, /* char *, an address as written */
    OPTION_NUMBER,       /* int */
    OPTION_BOOLEAN,      /* bool */
};

struct option {
    enum section_id section;
    const char *key;
    enum option_type type;
    size_t offset;
    bool required;
    int least, most; /* of a number */
    const char *expected;
};

#define IN_OUTBOUND(field) offsetof(struct config_outbound, field)
#define IN_INBOUND(field) offsetof(struct config_inbound, field)
#define IN_CONNECTION(field) offsetof(struct config_connection, field)
#define IN_ALLOW(field) offsetof(struct config_allow, field)
#define IN_CONFIG(field) offsetof(struct config, field)

#define FILE_EXPECTED "the path of a file"
#define ADDRESS_EXPECTED(example) "HOST:PORT, for example " example

static const struct option options[] = {
    {SECTION_TOP, "instance", OPTION_NAME, IN_CONFIG(instance), true, 0, 0, NAME_EXPECTED},
    {SECTION_TOP, "trust_domain", OPTION_TRUST_DOMAIN, IN_CONFIG(trust_domain), true, 0, 0,
     TRUST_DOMAIN_EXPECTED},
    {SECTION_TOP, "state_dir", OPTION_PATH, IN_CONFIG(state_dir), false, 0, 0,
     "the path of a folder"},
    {SECTION_TOP, "admin", OPTION_PATH, IN_CONFIG(admin), false, 0, 0, "the path of a socket"},
    {SECTION_TOP, "metrics", OPTION_ADDRESS, IN_CONFIG(metrics), false, 0, 0,
     ADDRESS_EXPECTED("127.0.0.1:15020")},
    {SECTION_TOP, "drain_timeout", OPTION_NUMBER, IN_CONFIG(drain_timeout), false, 0, 3600,
     "a number of seconds from 0 to 3600"},

    {SECTION_TUNNEL, "listen", OPTION_ADDRESS, IN_CONFIG(tunnel.listen), false, 0, 0,
     ADDRESS_EXPECTED("0.0.0.0:15008")},
    {SECTION_TUNNEL, "advertise", OPTION_ADDRESS, IN_CONFIG(tunnel.advertise), false, 0, 0,
     ADDRESS_EXPECTED("10.0.0.5:15008")},
    {SECTION_TUNNEL, "workers", OPTION_NUMBER, IN_CONFIG(tunnel.workers), false, 0, 256,
     "a number from 0, for one a core, to 256"},

    {SECTION_REGISTRY, "address", OPTION_ADDRESS_TEXT, IN_CONFIG(registry.address), true, 0, 0,
     ADDRESS_EXPECTED("registry.example:15010")},
    {SECTION_REGISTRY, "join_token_file", OPTION_PATH, IN_CONFIG(registry.join_token_file), false,
     0, 0, FILE_EXPECTED},

    {SECTION_IDENTITY, "certificate", OPTION_PATH, IN_CONFIG(identity.certificate), true, 0, 0,
     FILE_EXPECTED},
    {SECTION_IDENTITY, "key", OPTION_PATH, IN_CONFIG(identity.key), true, 0, 0, FILE_EXPECTED},
    {SECTION_IDENTITY, "ca", OPTION_PATH, IN_CONFIG(identity.ca), true, 0, 0, FILE_EXPECTED},

    {SECTION_OUTBOUND, "name", OPTION_NAME, IN_OUTBOUND(name), true, 0, 0, NAME_EXPECTED},
    {SECTION_OUTBOUND, "required", OPTION_BOOLEAN, IN_OUTBOUND(required), false, 0, 0,
     "true or false"},
    {SECTION_OUTBOUND, "listen", OPTION_ADDRESS, IN_OUTBOUND(listen), false, 0, 0,
     ADDRESS_EXPECTED("127.0.0.1:3306")},

    {SECTION_INBOUND, "name", OPTION_NAME, IN_INBOUND(name), true, 0, 0, NAME_EXPECTED},
    {SECTION_INBOUND, "target", OPTION_ADDRESS, IN_INBOUND(target), true, 0, 0,
     ADDRESS_EXPECTED("127.0.0.1:80")},

    {SECTION_CONNECTION, "outbound", OPTION_NAME, IN_CONNECTION(outbound), true, 0, 0,
     NAME_EXPECTED},
    {SECTION_CONNECTION, "instance", OPTION_NAME, IN_CONNECTION(instance), true, 0, 0,
     NAME_EXPECTED},
    {SECTION_CONNECTION, "inbound", OPTION_NAME, IN_CONNECTION(inbound), true, 0, 0, NAME_EXPECTED},
    {SECTION_CONNECTION, "address", OPTION_ADDRESS, IN_CONNECTION(address), true, 0, 0,
     ADDRESS_EXPECTED("10.0.0.7:15008")},

    {SECTION_ALLOW, "inbound", OPTION_NAME, IN_ALLOW(inbound), true, 0, 0, NAME_EXPECTED},
    {SECTION_ALLOW, "instance", OPTION_NAME, IN_ALLOW(instance), true, 0, 0, NAME_EXPECTED},
    {SECTION_ALLOW, "outbound", OPTION_NAME, IN_ALLOW(outbound), true, 0, 0, NAME_EXPECTED},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))
_Static_assert(OPTION_COUNT <= OPTION_LIMIT, "a section's options are bits of one number");

#define LIST(field, fields, type) IN_CONFIG(fields), IN_CONFIG(field##_count), sizeof(struct type)

const struct section sections[SECTION_COUNT] = {
    [SECTION_TOP] = {{"", "sidecar"}, NULL, 0, 0, 0, 0},
    [SECTION_TUNNEL] = {{"tunnel", "tunnel"}, NULL, 0, 0, 0, 0},
    [SECTION_REGISTRY] = {{"registry", "registry"}, NULL, IN_CONFIG(registry.line), 0, 0, 0},
    [SECTION_IDENTITY] = {{"identity", "identity"}, NULL, IN_CONFIG(identity.line), 0, 0, 0},
    [SECTION_OUTBOUND] = {{"outbounds", "outbound"},
                          "name",
                          IN_OUTBOUND(line),
                          LIST(outbound, outbounds, config_outbound)},
    [SECTION_INBOUND] = {{"inbounds", "inbound"},
                         "name",
                         IN_INBOUND(line),
                         LIST(inbound, inbounds, config_inbound)},
    [SECTION_CONNECTION] = {{"connections", "connection"},
                            "outbound",
                            IN_CONNECTION(line),
                            LIST(connection, connections, config_connection)},
    [SECTION_ALLOW] = {{"allow", "allow"},
                       "inbound",
                       IN_ALLOW(line),
                       LIST(allow, allows, config_allow)},
};

int option_error(const struct config_reader *reader, int line, enum section_id id, const char *key,
                 const char *format, ...)
{
    const char *section = id == SECTION_TOP ? "" : sections[id].names[reader->format];
    const char *dot = *section && key ? "." : "";
    char place[32] = "";
    struct error what;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what.text, sizeof(what.text), format, arguments);
    va_end(arguments);
    if (line > 0)
        snprintf(place, sizeof(place), ":%d", line);
    if (*section || key)
        return error_set(reader->err, "%s%s: %s%s%s: %s", reader->config->file, place, section, dot,
                         key ? key : "", what.text);
    return error_set(reader->err, "%s%s: %s", reader->config->file, place, what.text);
}

static const struct option *option_find(enum section_id section, const char *key)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].section == section && strcmp(options[i].key, key) == 0)
            return &options[i];
    }
    return NULL;
}

bool option_is_top(const char *key)
{
    return option_find(SECTION_TOP, key) != NULL;
}

int option_line(const struct config_reader *reader, enum section_id id, const char *key)
{
    return reader->lines[option_find(id, key) - options];
}

enum section_id section_find(const struct config_reader *reader, const char *name)
{
    unsigned id = 0;

    while (id < SECTION_COUNT && strcmp(sections[id].names[reader->format], name) != 0)
        id++;
    return (enum section_id)id;
}

int section_unknown(struct config_reader *reader, const char *name, int line)
{
    const char *near = NULL;

    for (unsigned i = 0; i < SECTION_COUNT && !near; i++) {
        if (spelling_near(name, sections[i].names[reader->format]))
            near = sections[i].names[reader->format];
    }
    for (size_t i = 0; i < OPTION_COUNT && !near && reader->format == FORMAT_LIBCONFIG; i++) {
        if (options[i].section == SECTION_TOP && spelling_near(name, options[i].key))
            near = options[i].key;
    }
    return option_error(reader, line, SECTION_TOP, name, "unknown %s%s%s%s",
                        reader->format == FORMAT_INI ? "section" : "option",
                        near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int unknown_option(struct config_reader *reader, enum section_id id, const char *key,
                          int line)
{
    char known[256] = "";

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].section != id)
            continue;
        if (spelling_near(key, options[i].key))
            return option_error(reader, line, id, key, "unknown option; did you mean %s?",
                                options[i].key);
        snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", *known ? ", " : "",
                 options[i].key);
    }
    return option_error(reader, line, id, key, "unknown option; there are: %s", known);
}

/* "FILE:LINE: SECTION.OPTION: VALUE: sentence". What is in the file is shown short and on one line.
 */
static int bad_value(struct config_reader *reader, const struct option *option,
                     const struct option_value *value, int line, const char *sentence)
{
    const char *quote = value->type == VALUE_STRING || value->type == VALUE_WORD ? "\"" : "";
    char shown[64];

    if (value->type == VALUE_INTEGER)
        snprintf(shown, sizeof(shown), "%lld", value->integer);
    else if (value->type == VALUE_BOOLEAN)
        snprintf(shown, sizeof(shown), "%s", value->boolean ? "true" : "false");
    else if (strlen(value->text) < sizeof(shown))
        snprintf(shown, sizeof(shown), "%s", value->text);
    else
        snprintf(shown, sizeof(shown), "%.50s...", value->text);
    for (char *c = shown; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    return option_error(reader, line, option->section, option->key, "%s%s%s: %s", quote, shown,
                        quote, sentence);
}

static int expected(struct config_reader *reader, const struct option *option,
                    const struct option_value *value, int line)
{
    char sentence[256];

    snprintf(sentence, sizeof(sentence), "expected %s", option->expected);
    return bad_value(reader, option, value, line, sentence);
}

static bool take_number(const struct option *option, const struct option_value *value, void *out)
{
    long long number = value->integer;
    char *end;

    if (value->type == VALUE_WORD) {
        if (!*value->text || strlen(value->text) > 9)
            return false;
        number = strtoll(value->text, &end, 10);
        if (*end)
            return false;
    } else if (value->type != VALUE_INTEGER) {
        return false;
    }
    if (number < option->least || number > option->most)
        return false;
    *(int *)out = (int)number;
    return true;
}

static bool take_boolean(const struct option_value *value, void *out)
{
    static const char *const words[2][2] = {{"false", "no"}, {"true", "yes"}};
    bool *result = out;

    if (value->type == VALUE_BOOLEAN) {
        *result = value->boolean;
        return true;
    }
    for (int truth = 0; value->type == VALUE_WORD && truth < 2; truth++) {
        if (strcmp(value->text, words[truth][0]) == 0 ||
            strcmp(value->text, words[truth][1]) == 0) {
            *result = truth;
            return true;
        }
    }
    return false;
}

static int set_text(struct config_reader *reader, const struct option *option,
                    const struct option_value *value, int line, void *out)
{
    const char *text = value->text;
    size_t length = strlen(text);
    struct address address;
    struct error why;

    switch (option->type) {
    case OPTION_NAME:
        if (!name_valid(text, length))
            return expected(reader, option, value, line);
        break;
    case OPTION_TRUST_DOMAIN:
        if (!trust_domain_valid(text, length))
            return expected(reader, option, value, line);
        break;
    case OPTION_PATH:
        if (length == 0 || length >= PATH_MAX)
            return expected(reader, option, value, line);
        *(char **)out = file_path(reader->folder, text);
        return 0;
    default:
        if (address_parse(text, &address, &why) != 0)
            return bad_value(reader, option, value, line, why.text);
        if (option->type == OPTION_ADDRESS) {
            *(struct address *)out = address;
            return 0;
        }
    }
    *(char **)out = memory_strdup(text);
    return 0;
}

/* The pointers of the lists are of different types: they are copied, not looked at as one. */
static char *append_element(char *config, const struct section *section)
{
    unsigned *count = (unsigned *)(void *)(config + section->count);
    char *list;
    char *element;

    memcpy(&list, config + section->list, sizeof(list));
    list = memory_grow(list, *count + 1, section->size);
    memcpy(config + section->list, &list, sizeof(list));
    element = list + section->size * *count;
    ++*count;
    memset(element, 0, section->size);
    return element;
}

int section_begin(struct config_reader *reader, enum section_id id, int line,
                  struct section_filling *filling)
{
    const struct section *section = &sections[id];
    char *config = (char *)reader->config;
    char *into = config;

    if (reader->begun[id] && !section->title)
        return option_error(reader, line, id, NULL, "given twice");
    reader->begun[id] = true;
    if (section->title)
        into = append_element(config, section);
    if (section->line)
        *(int *)(void *)(into + section->line) = line;
    *filling = (struct section_filling){.id = id, .into = into, .line = line};
    return 0;
}

int section_set(struct config_reader *reader, struct section_filling *filling, const char *key,
                const struct option_value *value, int line)
{
    const struct option *option = option_find(filling->id, key);
    uint64_t bit;
    void *out;

    if (!option)
        return unknown_option(reader, filling->id, key, line);
    bit = UINT64_C(1) << (option - options);
    if (filling->seen & bit)
        return option_error(reader, line, filling->id, key, "given twice");
    filling->seen |= bit;
    reader->lines[option - options] = line;
    out = (char *)filling->into + option->offset;
    if (option->type == OPTION_NUMBER)
        return take_number(option, value, out) ? 0 : expected(reader, option, value, line);
    if (option->type == OPTION_BOOLEAN)
        return take_boolean(value, out) ? 0 : expected(reader, option, value, line);
    if (value->type != VALUE_STRING && value->type != VALUE_WORD)
        return expected(reader, option, value, line);
    return set_text(reader, option, value, line, out);
}

int section_end(struct config_reader *reader, const struct section_filling *filling)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &options[i];

        if (option->section != filling->id || !option->required)
            continue;
        if (!(filling->seen & (UINT64_C(1) << i)))
            return option_error(reader, filling->line, filling->id, option->key,
                                "missing; expected %s", option->expected);
    }
    return 0;
}
