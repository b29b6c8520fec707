/* client: one connection's session, the same machine for every transport.
 *
 * A transport opens a client when a peer asks for a session, feeds it what the peer says and tells
 * it what became of its writes. Everything a client sends goes through one bounded queue and leaves
 * in bursts, at most one write under way.
 *
 * Owner     the engine, from open to on_closed; the transport keeps the pointer in between
 * Thread    its lane's, all of it
 * Limits    client.queue_max_size bytes, queue_max_messages frames, queue_max_age; channel_limit
 * spec: client protocol 5, 6, 14, 15, 16, 18; channels 8 */
#ifndef GUSH_ENGINE_CLIENT_H
#define GUSH_ENGINE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/lane.h"

#include "server/codec/message.h"

#include "server/engine/port_transport.h"

struct gush_client;
struct gush_node;

/* A new session on |lane|; |conn| is what |transport|'s functions are given. The stale timer runs
 * from here. |transport| is static. */
struct gush_client *gush_client_open(struct gush_node *node, struct gush_lane *lane,
                                     const struct gush_transport *transport, void *conn);

/* The connect request of a unidirectional transport. Everything is borrowed for the call. What
 * comes of it travels through the queue: a connect push, or a disconnect push and the end. */
void gush_client_connect(struct gush_client *client, const struct gush_connect_request *request);

/* A publish command (dialect reply): checks permission, publishes, answers with a reply |id| behind
 * the client's own push. |channel| and |data| are borrowed for the call. */
void gush_client_publish(struct gush_client *client, uint32_t id, struct gush_span channel,
                         struct gush_span data);

/* The write reported as GUSH_EAGAIN is done: nothing is borrowed any more. */
void gush_client_on_sent(struct gush_client *client);
/* The frames under way, again: fills up to |max| and returns how many. For a transport that wants
 * to go on after a partial write. */
size_t gush_client_flight(const struct gush_client *client, struct gush_frame *frames, size_t max);
/* The connection is gone, for whatever reason; |client| must not be used after this. Called exactly
 * once, also after close. */
void gush_client_on_closed(struct gush_client *client);

/* Says |code| and |reason| (NULL: the table's text) in the transport's manner, then closes. The
 * queue is written first, within a few seconds, except for 3000 and 3008. Later calls are ignored.
 */
void gush_client_disconnect(struct gush_client *client, uint32_t code, const char *reason);

/* A client that never got as far as its connect push: the code for which it is sent away, that of
 * an error if there was one, else of the disconnect. 0: it was connected, or still may be. */
uint32_t gush_client_refusal(const struct gush_client *client);

/* 36 characters, not NUL-terminated. */
struct gush_span gush_client_id(const struct gush_client *client);

#endif
