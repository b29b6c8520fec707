/* rpc_priv: what the files of this room share, and nobody else sees. */
#ifndef GUSH_RPC_PRIV_H
#define GUSH_RPC_PRIV_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/assert.h"
#include "server/base/lane.h"
#include "server/base/span.h"

#include "server/rpc/call.h"
#include "server/rpc/cork.h"
#include "server/rpc/queue.h"
#include "server/rpc/server.h"

/* A newer library than the packaged one (deploy/grpc-core.sh) has its credentials in a header of
 * their own; it keeps its log to itself and bounds what one connection can ask for. */
#if __has_include(<grpc/credentials.h>)
#include <grpc/credentials.h>
#define GUSH__CORE_NEWER 1
#else
#define GUSH__CORE_NEWER 0
#endif

/* What the library gives back when an operation is done. Embedded in what it is about. */
struct gush__tag {
    GUSH_MAGIC_FIELD;
    bool ok;                /* while deferred */
    struct gush__tag *next; /* while deferred */
    void (*done)(struct gush__tag *tag, bool ok);
};
#define gush__tag_MAGIC GUSH_MAGIC('r', 't', 'a', 'g')

struct gush__core_call;

struct gush_rpc_queue {
    GUSH_MAGIC_FIELD;
    struct gush_lane lane;
    grpc_completion_queue *cq;
    struct gush_rpc_queue_options options;
    pthread_t thread;
    bool started, ran_out;

    /* its thread */
    struct gush__tag *deferred, *deferred_tail;
    uint64_t live_n;           /* calls and posted requests whose tags are not all back */
    bool again;                /* somebody on this thread woke the lane */
    grpc_byte_buffer *message; /* of the send being started; the library empties it */
    uint64_t *sent_ms;         /* by descriptor: when nothing was left to be sent there */
    size_t sent_n;
    struct gush_rpc_cork cork; /* its thread */

    atomic_bool stopping;
    /* A zero-op batch on a call that goes nowhere is the only way to post to a queue. Its tag may
     * be under way several times: counted, with QUEUE_CLOSED on top. */
    grpc_channel *nowhere;
    grpc_call *bell;
    struct gush__tag rung;
    atomic_uint bells;
};
#define gush_rpc_queue_MAGIC GUSH_MAGIC('r', 'p', 'c', 'q')

/* Starts a batch on the queue's thread. True: already done, |*ok| says how, |tag| does not come.
 * False: |tag| comes. Another tag that turned up is dispatched after the current event or turn. */
bool gush__queue_start(struct gush_rpc_queue *q, grpc_call *call, const grpc_op *ops, size_t ops_n,
                       struct gush__tag *tag, bool *ok);
/* The same, and |tag| always comes, never from inside. */
void gush__queue_start_later(struct gush_rpc_queue *q, grpc_call *call, const grpc_op *ops,
                             size_t ops_n, struct gush__tag *tag);

/* Takes over |core| on its queue's thread. |service| NULL: nothing is told to anybody. */
struct gush__core_call *gush__core_call_open(struct gush_rpc_server *server,
                                             struct gush_rpc_queue *q, grpc_call *core,
                                             const struct gush_rpc_service *service,
                                             const struct gush_rpc_verdict *verdict);
/* Asks for a message; on_request or on_half_close follows. */
void gush__core_call_read(struct gush__core_call *call);
struct gush_rpc_call *gush__core_call_base(struct gush__core_call *call);

/* |slice| as the library has it. */
grpc_slice gush__slice_core(const struct gush_rpc_slice *slice);
/* A new one; |bytes| gains a reference. */
grpc_slice gush__slice_over(struct gush_bytes *bytes);

/* ---- encoding.c: compressed messages -------------------------------------------------------- */

/* As channel arguments: what the library takes, and that it leaves the opening to us. */
#define GUSH__ENCODING_ACCEPTED (1 << GRPC_COMPRESS_NONE | 1 << GRPC_COMPRESS_GZIP)

/* |message|, the last one read from |call|, is compressed with what the library does not know. */
bool gush__encoding_is_unknown(grpc_call *call, const grpc_byte_buffer *message);
/* |message| in one piece, decompressed; the slice is the caller's. Nothing is kept on failure.
 *   GUSH_ELIMIT    it is longer than |max_bytes|, found out without keeping more
 *   GUSH_ESYNTAX   it is not what it says it is */
GUSH_MUST_USE gush_err gush__encoding_open(grpc_byte_buffer *message, size_t max_bytes,
                                           grpc_slice *out);
/* The header that makes the library compress an answer. */
grpc_metadata gush__encoding_answer(void);

const struct gush_rpc_server_options *gush__server_options(const struct gush_rpc_server *server);
/* Of the connection that the library calls |peer|; -1: not known. Any queue's thread. */
int gush__server_descriptor(struct gush_rpc_server *server, const char *peer);
/* A call or a posted request of |server| came to be, or is no more. Any queue's thread. */
void gush__server_enter(struct gush_rpc_server *server);
void gush__server_leave(struct gush_rpc_server *server);

/* ---- secure: TLS ----------------------------------------------------------------------------- */

struct gush_tls;
struct gush__secure;

/* |tls| is borrowed. Freed after the server that uses it. */
struct gush__secure *gush__secure_new(struct gush_tls *tls);
void gush__secure_free(struct gush__secure *secure);
grpc_server_credentials *gush__secure_credentials(const struct gush__secure *secure);

static inline struct gush_span gush__slice_span(const grpc_slice *s)
{
    return gush_span_of(GRPC_SLICE_START_PTR(*s), GRPC_SLICE_LENGTH(*s));
}

#endif
