/* call: one gRPC call on the server's side: requests, then one response or a stream.
 *
 * Life of a call: the service's admit, on_request with the message, any number of sends (one at a
 * time) and holds, one finish or cancel, on_closed. A call that was admitted with |many| gets
 * further messages, one for each read, and hears in on_half_close that there are no more. on_gone
 * says that the peer left before the finish. The object lives until every operation of the library
 * came back and nobody holds it.
 *
 * Messages compressed with gzip are opened here, never beyond the server's size limit.
 *
 * Owner     this room; the service may use it from admit until on_closed returns
 * Thread    its lane's
 * Memory    about 300 bytes besides the library's; nothing of a request is kept after on_request */
#ifndef GUSH_RPC_CALL_H
#define GUSH_RPC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/lane.h"

#include "server/rpc/status.h"

struct gush_rpc_call;

/* Bytes in the library's own shape. Made once per lane and message, shared by any number of sends
 * of that lane. */
struct gush_rpc_slice {
    uint64_t room[4];
};

/* |bytes| gains a reference, dropped some time after fini, on any thread. */
void gush_rpc_slice_init(struct gush_rpc_slice *slice, struct gush_bytes *bytes);
void gush_rpc_slice_fini(struct gush_rpc_slice *slice);

struct gush_lane *gush_rpc_call_lane(const struct gush_rpc_call *call);
/* What admit left in the verdict. */
uint32_t gush_rpc_call_note(const struct gush_rpc_call *call);
void gush_rpc_call_set_user(struct gush_rpc_call *call, void *user);
void *gush_rpc_call_user(const struct gush_rpc_call *call);

/* Asks for the next message of a call admitted with |many|; never while one is asked for.
 * on_request or on_half_close follows, unless the call ends before. A peer that says nothing for
 * the server's request_timeout_ms is sent away. */
void gush_rpc_call_read(struct gush_rpc_call *call);

/* Keeps |call| across an answer that comes later. release may end in on_closed. */
void gush_rpc_call_hold(struct gush_rpc_call *call);
void gush_rpc_call_release(struct gush_rpc_call *call);

/* One message of a stream; never while one is under way. |more|: another send follows at once, so
 * this one may wait for it; the last of a burst must say false.
 *   GUSH_OK       taken over by the library
 *   GUSH_EAGAIN   under way: on_sent follows
 *   GUSH_ECLOSED  the call is broken: on_closed follows */
GUSH_MUST_USE gush_err gush_rpc_call_send(struct gush_rpc_call *call,
                                          const struct gush_rpc_slice *slice, bool more);
/* Ends the call in order, behind what was sent. |reply| (NULL: none; its reference is taken) is one
 * last message. Once per call; nothing happens if the peer has gone. */
void gush_rpc_call_finish(struct gush_rpc_call *call, struct gush_bytes *reply,
                          const struct gush_rpc_end *end);
/* As finish with OK and nothing else, but only when the peer's system has taken what was sent on
 * the connection, or after some seconds. For the end of the server: the library closes a connection
 * behind its last call then, and a close can lose what is still on its way. Instead of finish, and
 * never while a message is under way or asked for. */
void gush_rpc_call_leave(struct gush_rpc_call *call);
/* Ends the call now: what is under way is abandoned. The peer sees a reset stream. */
void gush_rpc_call_cancel(struct gush_rpc_call *call, enum gush_rpc_status status,
                          const char *message);

#endif
