#include "server/http/exchange.h"

#include "server/base/assert.h"

void gush_exchange_watch(struct gush_exchange *s, const struct gush_exchange_events *events,
                         void *user)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    s->events = events;
    s->user = user;
}

void gush_exchange_respond(struct gush_exchange *s, const struct gush_http_response *r)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    s->ops->respond(s, r);
}

void gush_exchange_start(struct gush_exchange *s, const struct gush_http_response *r)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    s->ops->start(s, r);
}

enum gush_exchange_framing gush_exchange_framing(const struct gush_exchange *s)
{
    return s->framing;
}

gush_err gush_exchange_write(struct gush_exchange *s, const struct gush_span *parts, size_t parts_n,
                             size_t *written)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    return s->ops->write(s, parts, parts_n, written);
}

void gush_exchange_end(struct gush_exchange *s)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    s->ops->end(s);
}

void gush_exchange_abort(struct gush_exchange *s)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    s->ops->abort(s);
}

struct gush_lane *gush_exchange_lane(struct gush_exchange *s)
{
    return s->ops->lane(s);
}
