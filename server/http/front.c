#include "server/http/front.h"

#include <stdatomic.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/mem.h"

#include "server/net/conn.h"

#include "server/http/h1.h"
#include "server/http/h2.h"

#define gush_front_MAGIC GUSH_MAGIC('f', 'r', 'n', 't')
#define guest_MAGIC      GUSH_MAGIC('g', 'e', 's', 't')

/* How every HTTP/2 client begins. */
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_BYTES (sizeof(preface) - 1)

struct gush_front {
    GUSH_MAGIC_FIELD;
    struct gush_loop *loop;
    struct gush_front_options options;
    struct gush_h1 *h1;
    struct gush_h2 *h2;
    size_t guests_n;
    atomic_uint_fast64_t chosen[2]; /* HTTP/1, HTTP/2 */
};

/* A connection that has not found its protocol yet. */
struct guest {
    GUSH_MAGIC_FIELD;
    uint32_t preface_n; /* so much of the preface is there; it need not be kept */
    struct gush_front *front;
    struct gush_conn *conn;
};

static void guest_free(struct guest *g)
{
    g->front->guests_n--;
    g->magic = GUSH_MAGIC_DEAD;
    gush_free(g);
}

/* |first|: what came already. */
static void pass_on(struct guest *g, bool h2, struct gush_span first)
{
    struct gush_front *front = g->front;
    struct gush_conn *conn = g->conn;

    guest_free(g);
    atomic_fetch_add_explicit(&front->chosen[h2], 1, memory_order_relaxed);
    if (h2)
        gush_h2_adopt(front->h2, conn, first);
    else
        gush_h1_adopt(front->h1, conn, first);
}

/* The part of the preface that came before, and |bytes|. */
static void pass_on_behind(struct guest *g, bool h2, struct gush_span bytes)
{
    struct gush_buf all;

    gush_buf_init(&all, PREFACE_BYTES + bytes.n);
    gush_buf_put(&all, preface, g->preface_n);
    gush_buf_put_span(&all, bytes);
    pass_on(g, h2, gush_buf_span(&all));
    gush_buf_fini(&all);
}

/* ---- events --------------------------------------------------------------------------------- */

static void on_open(void *owner)
{
    struct guest *g = GUSH_CAST(guest, owner);
    bool tls = gush_conn_is_tls(g->conn);

    if (tls || !g->front->options.h2c)
        pass_on(g, tls && gush_conn_alpn_is(g->conn, "h2"), GUSH_SPAN_EMPTY);
    else
        gush_conn_timer_set(g->conn, g->front->options.limits.head_ms);
}

static void on_bytes(void *owner, const uint8_t *p, size_t n)
{
    struct guest *g = GUSH_CAST(guest, owner);
    size_t wanted = PREFACE_BYTES - g->preface_n, looked = n < wanted ? n : wanted;
    bool h2 = memcmp(p, preface + g->preface_n, looked) == 0;

    if (h2 && n < wanted)
        g->preface_n += (uint32_t)n;
    else if (g->preface_n)
        pass_on_behind(g, h2, gush_span_of(p, n));
    else
        pass_on(g, h2, gush_span_of(p, n));
}

static void on_end(void *owner)
{
    struct guest *g = GUSH_CAST(guest, owner);
    gush_conn_close(g->conn, GUSH_CONN_END_NOW);
}

static void on_writable(void *owner)
{
    (void)owner; /* nothing was written */
}

static void on_closed(void *owner)
{
    guest_free(GUSH_CAST(guest, owner));
}

static const struct gush_conn_ops guest_ops = {.on_bytes = on_bytes,
                                               .on_eof = on_end,
                                               .on_writable = on_writable,
                                               .on_timer = on_end,
                                               .on_closed = on_closed,
                                               .on_open = on_open};

/* ---- outside -------------------------------------------------------------------------------- */

void gush_front_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    struct gush_front *front = GUSH_CAST(gush_front, arg);
    const struct gush_front_options *o = &front->options;
    struct guest *g = GUSH_NEW(struct guest);
    struct gush_conn_setup setup = {.ops = &guest_ops,
                                    .owner = g,
                                    .tls = o->tls,
                                    .proxy = o->proxy,
                                    .open_ms = o->limits.head_ms};

    GUSH_ASSERT(loop == front->loop);
    g->magic = guest_MAGIC;
    g->front = front;
    front->guests_n++;
    if (gush_conn_open_with(loop, fd, peer, &setup, &g->conn) != GUSH_OK) {
        guest_free(g);
        return;
    }
    if (o->tls || o->proxy)
        return; /* on_open follows */
    if (o->h2c)
        gush_conn_timer_set(g->conn, o->limits.head_ms);
    else
        pass_on(g, false, GUSH_SPAN_EMPTY);
}

static void default_u32(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static void defaults(struct gush_http_limits *limits)
{
    if (limits->head_bytes == 0)
        limits->head_bytes = GUSH_HTTP_HEAD_BYTES;
    default_u32(&limits->head_ms, GUSH_HTTP_HEAD_MS);
    default_u32(&limits->body_ms, GUSH_HTTP_BODY_MS);
    default_u32(&limits->response_ms, GUSH_HTTP_RESPONSE_MS);
    default_u32(&limits->idle_ms, GUSH_HTTP_IDLE_MS);
    default_u32(&limits->streams_max, GUSH_HTTP_STREAMS_MAX);
}

struct gush_front *gush_front_new(struct gush_loop *loop, const struct gush_front_options *options)
{
    struct gush_front *front = GUSH_NEW(struct gush_front);
    struct gush_http_limits *limits = &front->options.limits;

    front->magic = gush_front_MAGIC;
    front->loop = loop;
    front->options = *options;
    defaults(limits);
    front->h1 = gush_h1_new(loop, &(struct gush_h1_options){.router = options->router,
                                                            .wall_ms = options->wall_ms,
                                                            .log = options->log,
                                                            .forwarded = options->forwarded,
                                                            .limits = *limits});
    front->h2 = gush_h2_new(loop, &(struct gush_h2_options){.router = options->router,
                                                            .wall_ms = options->wall_ms,
                                                            .log = options->log,
                                                            .forwarded = options->forwarded,
                                                            .limits = *limits});
    return front;
}

void gush_front_free(struct gush_front *front)
{
    if (front == NULL)
        return;
    GUSH_ASSERT(front->guests_n == 0);
    gush_h1_free(front->h1);
    gush_h2_free(front->h2);
    front->magic = GUSH_MAGIC_DEAD;
    gush_free(front);
}

size_t gush_front_connections(const struct gush_front *front)
{
    return front->guests_n + gush_h1_connections(front->h1) + gush_h2_connections(front->h2);
}

size_t gush_front_under_way(const struct gush_front *front)
{
    return gush_h1_under_way(front->h1) + gush_h2_under_way(front->h2);
}

uint64_t gush_front_chosen(const struct gush_front *front, bool h2)
{
    return atomic_load_explicit(&front->chosen[h2], memory_order_relaxed);
}

void gush_front_drain(struct gush_front *front)
{
    gush_h1_drain(front->h1);
    gush_h2_drain(front->h2);
}
