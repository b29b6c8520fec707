/* http: the client's half of one HTTP/1.1 answer that never ends: status line, fields, chunks.
 *
 * Owner     a connection embeds it    Thread  one
 * Limits    16 KiB of head */
#ifndef BENCH_LOAD_HTTP_H
#define BENCH_LOAD_HTTP_H

#include "server/base/buf.h"

struct load_http {
    enum { LOAD_HTTP_HEAD, LOAD_HTTP_SIZE, LOAD_HTTP_DATA, LOAD_HTTP_CRLF, LOAD_HTTP_END } state;
    uint64_t left;
    struct gush_buf head;
};

typedef gush_err load_on_body(void *arg, struct gush_span piece);

void load_http_init(struct load_http *h);
void load_http_fini(struct load_http *h);
/* Takes what was read, cut anywhere, and hands on what is in the chunks, until |*stop|. What
 * |on_body| returns is returned.
 *   GUSH_ECLOSED  the answer ended
 *   GUSH_EDENIED  a status other than 200
 *   GUSH_ESYNTAX  not HTTP/1.1, or not chunked */
GUSH_MUST_USE gush_err load_http_read(struct load_http *h, struct gush_span bytes,
                                      load_on_body *on_body, void *arg, const bool *stop);

/* A POST of |body| that asks for a stream. */
void load_http_put_request(struct gush_buf *out, const char *path, struct gush_span body);

#endif
