/* http_priv: what the files of this room share. */
#ifndef GUSH_API_HTTP_PRIV_H
#define GUSH_API_HTTP_PRIV_H

#include <stdatomic.h>

#include "server/http/exchange.h"

#include "api/core/methods.h"
#include "api/core/waiting.h"
#include "api/http/http.h"

/* What a path is for. */
struct gush__api_endpoint {
    struct gush_api_http *api;
    const struct gush_method *method; /* NULL: a stream of commands */
};

/* What a lane needs. That lane's. */
struct gush__api_part {
    struct gush_api_http *api;
    struct gush_waiting waiting;
    struct gush_buf out; /* an answer being written; kept while it is small */
};

struct gush_api_http {
    struct gush_node *node;
    struct gush_span key; /* the configuration's */
    bool insecure, transport_mode;
    struct gush__api_endpoint *endpoints;
    struct gush__api_part *parts; /* one per lane */
    size_t parts_n;
    atomic_size_t under_way;
};

/* One request. Its lane's. */
struct gush__api_request {
    struct gush_waiter waiter;
    struct gush_method_run run;
    struct gush_arena arena; /* of the run */
    struct gush__api_part *part;
    struct gush_exchange *exchange; /* NULL: the client has left */
    const struct gush_method *method;
    bool transport_mode;
    struct gush__api_stream *stream; /* of commands */
};

/* ---- key.c ----------------------------------------------------------------------------------- */

/* |request| has the key. An empty |key| is nobody's. */
bool gush__api_key_fits(struct gush_span key, const struct gush_http_request *request);

/* ---- http.c ---------------------------------------------------------------------------------- */

/* Ends |r| with a JSON body, or with what stands for |status| as text; frees it. */
void gush__api_answer(struct gush__api_request *r, unsigned status, struct gush_span json);
void gush__api_refuse(struct gush__api_request *r, unsigned status);
/* Frees |r| without an answer: its lane has closed. */
void gush__api_drop(struct gush__api_request *r);

/* ---- stream.c -------------------------------------------------------------------------------- */

/* Runs the commands of |body|, borrowed for the call, and answers. */
void gush__api_stream_begin(struct gush__api_request *r, struct gush_span body);
void gush__api_stream_free(struct gush__api_stream *stream);

#endif
