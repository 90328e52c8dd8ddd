#include "spelling.h"

#include <string.h>

#define LONGEST 31
#define NEAR 2

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

bool spelling_near(const char *written, const char *known)
{
    /* Levenshtein's distance: row[j] is that of the letters seen of `written` from the first j of
     * `known`. */
    unsigned row[LONGEST + 1];
    size_t height = strlen(written);
    size_t width = strlen(known);

    if (height > LONGEST || width > LONGEST || height <= NEAR || width <= NEAR)
        return false;
    for (size_t j = 0; j <= width; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= height; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= width; j++) {
            unsigned replaced = diagonal + (written[i - 1] != known[j - 1]);

            diagonal = row[j];
            row[j] = least(replaced, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[width] <= NEAR;
}
