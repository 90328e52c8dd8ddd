/* Sessions of every version and cipher, with every engine at either end, for the tests of the
 * record layer. To be used in a folder of the test's own. */
#ifndef TESTS_UNIT_RECORD_SUPPORT_H
#define TESTS_UNIT_RECORD_SUPPORT_H

#include "appnet/tls/record.h"
#include "forger.h"

struct setting {
    const char *name;
    enum tls_version version;
    enum tls_cipher cipher;
};

#define SETTINGS 6
extern const struct setting settings[SETTINGS];

/* One end: what arrives is kept until it is opened. */
struct side {
    struct record *record; /* NULL: nobody, the test speaks in its place */
    int fd;
    uint8_t *arrived;
    size_t arrived_size;
    struct forger forger; /* seals as this side does; opens what it has sealed */
    struct error err;     /* of the last opening */
};

/* Makes the sides of a session, the client first; `engines` may hold one NULL. False, with a plain
 * line about it, when an engine cannot serve such a session here. */
bool sides_make(struct side sides[2], const struct setting *setting,
                const struct record_engine *const engines[2]);
void sides_free(struct side sides[2]);

/* A side seals; returns malloc'ed wire bytes. */
uint8_t *side_seal(struct side *side, const void *plain, size_t length, size_t *size);
uint8_t *side_farewell(struct side *side, size_t *size);

/* Bytes of the other side's arrive. */
void side_arrive(struct side *side, const struct side *from, const void *wire, size_t size);

/* Opens the next record into `plain` (RECORD_PLAINTEXT_MAX bytes). */
enum record_result side_open(struct side *side, uint8_t *plain, size_t *length);

/* The next record must have this content. */
void side_expect(struct side *side, const void *plain, size_t length);

/* The next record must fail, with this in the sentence; NULL: any. */
void side_expect_failure(struct side *side, const char *part);

#endif
