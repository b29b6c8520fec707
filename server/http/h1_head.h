/* h1_head: the head of an HTTP/1.x request, read strictly.
 *
 * What two parsers could read differently is refused, because a request that our peer's proxy sees
 * otherwise than we do is an attack: bare CR or LF, space before a colon, folded lines, more than
 * one Content-Length even if equal, Content-Length beside Transfer-Encoding, any coding but
 * chunked, a missing or doubled Host.
 *
 * Thread    any; no state
 * Limits    GUSH_H1_FIELDS_MAX fields; the caller bounds the bytes
 * spec      RFC 9112 sections 2 to 6; transports 2 */
#ifndef GUSH_HTTP_H1_HEAD_H
#define GUSH_HTTP_H1_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/span.h"

#include "server/http/message.h"

#define GUSH_H1_FIELDS_MAX     100
#define GUSH_H1_METHOD_MAX     24
#define GUSH_H1_CONTENT_LENGTH UINT64_C(1000000000000000000)

struct gush_h1_head {
    struct gush_span method;
    struct gush_span path, query; /* of an absolute target too; the query without its '?' */
    struct gush_span host;
    enum gush_http_version version;
    bool keep_alive; /* the client would go on after this request */
    bool chunked;    /* the body is chunked; otherwise it has content_length bytes */
    bool expect_continue;
    uint64_t content_length;
    size_t fields_n;
    struct gush_http_field fields[GUSH_H1_FIELDS_MAX];
};

/* Finds the end of the head in the bytes seen so far: |*head_n| counts its blank line. |*looked|
 * starts at 0 and remembers between calls how far was looked, so that bytes that trickle in are
 * looked at once. One empty line before the request line is allowed and part of the head.
 *   GUSH_EMORE     not there yet
 *   GUSH_ESYNTAX   a CR or LF alone, or a NUL: it will never be a head */
GUSH_MUST_USE gush_err gush_h1_head_end(struct gush_span in, size_t *looked, size_t *head_n,
                                        const char **why);

/* Reads a whole head, as delimited by gush_h1_head_end. Spans point into |in|. On failure |*status|
 * is what to answer before closing: 400, 417, 431, 501 or 505.
 *   GUSH_ESYNTAX   malformed, or ambiguous
 *   GUSH_ELIMIT    too many fields
 *   GUSH_EUNKNOWN  well-formed but not spoken here */
GUSH_MUST_USE gush_err gush_h1_head_parse(struct gush_span in, struct gush_h1_head *out,
                                          unsigned *status, const char **why);

/* RFC 9110 token, 1 or more characters. */
bool gush_h1_head_is_token(struct gush_span s);

#endif
