/* port_host: time and chance, as the engine receives them. server/app gives the real ones,
 * tests/sim those of a seed. A lane's own clock and its waking belong to the lane (base/lane.h).
 *
 * Thread    any */
#ifndef GUSH_ENGINE_PORT_HOST_H
#define GUSH_ENGINE_PORT_HOST_H

#include <stddef.h>
#include <stdint.h>

struct gush_host {
    int64_t (*wall_ms)(void *host);  /* Unix time */
    uint64_t (*mono_ms)(void *host); /* monotonic, the same clock as the lanes' */
    /* Unpredictable to strangers. May be called under a channel's lock: must not block. */
    void (*random)(void *host, void *out, size_t n);
    void *host;
};

#endif
