/* Preloaded into a program: counts its allocations in the first eight bytes of the file that
 * APPNET_COUNT_MALLOC names, where a test reads them while the program runs. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static _Atomic(unsigned long long) nowhere;
static _Atomic(unsigned long long) *calls = &nowhere;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("APPNET_COUNT_MALLOC");
    int fd = path ? open(path, O_RDWR | O_CREAT, 0600) : -1;

    if (fd >= 0 && ftruncate(fd, sizeof *calls) == 0) {
        void *map = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            calls = map;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

void *malloc(size_t size)
{
    atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
    return __libc_realloc(old, size);
}
