/* h2: just enough HTTP/2 for a gRPC client, by hand: writes frames, header blocks without a dynamic
 * table, and gRPC messages; reads frames and tells what happened. What a server says in headers is
 * not decoded: a call is judged by its message.
 *
 * Owner     a connection embeds it    Thread  one
 * Limits    frames as large as HTTP/2 allows without asking (16,384); padded DATA is an error */
#ifndef BENCH_LOAD_H2_H
#define BENCH_LOAD_H2_H

#include "server/base/buf.h"

#define LOAD_H2_FRAME_MAX 16384
#define LOAD_H2_CANCEL    8

struct load_h2 {
    uint8_t head[9]; /* of the frame that is being read */
    unsigned head_n;
    uint32_t left;           /* of its body */
    struct gush_buf body;    /* of a frame that is not DATA */
    uint32_t unacknowledged; /* received since the last WINDOW_UPDATE of the connection */
};

struct load_h2_events {
    void (*data)(void *arg, uint32_t stream, struct gush_span piece);
    /* The server is done with |stream|; |reset|: by RST_STREAM. */
    void (*ended)(void *arg, uint32_t stream, bool reset);
    void (*goaway)(void *arg);
    /* The server accepts |more| bytes; stream 0 is the connection. */
    void (*window)(void *arg, uint32_t stream, uint32_t more);
    /* To be sent. */
    void (*answer)(void *arg, const struct gush_buf *bytes);
};

void load_h2_init(struct load_h2 *h);
void load_h2_fini(struct load_h2 *h);
/* Takes what was read, cut anywhere. After an event closed the connection, |events| are not told
 * more only if |*stop| was set.
 *   GUSH_ESYNTAX  not HTTP/2, or something this reader does not know */
GUSH_MUST_USE gush_err load_h2_read(struct load_h2 *h, const struct load_h2_events *events,
                                    void *arg, struct gush_span bytes, const bool *stop);

/* ---- writing -------------------------------------------------------------------------------- */

/* The preface and settings: windows so large that flow control plays no part in a measurement. */
void load_h2_put_preface(struct gush_buf *out);
/* A whole gRPC request: headers, then |message| in one frame that ends the stream; it must fit one.
 * |key| may be NULL: no authorization. */
void load_h2_put_call(struct gush_buf *out, uint32_t stream, const char *path, const char *key,
                      struct gush_span message);
void load_h2_put_reset(struct gush_buf *out, uint32_t stream);
void load_h2_put_goaway(struct gush_buf *out);

#endif
