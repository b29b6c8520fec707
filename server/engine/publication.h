/* publication: what was published, and its shared encodings.
 *
 * Two counted objects. The publication is the core that history keeps: data, info, tags, offset.
 * Its frames hold the encodings; letters and queues own them, so they go when nobody sends them
 * any more. A publication holds its channel's name, never the channel.
 *
 * Thread    any: the core is immutable once it has an offset; a frame slot is settled by
 *           compare-and-swap */
#ifndef GUSH_ENGINE_PUBLICATION_H
#define GUSH_ENGINE_PUBLICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/bytes.h"
#include "server/base/error.h"

#include "server/codec/form.h"
#include "server/codec/message.h"

struct gush_publication;
struct gush_frames;

/* Copies everything that |pub| names into one allocation. |channel| gains a reference. */
struct gush_publication *gush_publication_new(struct gush_bytes *channel,
                                              const struct gush_pub *pub);
struct gush_publication *gush_publication_ref(struct gush_publication *p);
void gush_publication_unref(struct gush_publication *p); /* NULL is fine */
/* Before it is shared: by the stream that keeps it, under the channel's lock, or by a broker's
 * adapter. */
void gush_publication_set_offset(struct gush_publication *p, uint64_t offset);
uint64_t gush_publication_offset(const struct gush_publication *p);
size_t gush_publication_bytes(const struct gush_publication *p);
struct gush_span gush_publication_channel(const struct gush_publication *p);
/* A view of the core; |epoch| (may be empty) is put into it. Borrowed from |p|. */
struct gush_pub gush_publication_view(const struct gush_publication *p, struct gush_span epoch);
/* How many exist: for leak checks. */
uint64_t gush_publication_live(void);

#endif
