/* The options of the configuration, in one table, and the one way that both readers put values into
 * it. */
#ifndef APPNET_CONFIG_OPTION_H
#define APPNET_CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appnet/config/config.h"

enum config_format { FORMAT_LIBCONFIG, FORMAT_INI };

/* More than the table has. */
#define OPTION_LIMIT 64

enum section_id {
    SECTION_TOP,
    SECTION_TUNNEL,
    SECTION_REGISTRY,
    SECTION_IDENTITY,
    SECTION_OUTBOUND,
    SECTION_INBOUND,
    SECTION_CONNECTION,
    SECTION_ALLOW,
    SECTION_COUNT
};

struct section {
    const char
        *names[2]; /* by format: `outbounds`, `outbound`; the top level has a name in INI only */
    const char *title; /* the option that an INI header gives, as in [outbound db]; NULL: given at
                          most once */
    size_t line;       /* offset of the line number, 0: not kept */
    size_t list;       /* offsets in struct config, for the sections that may come many times */
    size_t count;
    size_t size; /* of an element */
};

/* A value as a reader found it. A word is INI's: it may be of any type. */
struct option_value {
    enum { VALUE_WORD, VALUE_STRING, VALUE_INTEGER, VALUE_BOOLEAN, VALUE_OTHER } type;
    const char *text; /* of a word or string; of others what they are, for messages */
    long long integer;
    bool boolean;
};

/* One file being read. */
struct config_reader {
    struct config *config;
    enum config_format format;
    char *folder; /* relative paths start here */
    bool begun[SECTION_COUNT];
    int lines[OPTION_LIMIT]; /* where each option of the table was last set */
    struct error *err;
};

/* One section being filled. */
struct section_filling {
    enum section_id id;
    void *into;    /* what the options' offsets count from */
    uint64_t seen; /* one bit for each option of the table */
    int line;
};

extern const struct section sections[SECTION_COUNT];

/* Is this the name of an option at the top level? */
bool option_is_top(const char *key);

/* The section of that name in the reader's format, or SECTION_COUNT. */
enum section_id section_find(const struct config_reader *reader, const char *name);

/* Starts a section at `line`; refuses a second one of a kind that is given once. */
int section_begin(struct config_reader *reader, enum section_id id, int line,
                  struct section_filling *filling);

/* Sets one option from what the file says at `line`, or refuses it with what was expected. */
int section_set(struct config_reader *reader, struct section_filling *filling, const char *key,
                const struct option_value *value, int line);

/* Refuses a section that lacks a required option. */
int section_end(struct config_reader *reader, const struct section_filling *filling);

/* The sentence for a name at the top level of the file that is no section's. Returns -1. */
int section_unknown(struct config_reader *reader, const char *name, int line);

/* "FILE:LINE: SECTION.OPTION: ..."; the line is left out when it is 0, the option when it is NULL.
 * Returns -1. */
int option_error(const struct config_reader *reader, int line, enum section_id id, const char *key,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Where an option that is given once stands, 0: nowhere. */
int option_line(const struct config_reader *reader, enum section_id id, const char *key);

/* The readers and, after them, what must hold between options. */
int libconfig_read(struct config_reader *reader, const char *text);
int ini_read(struct config_reader *reader, const char *text);
int config_check(const struct config_reader *reader);

#endif
