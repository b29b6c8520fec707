/* http_push_priv: what the files of this room share. */
#ifndef GUSH_TRANSPORT_HTTP_PUSH_PRIV_H
#define GUSH_TRANSPORT_HTTP_PUSH_PRIV_H

#include "server/engine/client.h"

#include "transports/http_push/http_push.h"

/* ---- head.c: what a response says before its first push ---------------------------------------
 */

/* The CORS fields of a request whose answer is not decided yet, copied. */
struct gush_http_push_later;
struct gush_http_push_later *gush__http_push_later(const struct gush_cors *cors,
                                                   const struct gush_http_request *request);
void gush__http_push_later_free(struct gush_http_push_later *later); /* NULL is fine */

/* The head of the stream, and its first bytes. */
void gush__http_push_start(const struct gush_http_push_options *o, struct gush_exchange *s,
                           const struct gush_http_field *cors, size_t cors_n);
void gush__http_push_start_later(const struct gush_http_push_options *o, struct gush_exchange *s,
                                 const struct gush_http_push_later *later);
/* An empty answer; |request| NULL: without CORS fields. */
void gush__http_push_refuse(const struct gush_http_push_options *o, struct gush_exchange *s,
                            const struct gush_http_request *request, unsigned status);
void gush__http_push_preflight(const struct gush_http_push_options *o, struct gush_exchange *s,
                               const struct gush_http_request *request);
/* The client was sent away with |code|, which says |text|. */
void gush__http_push_failed(const struct gush_http_push_options *o, struct gush_exchange *s,
                            const struct gush_http_push_later *later, uint32_t code,
                            const char *text);

#endif
