/* exchange: one request and its answer, whatever the HTTP version below.
 *
 * A handler gets the exchange together with the whole request, or, on routes with |streaming|, with
 * its head while the body follows. It either responds in one go, at once or later, or starts a
 * streaming response and sends bursts until one side ends it. Nothing is buffered without end:
 * a burst stays with the handler until it is out, and a body comes no faster than it is taken.
 *
 * Owner     the protocol                Thread  its lane's; callbacks never come from inside a call
 * Lifetime  until the response went out in full or the peer is gone. Who keeps the pointer beyond
 *           the handler's return must watch: on_closed is the last moment it is valid */
#ifndef GUSH_HTTP_EXCHANGE_H
#define GUSH_HTTP_EXCHANGE_H

#include "server/base/error.h"

#include "server/http/exchange_t.h"

#define GUSH_EXCHANGE_PIECES_MAX  64                 /* of one burst */
#define GUSH_EXCHANGE_BODY_WINDOW ((size_t)64 << 10) /* bytes of a body given and not yet taken */

struct gush_exchange_events {
    /* The burst under way, in order: fills |out|, returns how many. The same pieces each time until
     * send said GUSH_OK or on_sent came. Calls nothing of the exchange. */
    size_t (*pieces)(void *user, struct gush_span out[GUSH_EXCHANGE_PIECES_MAX]);
    /* The burst for which send said GUSH_EAGAIN is out. */
    void (*on_sent)(void *user);
    /* Routes with |streaming|: more of the request's body; gush_exchange_take answers for it. */
    void (*on_body)(void *user, struct gush_span bytes);
    /* All of the body was given. */
    void (*on_body_end)(void *user);
    /* It is over, whoever ended it. Exactly once. */
    void (*on_closed)(void *user);
};

/* Handles a request; |request| and |body| are borrowed until it returns. On a route with
 * |streaming| the body is empty here, and the handler watches or responds before it returns. */
typedef void gush_exchange_handler(void *arg, struct gush_exchange *s,
                                   const struct gush_http_request *request, struct gush_span body);

/* Functions of |events| for what the handler never does may be NULL; so may |events|, to hear
 * nothing more: whoever answers later and does not need to know that the peer left says so. */
void gush_exchange_watch(struct gush_exchange *s, const struct gush_exchange_events *events,
                         void *user);

/* The whole response. Everything is borrowed for the call. Only on_closed follows; what is left of
 * a streaming body is not given any more. */
void gush_exchange_respond(struct gush_exchange *s, const struct gush_http_response *r);
/* The head of a streaming response and its first bytes (|r|->body, unframed, may be empty). */
void gush_exchange_start(struct gush_exchange *s, const struct gush_http_response *r);

/* How pieces must look: GUSH_EXCHANGE_RAW as they are, or GUSH_EXCHANGE_CHUNKED: each made of whole
 * chunks of HTTP/1.1, so that one framed copy serves everybody. */
enum gush_exchange_framing gush_exchange_framing(const struct gush_exchange *s);

/* A burst of a started response is ready to be fetched by pieces(); never while one is under way.
 *   GUSH_OK        it is out
 *   GUSH_EAGAIN    under way: on_sent follows
 *   GUSH_ECLOSED   the peer is gone: on_closed follows, or has come */
GUSH_MUST_USE gush_err gush_exchange_send(struct gush_exchange *s);
/* The response is complete; never while a burst is under way. The connection may live on. */
void gush_exchange_end(struct gush_exchange *s);
/* The same, with fields behind the body (dropped where the version has no place for them). */
void gush_exchange_end_with(struct gush_exchange *s, const struct gush_http_field *fields,
                            size_t fields_n);
/* Breaks the response off so that the peer notices: HTTP/1 resets the connection, HTTP/2 the
 * stream. */
void gush_exchange_abort(struct gush_exchange *s);

/* |n| bytes of those given by on_body are dealt with, as many more may come. */
void gush_exchange_take(struct gush_exchange *s, size_t n);

struct gush_lane *gush_exchange_lane(struct gush_exchange *s);

#endif
