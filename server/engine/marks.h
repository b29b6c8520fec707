/* marks: where a client stands after each message that it is sent, told to it as the id of that
 * message (event_id.h), so that whoever comes back with the last id he saw goes on from there.
 *
 * The id belongs to the moment of sending, not of queueing: marks follow the queue. Letters that
 * move a position are flagged there, and so are the client's own messages that change its set of
 * positions (connect, subscribe, unsubscribe); for each of these a list waits here, the state
 * behind that message.
 *
 * With one positioned channel the id depends on the letter alone: line and frame are put together
 * once per letter and lane, and shared. With several, each client has lines of its own, in memory
 * that is used again. Channels without positions cost nothing, and a client that never had one has
 * no marks at all.
 *
 * An id that would be longer than GUSH_EVENT_ID_MAX is said once as GUSH_MARKS_VOID, which is no
 * id: its bearer will be told that he missed something.
 *
 * Owner     the client                Thread  its lane's */
#ifndef GUSH_ENGINE_MARKS_H
#define GUSH_ENGINE_MARKS_H

#include "server/engine/event_id.h"
#include "server/engine/outbox.h"
#include "server/engine/port_transport.h"

struct gush_client;
struct gush_client_plan;
struct gush_mark;
struct gush_marks;

#define GUSH_MARKS_VOID "-"

/* Fewest frames a burst of a transport with marks must take. */
#define GUSH_MARKS_BURST_MIN 2

void gush_marks_free(struct gush_marks *m); /* NULL is fine */

/* A message of |c| is about to be queued behind which its positions are those of its subscriptions
 * now. True: flag it. */
bool gush_marks_change(struct gush_client *c);

/* Memory of what changes behind messages that wait: part of the queue. 0 for NULL. */
uint64_t gush_marks_waiting_bytes(const struct gush_marks *m);

/* As gush_outbox_frames, with the ids; |*entries_n| of the queue are among them. The next flight.
 */
size_t gush_marks_frames(struct gush_client *c, struct gush_frame *frames, size_t max,
                         size_t *entries_n);
/* The frames of that flight again. */
size_t gush_marks_again(const struct gush_client *c, struct gush_frame *frames, size_t max);

/* What a letter keeps for those whose position it moves. NULL is fine. */
void gush_marks_letter_free(struct gush_mark *mark);

/* Who is about to enter the channels of |plan| comes back with |id| (empty: he does not): his
 * positions are those of the id, whatever his request says. */
void gush_marks_resume(const struct gush_client *c, struct gush_client_plan *plan,
                       struct gush_span id);

#endif
