#include "server/http/h2.h"

#include "server/base/mem.h"

#include "server/net/conn.h"

struct gush_h2 {
    size_t peers_n;
};

struct gush_h2 *gush_h2_new(struct gush_loop *loop, const struct gush_h2_options *options)
{
    (void)loop;
    (void)options;
    return GUSH_NEW(struct gush_h2);
}

void gush_h2_free(struct gush_h2 *h2)
{
    gush_free(h2);
}

void gush_h2_adopt(struct gush_h2 *h2, struct gush_conn *conn, struct gush_span first)
{
    (void)h2;
    (void)first;
    gush_conn_close(conn, GUSH_CONN_END_NOW);
}

size_t gush_h2_connections(const struct gush_h2 *h2)
{
    return h2->peers_n;
}

void gush_h2_drain(struct gush_h2 *h2)
{
    (void)h2;
}
