/* limits: what a peer may take of this server's time and memory, the same for every HTTP version.
 *
 * Thread    any                       spec      operations 1.1 */
#ifndef GUSH_HTTP_LIMITS_H
#define GUSH_HTTP_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define GUSH_HTTP_HEAD_BYTES  ((size_t)16 * 1024)
#define GUSH_HTTP_HEAD_MS     (10 * 1000)
#define GUSH_HTTP_BODY_MS     (30 * 1000)
#define GUSH_HTTP_RESPONSE_MS (10 * 1000)
#define GUSH_HTTP_IDLE_MS     (30 * 1000)
#define GUSH_HTTP_STREAMS_MAX 250

/* 0 takes the default above. */
struct gush_http_limits {
    size_t head_bytes;    /* HTTP/2: of names and values, and 32 more a field */
    uint32_t head_ms;     /* from the first byte (or from accept) to the end of the head */
    uint32_t body_ms;     /* more for the body */
    uint32_t response_ms; /* for a peer to take the end of a response */
    uint32_t idle_ms;     /* between two requests */
    uint32_t streams_max; /* HTTP/2: requests at a time, per connection */
};

#endif
