/* outbox: the queue of one connection, the only one there is. Entries point to shared letters or
 * to frames of this connection alone; nothing is copied.
 *
 * The first |flight_n| entries are borrowed by the transport and never dropped.
 * Owner     the client                Thread  its lane's
 * Limits    checked by the client before it puts something in */
#ifndef GUSH_ENGINE_OUTBOX_H
#define GUSH_ENGINE_OUTBOX_H

#include "server/base/map.h"
#include "server/base/metrics.h"

#include "server/engine/delivery.h"

/* What an entry is besides its frame. */
enum gush_outbox_flag {
    GUSH_OUTBOX_PLAIN,
    GUSH_OUTBOX_DROPPABLE, /* the queue's policy may drop it */
    GUSH_OUTBOX_MOVES      /* behind it the client's positions are others (marks.h) */
};

struct gush_outbox_entry {
    uintptr_t
        what; /* struct gush_delivery, or struct gush_bytes with bit 0 set; bits 1, 2: see .c */
    uint32_t bytes_n;
    uint32_t at_ms; /* when it was queued, truncated */
};

struct gush_outbox {
    struct gush_outbox_entry *ring;
    uint32_t cap, head, n, flight_n;
    uint64_t bytes_n, flight_bytes; /* as they will be written; the flight is part of both */
};

/* Where a lane counts what one transport has sent with one framing. */
struct gush_outbox_sent {
    gush_metrics_cell *frames, *bytes; /* by frame label; bytes are without the framing */
    enum gush_framing framing;
    uint32_t frame_n,
        message_n; /* the last length that was looked at: the next is often the same */
};

void gush_outbox_fini(struct gush_outbox *q);
/* Takes a use of |d|. */
void gush_outbox_put_delivery(struct gush_outbox *q, struct gush_delivery *d, uint32_t bytes_n,
                              enum gush_outbox_flag flag, uint64_t now_ms);
/* Takes over the caller's reference. */
void gush_outbox_put_bytes(struct gush_outbox *q, struct gush_bytes *b, enum gush_outbox_flag flag,
                           uint64_t now_ms);
/* The first |max| entries as frames in |form|. */
size_t gush_outbox_frames(const struct gush_outbox *q, enum gush_form form,
                          struct gush_frame *frames, size_t max);
/* Entry |i| as a frame. True: it moves positions; |*d| is its letter, NULL if it is a frame of the
 * connection alone. */
bool gush_outbox_frame(const struct gush_outbox *q, uint32_t i, enum gush_form form,
                       struct gush_frame *frame, struct gush_delivery **d);
/* Bytes of a message in a frame of |frame_n| bytes. */
uint32_t gush_outbox_message_n(enum gush_framing framing, uint32_t frame_n);
/* Forgets the first |n|; none may be in flight. The shared ones are counted in |sent|; NULL: they
 * were not sent. */
void gush_outbox_pop(struct gush_outbox *q, size_t n, struct gush_outbox_sent *sent);
/* The first |n| are borrowed by a write that is under way, until they land. */
void gush_outbox_fly(struct gush_outbox *q, size_t n);
void gush_outbox_land(struct gush_outbox *q, struct gush_outbox_sent *sent);
/* Behind the flight. */
static inline uint32_t gush_outbox_waiting_n(const struct gush_outbox *q)
{
    return q->n - q->flight_n;
}

static inline uint64_t gush_outbox_waiting_bytes(const struct gush_outbox *q)
{
    return q->bytes_n - q->flight_bytes;
}

/* Forgets everything that is not in flight. */
void gush_outbox_clear(struct gush_outbox *q);
/* Milliseconds the oldest entry has waited; 0 when empty. */
uint32_t gush_outbox_age_ms(const struct gush_outbox *q, uint64_t now_ms);
/* Drops droppable entries that wait, oldest first, until at most |keep_bytes| and |keep_n| wait or
 * none is left; of |latest| channels all but the newest of each. |each| (may be NULL) hears of
 * every one that goes. Returns how many went. */
typedef void gush_outbox_drop_fn(void *arg, const struct gush_delivery *d);
uint32_t gush_outbox_drop(struct gush_outbox *q, const struct gush_hash_key *hash_key,
                          uint64_t keep_bytes, uint32_t keep_n, gush_outbox_drop_fn *each,
                          void *arg);
/* A delivery of the channel that has most of the queue, as far as a bounded look tells; NULL: all
 * frames are the connection's own. */
const struct gush_delivery *gush_outbox_largest(const struct gush_outbox *q);

#endif
