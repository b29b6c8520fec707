/* rpc_http_priv: what the files of this room share: rpc_http.c (the door), intake.c (requests in)
 * and http_call.c (what a service does with a call). */
#ifndef GUSH_RPC_HTTP_PRIV_H
#define GUSH_RPC_HTTP_PRIV_H

#include <stdatomic.h>

#include "server/base/assert.h"
#include "server/base/lane.h"

#include "server/http/exchange.h"
#include "server/rpc/call.h"
#include "server/rpc/service.h"

#include "server/rpc_http/reader.h"
#include "server/rpc_http/rpc_http.h"

_Static_assert(GUSH_RPC_PIECES_MAX == GUSH_EXCHANGE_PIECES_MAX, "a burst fits an exchange");

enum gush__rpc_encoding { GUSH__RPC_IDENTITY, GUSH__RPC_GZIP, GUSH__RPC_UNKNOWN };

struct gush__http_call;

/* What is needed while requests are read. */
struct gush__intake {
    struct gush_timer late; /* armed while a message is asked for and must come */
    struct gush_work work;  /* queued: what is here is to be looked at; keeps the call */
    struct gush__http_call *call;
    struct gush_rpc_http_limits limits;
    atomic_size_t *long_bytes; /* the service's, see gush_rpc_http */
    size_t long_n;             /* of them, this call's */
    enum gush__rpc_encoding encoding;
    bool takes_gzip;                    /* the peer opens packed answers */
    bool whole;                         /* not |many|: the message is there */
    bool ended;                         /* the body */
    bool busy;                          /* it is being looked at: not to be freed */
    struct gush_rpc_http_message first; /* while |whole| */
    struct gush_rpc_http_reader reader;
    struct gush_buf kept; /* |many|: given by the exchange, asked for by nobody yet */
};

/* One message of the call's own, while it is under way. */
struct gush__own {
    struct gush_bytes *bytes; /* with its 5 in front */
    bool last;                /* the end follows it: */
    enum gush_rpc_status status;
    struct gush_bytes *message, *details;
};

/* The time that the peer gave. */
struct gush__deadline {
    struct gush_timer timer;
    struct gush__http_call *call;
};

/* There are as many of these as streams that idle: 72 bytes. */
struct gush__http_call {
    struct gush_rpc_call base;
    union {
        struct gush_exchange *exchange; /* until |gone| */
        struct gush_lane *lane;         /* from then on */
    };
    struct gush__intake *intake; /* NULL: nothing more is read */
    struct gush__own *own;       /* NULL: none under way */
    struct gush__deadline *deadline;
    uint16_t holds_n;
    bool gone : 1;     /* the exchange is */
    bool many : 1;     /* the peer may send any number of messages */
    bool gzip : 1;     /* answers are packed where it pays: the peer does it, too */
    bool reading : 1;  /* a message is asked for */
    bool asked : 1;    /* the service knows this call */
    bool told : 1;     /* and it heard on_gone */
    bool started : 1;  /* the head of the answer is out */
    bool sending : 1;  /* messages are under way */
    bool finished : 1; /* finish was called */
    bool over : 1;     /* nothing can be said to the peer any more */
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct gush__http_call) <= 72, "see above");

/* ---- http_call.c ----------------------------------------------------------------------------- */

/* |exchange| is watched from now on. */
struct gush__http_call *gush__http_call_new(struct gush_exchange *exchange,
                                            const struct gush_rpc_service *service,
                                            const struct gush_rpc_verdict *verdict);
/* Ends the call with |status| although its service did not; which hears of it, if it knows it. */
void gush__http_call_refuse(struct gush__http_call *call, enum gush_rpc_status status,
                            const char *message);
/* The peer wants to hear within |ms|. */
void gush__http_call_within(struct gush__http_call *call, uint64_t ms);
struct gush_lane *gush__http_call_lane(const struct gush__http_call *call);
void gush__http_call_hold(struct gush__http_call *call);
/* May free it. */
void gush__http_call_release(struct gush__http_call *call);
/* Answers |exchange| with an end and nothing else. */
void gush__http_call_end_only(struct gush_exchange *exchange, const struct gush_rpc_end *end);

/* ---- intake.c -------------------------------------------------------------------------------- */

/* Begins to read: |request| tells how it is packed; |long_bytes| is the service's. */
void gush__intake_open(struct gush__http_call *call, const struct gush_rpc_http_limits *limits,
                       atomic_size_t *long_bytes, const struct gush_http_request *request);
/* What is needed for reading goes, now or soon. */
void gush__intake_close(struct gush__http_call *call);
void gush__intake_body(struct gush__http_call *call, struct gush_span bytes);
void gush__intake_end(struct gush__http_call *call);
/* The service asks for a message. */
void gush__intake_ask(struct gush__http_call *call);

#endif
