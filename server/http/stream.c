#include "server/http/stream.h"

#include "server/base/assert.h"

void gush_stream_watch(struct gush_stream *s, const struct gush_stream_events *events, void *user)
{
    GUSH_ASSERT(s->magic == gush_stream_MAGIC);
    s->events = events;
    s->user = user;
}

void gush_stream_respond(struct gush_stream *s, const struct gush_http_response *r)
{
    GUSH_ASSERT(s->magic == gush_stream_MAGIC);
    s->ops->respond(s, r);
}

void gush_stream_start(struct gush_stream *s, const struct gush_http_response *r)
{
    GUSH_ASSERT(s->magic == gush_stream_MAGIC);
    s->ops->start(s, r);
}

enum gush_stream_framing gush_stream_framing(const struct gush_stream *s)
{
    return s->framing;
}

gush_err gush_stream_write(struct gush_stream *s, const struct gush_span *parts, size_t parts_n,
                           size_t *written)
{
    GUSH_ASSERT(s->magic == gush_stream_MAGIC);
    return s->ops->write(s, parts, parts_n, written);
}

void gush_stream_end(struct gush_stream *s)
{
    GUSH_ASSERT(s->magic == gush_stream_MAGIC);
    s->ops->end(s);
}

void gush_stream_abort(struct gush_stream *s)
{
    GUSH_ASSERT(s->magic == gush_stream_MAGIC);
    s->ops->abort(s);
}

struct gush_lane *gush_stream_lane(struct gush_stream *s)
{
    return s->ops->lane(s);
}
