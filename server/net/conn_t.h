/* conn_t: a connection's fields, for conn.c and conn_open.c only. */
#ifndef GUSH_NET_CONN_T_H
#define GUSH_NET_CONN_T_H

#include "server/base/assert.h"

#include "server/net/conn.h"
#include "server/net/net_priv.h"

#define gush_conn_MAGIC GUSH_MAGIC('c', 'o', 'n', 'n')

/* What only a connection has that is, or was, not open at once. */
struct gush__conn_extra {
    struct gush_conn *conn;
    struct gush_tls_server *server; /* NULL: no TLS; used while it opens */
    struct gush__tls *tls;          /* NULL: none, no byte came yet, or it said goodbye */
    uint8_t *header;                /* of PROXY, as far as it came; NULL: none is expected */
    size_t header_n;
    struct gush_timer kick; /* for what no poll tells of: kept bytes, an end that was seen */
    bool kept;              /* TLS has bytes that nobody wanted yet */
    bool ended;             /* TLS has seen the end */
};

struct gush_conn {
    GUSH_MAGIC_FIELD;
    /* What a write looks at is one cache line. */
    int fd;            /* -1: closed, only the handle's farewell is missing */
    uint8_t read_mode; /* enum gush_conn_read */
    bool want_write;   /* a write met a full socket */
    bool broken;       /* a write failed: the end is on its way */
    bool lingering;    /* said goodbye, discarding */
    bool opening;      /* PROXY header or handshake under way */
    bool is_tls;
    int8_t watched;                 /* events the poll has now */
    struct gush__conn_extra *extra; /* NULL: clear text, and open */
    uv_poll_t poll;
    struct gush__item item;
    struct gush_loop *loop;
    const struct gush_conn_ops *ops;
    void *owner;
    struct gush_timer timer;
    struct gush_peer peer;
};

/* Makes the poll watch for what the connection's state wants. */
void gush__conn_watch(struct gush_conn *conn);
void gush__conn_arm(struct gush_conn *conn, uint64_t ms);
void gush__conn_close_now(struct gush_conn *conn, bool abort);

/* ---- conn_open ------------------------------------------------------------------------------- */

/* Before the first watch. */
void gush__conn_open_begin(struct gush_conn *conn, const struct gush_conn_setup *setup);
/* Its descriptor is readable or writable. */
void gush__conn_open_go_on(struct gush_conn *conn);
/* It is not: the socket failed, or time is over. */
void gush__conn_open_failed(struct gush_conn *conn, bool timeout);

#endif
