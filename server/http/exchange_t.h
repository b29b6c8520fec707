/* exchange_t: the struct that a protocol (h1, h2) embeds per request; see exchange.h. */
#ifndef GUSH_HTTP_EXCHANGE_T_H
#define GUSH_HTTP_EXCHANGE_T_H

#include "server/base/lane.h"

#include "server/http/message.h"

#define gush_exchange_MAGIC GUSH_MAGIC('s', 't', 'r', 'm')

struct gush_exchange;
struct gush_exchange_events;
enum gush_exchange_framing { GUSH_EXCHANGE_RAW, GUSH_EXCHANGE_CHUNKED };

/* What a protocol must offer: exchange.h says what each one means. */
struct gush_exchange_ops {
    void (*respond)(struct gush_exchange *s, const struct gush_http_response *r);
    void (*start)(struct gush_exchange *s, const struct gush_http_response *r);
    gush_err (*send)(struct gush_exchange *s);
    void (*end)(struct gush_exchange *s, const struct gush_http_field *trailers, size_t n);
    void (*abort)(struct gush_exchange *s);
    void (*take)(struct gush_exchange *s, size_t n);
    struct gush_lane *(*lane)(struct gush_exchange *s);
};

struct gush_exchange {
    uint32_t magic;
    enum gush_exchange_framing framing;
    bool accepts_gzip; /* the request did: set with its head */
    const struct gush_exchange_ops *ops;
    const struct gush_exchange_events *events; /* NULL: nobody watches */
    void *user;
};

#endif
