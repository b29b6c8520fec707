/* h2_priv: what the files of h2 share: h2.c (connections, time, the server), h2_read.c (requests
 * in), h2_answer.c (what handlers say), h2_write.c (frames out) and h2_mem.c (the library's
 * memory).
 *
 * nghttp2 calls back from two places only: reading (gush__h2_read) and writing (gush__h2_flush).
 * Handlers are called from the first, and from gush__h2_settle, which both run when the library is
 * done and the bytes it pointed to are out. */
#ifndef GUSH_HTTP_H2_PRIV_H
#define GUSH_HTTP_H2_PRIV_H

#include <nghttp2/nghttp2.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/base/lane.h"

#include "server/net/conn.h"

#include "server/http/access_log.h"
#include "server/http/exchange.h"
#include "server/http/h2.h"
#include "server/http/h2_frames.h"
#include "server/http/h2_toll.h"

#define gush_h2_MAGIC          GUSH_MAGIC('h', '2', 's', 'v')
#define gush__h2_session_MAGIC GUSH_MAGIC('h', '2', 's', 'n')
#define gush__h2_stream_MAGIC  GUSH_MAGIC('h', '2', 's', 't')

/* Of one write. What has been asked of nghttp2 is at most one frame more. */
#define GUSH__H2_GATHER_BYTES ((size_t)48 * 1024)
#define GUSH__H2_FRAME_BYTES  ((size_t)16 * 1024) /* a frame's payload, at most */
/* What is copied for one write: the last frame may begin just below the limit. */
#define GUSH__H2_SCRATCH_BYTES (GUSH__H2_GATHER_BYTES + 2 * GUSH__H2_FRAME_BYTES)
#define GUSH__H2_WINDOW_FIRST  ((size_t)16 * 1024) /* of a stream */
#define GUSH__H2_PAST_MAX      16                  /* closed streams that are remembered */
#define GUSH__H2_COPY_BYTES    1024 /* copying this is cheaper than another part of a write */

/* What a stream has from its first HEADERS until its handler was called. */
struct gush__h2_request {
    struct gush__h2_request *next; /* spare ones */
    struct gush_buf bytes;         /* names and values of |spots| */
    struct gush__h2_spot {
        uint32_t at, name_n, value_n; /* the value follows the name */
    } * spots;
    size_t spots_n, spots_cap;
    size_t list_bytes;           /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    bool too_large;              /* and so not kept */
    int method, path, authority; /* spots; -1: none */
    uint64_t length;             /* of the body, as told; 0 if not */
    const struct gush_route *route;
    struct gush_buf body;
    size_t uncredited; /* of the body, in the window */
};

/* Where a stream stands. */
enum gush__h2_stage {
    H2_HEAD,      /* its HEADERS are coming */
    H2_BODY,      /* its body is being collected */
    H2_HELD,      /* all of it is there; answers to others have to get out before */
    H2_ANSWERING, /* the handler has it */
    H2_STREAMING, /* a streaming response has begun */
    H2_ENDING,    /* the response is complete, but not out */
    H2_LINGERING, /* all was said; the client may stop sending by itself, for a while */
    H2_GONE       /* nothing is to be said any more */
};

struct gush__h2_stream {
    GUSH_MAGIC_FIELD;
    int32_t id;
    uint8_t stage;
    bool head_only;     /* a HEAD request */
    bool body_over;     /* the request's */
    bool body_wanted;   /* and given as it comes */
    bool wide;          /* its window has been opened */
    bool sending, sent; /* a burst is under way; all of it was gathered */
    bool asleep;        /* nghttp2 does not ask for more until it is told to */
    bool due;           /* in session->due */
    bool closed;        /* nghttp2 forgot it */
    bool told;          /* on_closed was called */
    bool broken;        /* by a reset of ours */
    uint16_t status;
    uint32_t sent_n;   /* of the burst under way */
    uint32_t own_at;   /* of |own|: what was gathered */
    uint32_t got_n;    /* of the request's body, while the window is narrow */
    uint32_t since_ms; /* low bits of when a stage with a deadline began */
    struct gush_exchange exchange;
    struct gush__h2_session *session;
    struct gush__h2_stream *next, **pprev; /* of session->streams */
    struct gush__h2_stream *due_next;
    struct gush_bytes *own;  /* the body of a response, or the first bytes of a stream */
    struct gush_bytes *tail; /* trailers: name, value, each with its length before it */
    struct gush__h2_request *in;
    struct gush_access_entry *entry;
    uint64_t body_n; /* written of the response's body: for |entry| */
};

struct gush__h2_session {
    GUSH_MAGIC_FIELD;
    bool deaf;             /* what comes is not looked at any more */
    bool eof;              /* nothing more will come */
    bool served;           /* a stream was opened */
    bool bodies_wait;      /* for window, as much has been collected */
    bool drained, parting; /* the first, the last GOAWAY of a drain was submitted */
    struct gush_h2 *h2;
    struct gush_conn *conn; /* NULL: gone; only |flush| keeps this alive */
    nghttp2_session *ng;
    struct gush_work flush;
    struct gush_bytes *rest; /* made and not taken by the socket */
    uint32_t rest_at;
    uint32_t streams_n, collecting_n, ending_n, lingering_n;
    struct gush__h2_stream *streams, *due;
    struct gush__h2_session *next, **pprev; /* of h2->sessions */
    struct gush__h2_request *head;          /* HEADERS under way ... */
    int32_t head_id;                        /* ... of this stream */
    size_t bodies_n;                        /* bytes of requests that are being collected */
    size_t answers_n;                       /* bytes of answers that are not out */
    uint32_t answers_count;
    uint32_t held_n;                     /* streams that wait for them to get out */
    size_t trailer_n;                    /* of the HEADERS under way, if they are trailers */
    uint64_t timer_ms;                   /* when the connection's timer fires; 0: never */
    uint64_t idle_ms, head_ms, stuck_ms; /* since when: no stream; |head|; |rest| */
    struct gush_h2_toll toll;
    struct gush_h2_frames frames;
    uint32_t last_id;                 /* of the streams that the client opened */
    uint32_t past[GUSH__H2_PAST_MAX]; /* streams that are closed; see gush__h2_remember */
    uint8_t past_n;                   /* where the next one goes */
};

