#include "server/base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "server/base/assert.h"

static struct timespec now(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);

    GUSH_ASSERT(rc == 0);
    return ts;
}

uint64_t gush_clock_mono_us(void)
{
    struct timespec ts = now(CLOCK_MONOTONIC);

    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int64_t gush_clock_wall_ms(void)
{
    struct timespec ts = now(CLOCK_REALTIME);

    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void from_kernel(uint8_t *out, size_t n)
{
    while (n) {
        ssize_t got = getrandom(out, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        GUSH_ASSERT(got > 0);
        out += got;
        n -= (size_t)got;
    }
}

void gush_clock_random(void *out, size_t n)
{
    static _Thread_local uint8_t pool[512];
    static _Thread_local size_t left;

    if (n > sizeof(pool)) {
        from_kernel(out, n);
        return;
    }
    if (n > left) {
        from_kernel(pool, sizeof(pool));
        left = sizeof(pool);
    }
    left -= n;
    memcpy(out, pool + left, n);
    /* Handed out once: later reads of this memory must not tell past secrets. */
    memset(pool + left, 0, n);
}
