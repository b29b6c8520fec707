/* http_priv: what the files of h1 share: h1.c (connections and the server), h1_read.c (requests
 * in), h1_body.c (bodies that are given as they come) and h1_write.c (responses out). */
#ifndef GUSH_HTTP_PRIV_H
#define GUSH_HTTP_PRIV_H

#include "server/base/assert.h"
#include "server/base/buf.h"

#include "server/net/conn.h"

#include "server/http/access_log.h"
#include "server/http/exchange.h"
#include "server/http/h1.h"
#include "server/http/h1_chunk.h"
#include "server/http/h1_head.h"

#define gush_h1_MAGIC       GUSH_MAGIC('h', '1', 's', 'v')
#define gush__h1_peer_MAGIC GUSH_MAGIC('h', '1', 'p', 'r')

/* Beyond one request an inbox holds what one read brought with it, and one more read before the
 * reading stops. */
#define GUSH__H1_INBOX_SLACK (2 * GUSH_LOOP_READ_BYTES)

struct gush__h1_peer;

struct gush_h1 {
    GUSH_MAGIC_FIELD;
    bool draining;
    struct gush_loop *loop;
    struct gush_h1_options options;
    struct gush__h1_peer *peers;
    size_t peers_n;
    struct gush_h1_head head; /* scratch of one callback: too large for every connection */
    struct gush_buf out;      /* scratch of one response */
    int64_t date_s;           /* what |date| says */
    char date[32];
};

/* Where a connection stands. */
enum gush__h1_stage {
    H1_HEAD,      /* reading a request, or waiting for one */
    H1_BODY,      /* reading its body, which the handler gets whole */
    H1_ANSWERING, /* the handler has it */
    H1_STREAMING, /* a streaming response has begun */
    H1_MUTED,     /* the same, to a HEAD: its bytes go nowhere */
    H1_ENDING,    /* the response is complete, its last bytes may still wait in |rest| */
    H1_DONE       /* closing, nothing is to be said any more */
};

/* What was read and not handled yet; exists only while there is some, or a body is given piece by
 * piece. */
struct gush__h1_inbox {
    struct gush_buf bytes; /* head, decoded body, then what came behind; or see h1_body.c */
    size_t looked;         /* for gush_h1_head_end */
    size_t head_n, body_n;
    size_t raw_at; /* chunked: where undecoded bytes begin */
    bool chunked;
    bool whole;      /* given: all of the body has been read */
    uint64_t length; /* not chunked; given: what has not been read of it */
    size_t ready_n;  /* given: bytes of the body that stand in front */
    size_t untaken_n;
    struct gush_h1_chunk decoder;
    uint16_t refused; /* the status with which it will be, once it is read; 0: it is not */
    const struct gush_route *route; /* NULL: refused, there is none */
};

/* In the order of use: a piece of a stream touches what is in front, up to body_bytes. */
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
    uint16_t status;     /* of the response, for the log; 0: none yet */
    bool giving;         /* the request's body goes to the handler as it comes */
    bool paused;         /* nothing is read, only the end is watched for */
    uint64_t body_bytes; /* of the response, for the log */
    struct gush_h1 *h1;
    struct gush__h1_inbox *in;
    struct gush_work after; /* what follows a response, or a take, outside of the call */
    struct gush_access_entry *entry;
    struct gush__h1_peer *next, **pprev;
};

static inline const struct gush_http_limits *gush__h1_limits(const struct gush__h1_peer *p)
{
    return &p->h1->options.limits;
}

/* ---- h1.c ----------------------------------------------------------------------------------- */

/* Tells the handler that its exchange is over; once. */
void gush__h1_tell_closed(struct gush__h1_peer *p);
/* Nothing more to say to this peer. */
void gush__h1_leave(struct gush__h1_peer *p);
void gush__h1_read(struct gush__h1_peer *p, enum gush_conn_read mode);

/* ---- h1_read.c ------------------------------------------------------------------------------ */

/* Takes what was received. A request that is whole now is answered, or handed to its handler; what
 * is behind it waits for gush__h1_read_on. */
void gush__h1_take(struct gush__h1_peer *p, struct gush_span bytes);
/* Goes on with what is in the inbox. */
void gush__h1_read_on(struct gush__h1_peer *p);
/* Answers a request, of which nothing needs to be known, and ends the connection with it. */
void gush__h1_refuse(struct gush__h1_peer *p, unsigned status);
/* The first |n| bytes of the inbox are done with; what is behind them is the next request. */
void gush__h1_drop_request(struct gush__h1_peer *p, size_t n);
void gush__h1_drop_inbox(struct gush__h1_peer *p);

/* ---- h1_body.c ------------------------------------------------------------------------------ */

/* The inbox holds the head of a request whose handler wants the body as it comes: calls it. */
void gush__h1_body_begin(struct gush__h1_peer *p, const struct gush_http_request *request,
                         bool expect_continue);
/* Gives the handler what may be given, and reads on if that was all. */
void gush__h1_body_give(struct gush__h1_peer *p);
/* The response is complete, or its end near: no more of the body is given. */
void gush__h1_body_stop(struct gush__h1_peer *p);
/* The peer has taken too long over it. */
void gush__h1_body_late(struct gush__h1_peer *p);

/* ---- h1_write.c ----------------------------------------------------------------------------- */

extern const struct gush_exchange_ops gush__h1_stream_ops;
/* The 100 for a client that waits with its body. */
void gush__h1_say_continue(struct gush__h1_peer *p);
/* Writes more of what was kept. True when nothing of ours waits any more. */
bool gush__h1_write_rest(struct gush__h1_peer *p);
/* Writes more of the burst under way. GUSH_OK: all of it is out. */
GUSH_MUST_USE gush_err gush__h1_write_burst(struct gush__h1_peer *p);

#endif
