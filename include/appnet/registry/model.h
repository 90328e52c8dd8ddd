/* The rows that the registry keeps: instances with their interfaces, connections, join tokens.
 * Plain data; what may be connected to what is told by rules.h. */
#ifndef APPNET_REGISTRY_MODEL_H
#define APPNET_REGISTRY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "appnet/base/name.h"

#define MODEL_CONNECTION_ID_SIZE 15 /* "c-", 12 of a-z and 0-9, and the zero */
#define MODEL_TOKEN_ID_SIZE 13      /* 12 of a-z and 0-9, and the zero */
#define MODEL_HASH_SIZE 32          /* SHA-256 */
#define MODEL_INTERFACES_MAX 1000   /* of one instance */

enum model_direction { MODEL_INBOUND, MODEL_OUTBOUND };

struct model_interface {
    char name[NAME_SIZE]; /* unique in its instance, whatever the direction */
    enum model_direction direction;
    bool required;        /* of an outbound; false for an inbound */
    uint16_t port;        /* of an inbound: its rule's target port; of an outbound that a replica
                           * declares: where it listens in any case, else 0 */
    char rule[NAME_SIZE]; /* of an inbound: the name of its rule; "" for an outbound */
};

struct model_instance {
    char name[NAME_SIZE];
    bool applied;       /* described by a descriptor; false: declared by a replica */
    bool removing;      /* accepted for removal; its connections go first */
    int64_t created_at; /* seconds since 1970 */
    int64_t revision;   /* of the commit that put it, given by the store */
    unsigned interface_count;
    struct model_interface *interfaces; /* owned, in the order described */
};

struct model_connection {
    char id[MODEL_CONNECTION_ID_SIZE];
    char source[NAME_SIZE]; /* instance, and its outbound: the key of the row */
    char outbound[NAME_SIZE];
    char target[NAME_SIZE]; /* instance, and its inbound */
    char inbound[NAME_SIZE];
    int64_t created_at; /* milliseconds since 1970 */
    bool removing;      /* removal was accepted; the row goes when both ends let go */
    int64_t revision;
};

struct model_token {
    char id[MODEL_TOKEN_ID_SIZE];
    uint8_t hash[MODEL_HASH_SIZE]; /* of the secret, which is not kept */
    char instance[NAME_SIZE];      /* the only one that may join with it; need not exist yet */
    int64_t created_at;            /* seconds since 1970 */
    int64_t expires_at;            /* seconds since 1970 */
    uint32_t uses;                 /* as made */
    uint32_t uses_left;
    int64_t revision;
};

const char *model_direction_text(enum model_direction direction); /* "inbound", "outbound" */

/* NULL: it has none of that name. */
const struct model_interface *model_interface_find(const struct model_instance *instance,
                                                   const char *name);

/* Adds a blank interface behind the others. The pointer is good until the next one is added. */
struct model_interface *model_interface_add(struct model_instance *instance, const char *name,
                                            enum model_direction direction);

/* A copy with interfaces of its own. */
struct model_instance *model_instance_copy(const struct model_instance *instance);
void model_instance_free(struct model_instance *instance);

/* Whether both have the same interfaces with the same properties, in any order. */
bool model_interfaces_equal(const struct model_instance *a, const struct model_instance *b);

/* Copies a name that is known to fit: valid names do. Longer ones are cut. */
void model_name_set(char out[NAME_SIZE], const char *name);

/* A new random id. */
void model_connection_id_make(char out[MODEL_CONNECTION_ID_SIZE]);
bool model_connection_id_valid(const char *text);

#endif
