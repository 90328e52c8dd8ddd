#include <string.h>
#include <sys/un.h>

#include "option.h"

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* An address that only means "all of mine" leads others nowhere. */
static int check_advertise(const struct config_reader *reader)
{
    const struct address *advertise = &reader->config->tunnel.advertise;

    if (advertise->port != 0 &&
        (strcmp(advertise->host, "0.0.0.0") == 0 || strcmp(advertise->host, "::") == 0)) {
        return option_error(
            reader, option_line(reader, SECTION_TUNNEL, "advertise"), SECTION_TUNNEL, "advertise",
            "\"%s\": expected the address that other machines reach this one by", advertise->host);
    }
    return 0;
}

static int check_sections(const struct config_reader *reader)
{
    const struct config *config = reader->config;

    if (config->registry.line &&
        (config->identity.line || config->connection_count > 0 || config->allow_count > 0))
        return option_error(reader, config->registry.line, SECTION_REGISTRY, NULL,
                            "identity, connections and allow come from the registry: leave them "
                            "out of the file, or the registry");
    if (!config->registry.line && !config->identity.line)
        return option_error(reader, 0, SECTION_IDENTITY, NULL,
                            "missing; expected certificate, key and ca");
    if (strlen(config->admin) > SOCKET_PATH_MAX)
        return option_error(reader, option_line(reader, SECTION_TOP, "admin"), SECTION_TOP, "admin",
                            "\"%s\": expected a path of at most %zu bytes", config->admin,
                            SOCKET_PATH_MAX);
    return check_advertise(reader);
}

static int used_twice(const struct config_reader *reader, int line, enum section_id id,
                      const char *name, int first_line)
{
    return option_error(reader, line, id, "name",
                        "\"%s\" is used already in line %d: inbounds and outbounds share their "
                        "names",
                        name, first_line);
}

static int check_outbounds(const struct config_reader *reader)
{
    const struct config *config = reader->config;

    for (unsigned i = 0; i < config->outbound_count; i++) {
        const struct config_outbound *outbound = &config->outbounds[i];
        const struct config_outbound *first = config_find_outbound(config, outbound->name);

        if (first != outbound)
            return used_twice(reader, outbound->line, SECTION_OUTBOUND, outbound->name,
                              first->line);
        if (outbound->listen.port == 0 && !config->registry.line)
            return option_error(reader, outbound->line, SECTION_OUTBOUND, "listen",
                                "missing; needed without a registry: expected HOST:PORT, for "
                                "example 127.0.0.1:3306");
    }
    return 0;
}

static int check_inbounds(const struct config_reader *reader)
{
    const struct config *config = reader->config;

    for (unsigned i = 0; i < config->inbound_count; i++) {
        const struct config_inbound *inbound = &config->inbounds[i];
        const struct config_inbound *first = config_find_inbound(config, inbound->name);
        const struct config_outbound *namesake = config_find_outbound(config, inbound->name);

        if (first != inbound)
            return used_twice(reader, inbound->line, SECTION_INBOUND, inbound->name, first->line);
        if (namesake)
            return used_twice(reader, inbound->line, SECTION_INBOUND, inbound->name,
                              namesake->line);
        if (config->tunnel.listen.port == 0)
            return option_error(reader, inbound->line, SECTION_INBOUND, NULL,
                                "\"%s\" cannot be reached without tunnel.listen: expected "
                                "HOST:PORT there, for example 0.0.0.0:15008",
                                inbound->name);
    }
    return 0;
}

static int check_connections(const struct config_reader *reader)
{
    const struct config *config = reader->config;

    for (unsigned i = 0; i < config->connection_count; i++) {
        const struct config_connection *connection = &config->connections[i];
        const struct config_connection *first =
            config_find_connection(config, connection->outbound);

        if (!config_find_outbound(config, connection->outbound))
            return option_error(reader, connection->line, SECTION_CONNECTION, "outbound",
                                "\"%s\": expected the name of an outbound of this file",
                                connection->outbound);
        if (first != connection)
            return option_error(reader, connection->line, SECTION_CONNECTION, "outbound",
                                "\"%s\" has a connection already in line %d: an outbound has one "
                                "at most",
                                connection->outbound, first->line);
        if (strcmp(connection->instance, config->instance) == 0)
            return option_error(reader, connection->line, SECTION_CONNECTION, "instance",
                                "\"%s\": expected another instance: none is connected to itself",
                                connection->instance);
    }
    return 0;
}

static int check_allows(const struct config_reader *reader)
{
    const struct config *config = reader->config;

    for (unsigned i = 0; i < config->allow_count; i++) {
        const struct config_allow *allow = &config->allows[i];

        if (!config_find_inbound(config, allow->inbound))
            return option_error(reader, allow->line, SECTION_ALLOW, "inbound",
                                "\"%s\": expected the name of an inbound of this file",
                                allow->inbound);
        if (strcmp(allow->instance, config->instance) == 0)
            return option_error(reader, allow->line, SECTION_ALLOW, "instance",
                                "\"%s\": expected another instance: none is connected to itself",
                                allow->instance);
    }
    return 0;
}

/* A socket that the sidecar listens on. */
struct listener {
    enum section_id id;
    const char *key;
    const struct address *address; /* port 0: not given */
    int line;
};

static struct listener listener_at(const struct config_reader *reader, unsigned index)
{
    const struct config *config = reader->config;
    enum section_id id = index == 0 ? SECTION_TUNNEL : SECTION_TOP;
    const char *key = index == 0 ? "listen" : "metrics";

    if (index < 2)
        return (struct listener){id, key, index == 0 ? &config->tunnel.listen : &config->metrics,
                                 option_line(reader, id, key)};
    return (struct listener){SECTION_OUTBOUND, "listen", &config->outbounds[index - 2].listen,
                             config->outbounds[index - 2].line};
}

/* The address of all interfaces takes in each one of its family. */
static bool covers(const struct address *wide, const struct address *narrow)
{
    bool narrow_v6 = strchr(narrow->host, ':') != NULL;

    return wide->port == narrow->port && strcmp(wide->host, narrow_v6 ? "::" : "0.0.0.0") == 0;
}

static int check_listeners(const struct config_reader *reader)
{
    unsigned count = reader->config->outbound_count + 2;

    for (unsigned i = 0; i < count; i++) {
        struct listener later = listener_at(reader, i);

        for (unsigned j = 0; j < i && later.address->port != 0; j++) {
            struct listener first = listener_at(reader, j);
            char text[ADDRESS_TEXT_SIZE];

            if (!address_equal(later.address, first.address) &&
                !covers(later.address, first.address) && !covers(first.address, later.address))
                continue;
            address_format(later.address, text, sizeof(text));
            return option_error(reader, later.line, later.id, later.key,
                                "\"%s\" is listened on already by line %d: expected another "
                                "address or port",
                                text, first.line);
        }
    }
    return 0;
}

int config_check(const struct config_reader *reader)
{
    if (check_sections(reader) != 0 || check_outbounds(reader) != 0 ||
        check_inbounds(reader) != 0 || check_connections(reader) != 0 || check_allows(reader) != 0)
        return -1;
    return check_listeners(reader);
}
