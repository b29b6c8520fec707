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

gush_err gush_exchange_send(struct gush_exchange *s)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    return s->ops->send(s);
}

void gush_exchange_end(struct gush_exchange *s)
{
    gush_exchange_end_with(s, NULL, 0);
}

void gush_exchange_end_with(struct gush_exchange *s, const struct gush_http_field *fields,
                            size_t fields_n)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    s->ops->end(s, fields, fields_n);
}

void gush_exchange_abort(struct gush_exchange *s)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    s->ops->abort(s);
}

void gush_exchange_take(struct gush_exchange *s, size_t n)
{
    GUSH_ASSERT(s->magic == gush_exchange_MAGIC);
    s->ops->take(s, n);
}

struct gush_lane *gush_exchange_lane(struct gush_exchange *s)
{
    return s->ops->lane(s);
}
