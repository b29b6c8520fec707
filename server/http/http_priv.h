/* http_priv: what the files of h1 share: h1.c (connections and the server), h1_read.c (requests in)
 * and h1_write.c (responses out). */
#ifndef GUSH_HTTP_PRIV_H
#define GUSH_HTTP_PRIV_H

#include "server/base/assert.h"
#include "server/base/buf.h"

#include "server/net/conn.h"

#include "server/http/exchange.h"
#include "server/http/h1.h"
#include "server/http/h1_chunk.h"
#include "server/http/h1_head.h"

#define gush_h1_MAGIC       GUSH_MAGIC('h', '1', 's', 'v')
#define gush__h1_peer_MAGIC GUSH_MAGIC('h', '1', 'p', 'r')

/* Beyond one request an inbox holds what one read brought with it, and one more read before the
 * reading stops. */
#define GUSH__H1_INBOX_SLACK (2 * GUSH_LOOP_READ_BYTES)

struct gush_h1 {
    GUSH_MAGIC_FIELD;
    bool draining;
    struct gush_loop *loop;
    struct gush_h1_options options;
    size_t peers_n;
    struct gush_h1_head head; /* scratch of one callback: too large for every connection */
    struct gush_buf out;      /* scratch of one response */
    int64_t date_s;           /* what |date| says */
    char date[32];
};

/* Where a connection stands. */
enum gush__h1_stage {
    H1_HEAD,      /* reading a request, or waiting for one */
    H1_BODY,      /* reading its body */
    H1_ANSWERING, /* the handler has it */
    H1_STREAMING, /* a streaming response has begun */
    H1_ENDING,    /* the response is complete, its last bytes may still wait in |out| */
    H1_DONE       /* closing, nothing is to be said any more */
};

/* What was read and not handled yet; exists only while there is some. */
struct gush__h1_inbox {
    struct gush_buf bytes; /* head, decoded body, then what came behind */
    size_t looked;         /* for gush_h1_head_end */
    size_t head_n, body_n;
    size_t raw_at; /* chunked: where undecoded bytes begin */
    bool chunked;
    size_t length; /* not chunked; within the route's limit */
    struct gush_h1_chunk decoder;
    const struct gush_route *route;
};

/* In the order of use: a piece of a stream touches only the first cache line. */
struct gush__h1_peer {
    GUSH_MAGIC_FIELD;
    uint8_t stage;
    bool v11, head_only, keep_alive;
    bool begun;      /* H1_HEAD: some of it is there */
    bool eof;        /* the client will send no more */
    bool sending;    /* a burst is under way ... */
    uint32_t sent_n; /* ... and so many bytes of it are out */
    struct gush_exchange stream;
    struct gush_conn *conn;  /* NULL: gone; only |after| keeps this alive */
    struct gush_bytes *rest; /* of the server's own bytes that the socket did not take */
    uint32_t rest_at;
    struct gush_h1 *h1;
    struct gush__h1_inbox *in;
    struct gush_work after; /* what follows a response, outside of the call that completed it */
};

/* ---- h1_read.c ------------------------------------------------------------------------------ */

/* Takes what was received. A request that is whole now is answered, or handed to its handler; what
 * is behind it waits for gush__h1_read_on. */
void gush__h1_take(struct gush__h1_peer *p, const uint8_t *bytes, size_t n);
/* Goes on with what is in the inbox. */
void gush__h1_read_on(struct gush__h1_peer *p);
/* Answers a request of which nothing is known, and ends the connection with it. */
void gush__h1_refuse(struct gush__h1_peer *p, unsigned status);
void gush__h1_drop_inbox(struct gush__h1_peer *p);

/* ---- h1_write.c ----------------------------------------------------------------------------- */

extern const struct gush_exchange_ops gush__h1_stream_ops;
/* Writes more of what was kept. True when nothing of ours waits any more. */
bool gush__h1_write_rest(struct gush__h1_peer *p);
/* Writes more of the burst under way. GUSH_OK: all of it is out. */
GUSH_MUST_USE gush_err gush__h1_write_burst(struct gush__h1_peer *p);

#endif
