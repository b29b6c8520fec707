/* cors: which web pages may read our answers.
 *
 * Owner     server/app                Thread  any: frozen after new
 * spec      transports 2, CORS; decision T7: without an Origin no header is sent at all */
#ifndef GUSH_HTTP_CORS_H
#define GUSH_HTTP_CORS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/error.h"

#include "server/http/message.h"

#define GUSH_CORS_FIELDS_MAX 3

struct gush_cors;

/* |patterns| are globs against the whole lower-cased origin, "*" any; copied. None: only requests
 * without an Origin are accepted.
 *   GUSH_ESYNTAX   |*bad| is the index of a pattern that is not a glob */
GUSH_MUST_USE gush_err gush_cors_new(char *const *patterns, size_t patterns_n,
                                     struct gush_cors **out, size_t *bad);
void gush_cors_free(struct gush_cors *cors);

/* |origin| empty: none was sent. */
bool gush_cors_allows(const struct gush_cors *cors, struct gush_span origin);
/* The response fields for |request|, pointing into it: returns how many. None when rejected. */
size_t gush_cors_fields(const struct gush_cors *cors, const struct gush_http_request *request,
                        struct gush_http_field out[GUSH_CORS_FIELDS_MAX]);

#endif
