/* wire: what gRPC puts into the fields of HTTP.
 *
 * Thread    any                       spec      gRPC over HTTP/2 */
#ifndef GUSH_RPC_HTTP_WIRE_H
#define GUSH_RPC_HTTP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/span.h"

#include "server/http/message.h"
#include "server/rpc/service.h"
#include "server/rpc/status.h"

/* "application/grpc" alone, with "+proto", or with parameters. */
bool gush_rpc_http_wire_type_ok(struct gush_span content_type);
/* Value of grpc-timeout in ms, rounded up.   GUSH_ESYNTAX */
GUSH_MUST_USE gush_err gush_rpc_http_wire_timeout(struct gush_span text, uint64_t *ms);
/* Whether |list| (comma-separated) has |word|, ASCII case aside. */
bool gush_rpc_http_wire_has(struct gush_span list, const char *word);

/* The metadata of a request, as gush_rpc_head_find wants it: the first value of a key; of a key in
 * "-bin" what its base64 stands for, nothing if it is none. */
struct gush_rpc_http_metadata {
    const struct gush_http_request *request;
    struct gush_buf decoded; /* of the last binary value asked for, until the next */
};
void gush_rpc_http_wire_metadata(struct gush_rpc_http_metadata *m,
                                 const struct gush_http_request *request,
                                 struct gush_rpc_head *head);
void gush_rpc_http_wire_metadata_fini(struct gush_rpc_http_metadata *m);

/* The fields of an end: grpc-status, and if there are such, grpc-message, percent-encoded and cut
 * to some 2,000 bytes, and grpc-status-details-bin. */
struct gush_rpc_http_trailers {
    struct gush_http_field fields[3];
    size_t fields_n;
    struct gush_buf text;
};
void gush_rpc_http_wire_trailers(struct gush_rpc_http_trailers *t, const struct gush_rpc_end *end);
void gush_rpc_http_wire_trailers_fini(struct gush_rpc_http_trailers *t);

#endif
