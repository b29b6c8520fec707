/* frames: the shared encodings of one push, filled when the first connection needs them.
 *
 * Lifetime  counted: one reference per letter (so one atomic per lane, not per subscriber); goes
 *           when nobody sends it any more, while history keeps only the publication
 * Thread    any: a slot is settled by compare-and-swap, the loser frees its copy */
#ifndef GUSH_ENGINE_FRAMES_H
#define GUSH_ENGINE_FRAMES_H

#include "server/base/bytes.h"
#include "server/base/error.h"

#include "server/codec/form.h"
#include "server/codec/message.h"

#include "server/engine/publication.h"

/* A push of |kind| (pub, join or leave) about |publication|, which gains a reference. The first
 * publication of a stream tells its |epoch|; empty otherwise. */
struct gush_frames *gush_frames_new(enum gush_push_kind kind, struct gush_publication *publication,
                                    struct gush_span epoch);
struct gush_frames *gush_frames_ref(struct gush_frames *f);
void gush_frames_unref(struct gush_frames *f);

/* The bytes in |form|, borrowed from |f|.
 *   GUSH_ESYNTAX   the payload cannot travel in this form (see push_encode.h)
 *   GUSH_ELIMIT    it would be too long */
GUSH_MUST_USE gush_err gush_frames_get(struct gush_frames *f, enum gush_form form,
                                       struct gush_bytes **out);
/* What gush_frames_get gave before. */
struct gush_bytes *gush_frames_again(struct gush_frames *f, enum gush_form form);
struct gush_publication *gush_frames_publication(const struct gush_frames *f);
uint64_t gush_frames_live(void);

#endif
