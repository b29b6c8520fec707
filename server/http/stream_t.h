/* stream_t: the struct that a protocol (h1 now) embeds per request; see stream.h. */
#ifndef GUSH_HTTP_STREAM_T_H
#define GUSH_HTTP_STREAM_T_H

#include "server/base/lane.h"

#include "server/http/message.h"

#define gush_stream_MAGIC GUSH_MAGIC('s', 't', 'r', 'm')

struct gush_stream;
struct gush_stream_events;
enum gush_stream_framing { GUSH_STREAM_RAW, GUSH_STREAM_CHUNKED };

/* What a protocol must offer: stream.h says what each one means. */
struct gush_stream_ops {
    void (*respond)(struct gush_stream *s, const struct gush_http_response *r);
    void (*start)(struct gush_stream *s, const struct gush_http_response *r);
    gush_err (*write)(struct gush_stream *s, const struct gush_span *parts, size_t parts_n,
                      size_t *written);
    void (*end)(struct gush_stream *s);
    void (*abort)(struct gush_stream *s);
    struct gush_lane *(*lane)(struct gush_stream *s);
};

struct gush_stream {
    uint32_t magic;
    enum gush_stream_framing framing;
    const struct gush_stream_ops *ops;
    const struct gush_stream_events *events; /* NULL: nobody watches */
    void *user;
};

#endif
