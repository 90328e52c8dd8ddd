/* A body in chunks (RFC 9112, section 7.1), taken apart as it comes. Pure. Private to src/http. */
#ifndef APPNET_HTTP_CHUNKS_H
#define APPNET_HTTP_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

/* Of an extension behind one chunk's size, and of all trailer fields: both are thrown away. */
#define CHUNKS_EXTENSION_MAX 256
#define CHUNKS_TRAILERS_MAX 8192

enum chunks_result {
    CHUNKS_MORE, /* everything is taken, and there is more to come */
    CHUNKS_DATA, /* `length` bytes of the body, at `plain` */
    CHUNKS_END,  /* the body is whole; what follows is not its */
    CHUNKS_MALFORMED,
};

/* All zero: at the beginning. */
struct chunks {
    int state;
    uint64_t left; /* of this chunk; while its size is read: so far */
    size_t seen;   /* bytes of this line, or of the trailers */
};

/* Takes some of `size` bytes; *taken tells how many. To be called again with the rest. */
enum chunks_result chunks_take(struct chunks *chunks, const char *data, size_t size, size_t *taken,
                               const char **plain, size_t *length);

#endif
