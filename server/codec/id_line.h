/* id_line: the line that gives the next event an id, as bytes of an event stream.
 *
 * Thread    any; no state */
#ifndef GUSH_CODEC_ID_LINE_H
#define GUSH_CODEC_ID_LINE_H

#include <stddef.h>

#include "server/base/span.h"

#include "server/codec/form.h"

/* More than the line adds to the id. */
#define GUSH_ID_LINE_MORE 24

/* Whether |form| has such lines. */
bool gush_id_line_in(enum gush_form form);
/* Writes the line of |id| in |form|, which goes before a frame of that form: id.n +
 * GUSH_ID_LINE_MORE bytes of |out| are enough. Returns how many it took. |id| has neither NUL nor
 * line ends. */
size_t gush_id_line_write(enum gush_form form, struct gush_span id, uint8_t *out);

#endif