struct gush_h2 {
    GUSH_MAGIC_FIELD;
    bool draining;
    struct gush_loop *loop;
    struct gush_h2_options options;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    struct gush__h2_mem *mem; /* what the sessions of nghttp2 allocate with */
    size_t sessions_n;
    struct gush__h2_session *sessions;
    struct gush__h2_request *spare;
    struct gush_http_field *fields; /* scratch of one request */
    size_t fields_cap;
    int64_t date_s; /* what |date| says */
    char date[32];
    /* One write in the making. */
    struct gush_span parts[GUSH_CONN_PARTS_MAX];
    size_t parts_n;
    size_t gathered_n; /* bytes */
    size_t scratch_n;
    uint8_t *scratch;
    struct gush_span pieces[GUSH_EXCHANGE_PIECES_MAX]; /* of the stream that was asked last */
    size_t pieces_n;
};

/* ---- h2.c ----------------------------------------------------------------------------------- */

struct gush_lane *gush__h2_lane(const struct gush__h2_session *p);
/* Has it flushed at the end of this turn. */
void gush__h2_touch(struct gush__h2_session *p);
/* Says goodbye with |code|: what is under way ends here. */
void gush__h2_part(struct gush__h2_session *p, uint32_t code);
/* A ping of ours was answered. */
void gush__h2_on_pong(struct gush__h2_session *p, const uint8_t data[8]);
/* Makes sure that the timer comes in time for what |p| waits for. */
void gush__h2_watch_time(struct gush__h2_session *p);

struct gush__h2_stream *gush__h2_stream_new(struct gush__h2_session *p, int32_t id);
void gush__h2_stage(struct gush__h2_stream *s, enum gush__h2_stage stage);
/* What |s| has to say before anything else: a copy of |bytes|, or nothing any more. */
void gush__h2_own(struct gush__h2_stream *s, struct gush_span bytes);
void gush__h2_disown(struct gush__h2_stream *s);
/* Has it looked at by the next gush__h2_settle. */
void gush__h2_due(struct gush__h2_stream *s);
/* Tells handlers what happened to their streams, and frees those that are gone. */
void gush__h2_settle(struct gush__h2_session *p);

/* ---- h2_mem.c -------------------------------------------------------------------------------- */

struct gush__h2_mem *gush__h2_mem_new(void);
void gush__h2_mem_free(struct gush__h2_mem *mem);
/* A session of nghttp2, which is deleted by nghttp2_session_del before |mem|. */
nghttp2_session *gush__h2_mem_session(struct gush__h2_mem *mem,
                                      const nghttp2_session_callbacks *callbacks,
                                      const nghttp2_option *option, void *arg);

/* ---- h2_guard.c ----------------------------------------------------------------------------- */

/* |id| is closed, |by_us|: frames for it may still be on their way. */
void gush__h2_remember(struct gush__h2_session *p, int32_t id, bool by_us);
void gush__h2_read(struct gush__h2_session *p, struct gush_span bytes);

/* ---- h2_read.c ------------------------------------------------------------------------------ */

void gush__h2_read_callbacks(nghttp2_session_callbacks *callbacks);
/* Lets held requests go on, if there is room for their answers now. */
void gush__h2_release(struct gush__h2_session *p);
/* Lets bodies go on that wait, if there is room for them now. */
void gush__h2_credit_bodies(struct gush__h2_session *p);
/* The body does not come in time. */
void gush__h2_give_up_body(struct gush__h2_stream *s);
/* Back to the spare ones. NULL is fine. */
void gush__h2_drop_request(struct gush_h2 *h2, struct gush__h2_request *in);
void gush__h2_free_spare(struct gush_h2 *h2);
/* The request that |s| was collecting. */
void gush__h2_drop_in(struct gush__h2_stream *s);

/* ---- h2_answer.c ---------------------------------------------------------------------------- */

extern const struct gush_exchange_ops gush__h2_ops;
/* Breaks |s| off with |code|; its handler is told. */
void gush__h2_break(struct gush__h2_stream *s, uint32_t code);
/* |n| bytes of the request's body are dealt with. */
void gush__h2_credit(struct gush__h2_stream *s, size_t n);
/* What a response is made of; for nghttp2. */
ssize_t gush__h2_read_data(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                           nghttp2_data_source *source, void *arg);

/* ---- h2_write.c ----------------------------------------------------------------------------- */

void gush__h2_write_callbacks(nghttp2_session_callbacks *callbacks);
/* Writes what there is to say. True: all of it, or the socket is full. */
bool gush__h2_flush(struct gush__h2_session *p);
/* There is room again. */
void gush__h2_flush_rest(struct gush__h2_session *p);

#endif
