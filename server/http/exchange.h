/* exchange: one request and its answer, whatever the HTTP version below.
 *
 * A handler gets the exchange together with the whole request. It either responds in one go, at
 * once or later, or starts a streaming response and writes to it until one side ends it. Nothing is
 * buffered without end: what does not go out stays with the writer.
 *
 * Owner     the protocol                Thread  its lane's; callbacks never come from inside a call
 * Lifetime  until the response went out in full or the peer is gone. Who keeps the pointer beyond
 *           the handler's return must watch: on_closed is the last moment it is valid */
#ifndef GUSH_HTTP_EXCHANGE_H
#define GUSH_HTTP_EXCHANGE_H

#include "server/base/error.h"

#include "server/http/exchange_t.h"

struct gush_exchange_events {
    /* After a write said GUSH_EAGAIN: go on writing. */
    void (*on_writable)(void *user);
    /* It is over, whoever ended it. Exactly once. */
    void (*on_closed)(void *user);
};

/* Handles a request; |request| and |body| are borrowed until it returns. */
typedef void gush_exchange_handler(void *arg, struct gush_exchange *s,
                                   const struct gush_http_request *request, struct gush_span body);

void gush_exchange_watch(struct gush_exchange *s, const struct gush_exchange_events *events,
                         void *user);

/* The whole response. Everything is borrowed for the call. Only on_closed follows. */
void gush_exchange_respond(struct gush_exchange *s, const struct gush_http_response *r);
/* The head of a streaming response and its first bytes (|r|->body, unframed, may be empty). */
void gush_exchange_start(struct gush_exchange *s, const struct gush_http_response *r);

/* How the pieces given to gush_exchange_write must look: GUSH_EXCHANGE_RAW as they are, or
 * GUSH_EXCHANGE_CHUNKED: each a whole chunk of HTTP/1.1, so that one framed copy serves everybody.
 */
enum gush_exchange_framing gush_exchange_framing(const struct gush_exchange *s);

/* Up to GUSH_CONN_PARTS_MAX pieces of a started response, in order. |*written| counts the bytes
 * that went out, also on failure.
 *   GUSH_EAGAIN    not everything: after on_writable give the rest, from byte |*written| on
 *   GUSH_ECLOSED   the peer is gone: on_closed follows, or has come */
GUSH_MUST_USE gush_err gush_exchange_write(struct gush_exchange *s, const struct gush_span *parts,
                                           size_t parts_n, size_t *written);
/* The response is complete; not while a piece is half written. The connection may live on. */
void gush_exchange_end(struct gush_exchange *s);
/* Breaks the response off so that the peer notices: over HTTP/1 by resetting the connection. */
void gush_exchange_abort(struct gush_exchange *s);

struct gush_lane *gush_exchange_lane(struct gush_exchange *s);

#endif
