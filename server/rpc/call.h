/* call: one gRPC call on the server's side, whatever door it came through: requests, then one
 * response or a stream.
 *
 * Life of a call: the service's admit, on_request with the message, any number of sends (one at a
 * time) and holds, one finish or cancel, on_closed. A call that was admitted with |many| gets
 * further messages, one for each read, and hears in on_half_close that there are no more. on_gone
 * says that the peer left before the finish. The object lives until its door has nothing under way
 * for it and nobody holds it.
 *
 * Messages compressed with gzip are opened by the door, never beyond its size limit.
 *
 * There are two doors: C core's (core_call.c) and the HTTP port (server/rpc_http). Services need
 * not know which one, but for what many calls share: see framed.
 *
 * Owner     the door; the service may use it from admit until on_closed returns
 * Thread    its lane's
 * Memory    C core: about 300 bytes besides the library's; nothing of a request is kept after
 *           on_request */
#ifndef GUSH_RPC_CALL_H
#define GUSH_RPC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/rpc/call_t.h"

/* What every door tells a peer that it refuses. */
#define GUSH_RPC_SAY_NO_MESSAGE "the call has no request message"
#define GUSH_RPC_SAY_TOO_LONG   "request message is over the size limit"
#define GUSH_RPC_SAY_NOT_GZIP   "request message cannot be decompressed"
#define GUSH_RPC_SAY_ENCODING   "grpc-encoding is not known here (accepted: identity, gzip)"
#define GUSH_RPC_SAY_LATE       "the request message did not come in time"
#define GUSH_RPC_SAY_LATE_AGAIN "no further message came in time"

struct gush_lane *gush_rpc_call_lane(struct gush_rpc_call *call);
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

/* One message of a stream that this call alone is told; never while one is under way. |bytes| gains
 * a reference.
 *   GUSH_OK       taken over by the library
 *   GUSH_EAGAIN   under way: on_sent follows
 *   GUSH_ECLOSED  the call is broken: on_closed follows */
GUSH_MUST_USE gush_err gush_rpc_call_send_bytes(struct gush_rpc_call *call,
                                                struct gush_bytes *bytes);

/* Messages that many calls are told are shared in the shape of the door: true: with gRPC's 5 bytes
 * in front (GUSH_FORM_GRPC_FRAMED), told by burst; false: as slices, told by send. */
bool gush_rpc_call_framed(const struct gush_rpc_call *call);
/* As send_bytes. |more|: another send follows at once, so this one may wait for it; the last of a
 * burst must say false. */
GUSH_MUST_USE gush_err gush_rpc_call_send(struct gush_rpc_call *call,
                                          const struct gush_rpc_slice *slice, bool more);
/* The service has messages, and gives them in its |pieces|, until on_sent the same each time; never
 * while something is under way. Errors as of send_bytes. */
GUSH_MUST_USE gush_err gush_rpc_call_burst(struct gush_rpc_call *call);

/* Ends the call in order, behind what was sent, and never while a message is under way. |reply|
 * (NULL: none; its reference is taken) is one last message. Once per call; nothing happens if the
 * peer has gone. */
void gush_rpc_call_finish(struct gush_rpc_call *call, struct gush_bytes *reply,
                          const struct gush_rpc_end *end);
/* As finish with OK and nothing else, but such that the end of the server, which follows, does not
 * overtake it: C core closes a connection behind its last call, and a close can lose what is still
 * on its way, so there the end waits until the peer's system has taken what was sent, or for some
 * seconds. Instead of finish, and never while a message is under way or asked for. */
void gush_rpc_call_leave(struct gush_rpc_call *call);
/* Ends the call now: what is under way is abandoned. The peer sees a reset stream, or |status| if
 * that can still be said. */
void gush_rpc_call_cancel(struct gush_rpc_call *call, enum gush_rpc_status status,
                          const char *message);

#endif
