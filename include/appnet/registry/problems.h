/* Everything that is wrong with a document, each as a sentence, so that a person can mend all of it
 * at once. */
#ifndef APPNET_REGISTRY_PROBLEMS_H
#define APPNET_REGISTRY_PROBLEMS_H

#define PROBLEMS_MAX 100 /* sentences kept; how many more there were is told by the last */

struct problems {
    char **sentences; /* owned */
    unsigned count;   /* of sentences */
    unsigned found;   /* of problems: more than count if some were not kept */
};

/* clang-format off */
#define PROBLEMS_INIT {0}
/* clang-format on */

/* Adds a sentence. Control characters in it become question marks: parts of it were received. */
void problems_add(struct problems *problems, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Frees the sentences, and begins anew. */
void problems_clear(struct problems *problems);

#endif
