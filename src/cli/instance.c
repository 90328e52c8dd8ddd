#include "instance.h"

#include <string.h>

#include "appnet/base/memory.h"
#include "appnet/base/name.h"

char *instance_path(const char *name, const char *what, struct error *err)
{
    if (!name_valid(name, strlen(name))) {
        error_set(err, "%s \"%s\": expected " NAME_EXPECTED, what, name);
        return NULL;
    }
    return memory_printf("/v1/instances/%s", name);
}
