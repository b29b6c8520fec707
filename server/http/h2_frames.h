/* h2_frames: where frames begin in what a client sends. The library tells us of those that it makes
 * use of; rules and tolls are about all of them.
 *
 * Owner     the connection            Thread  its own; no state but the struct */
#ifndef GUSH_HTTP_H2_FRAMES_H
#define GUSH_HTTP_H2_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

enum gush_h2_frame_type {
    GUSH_H2_DATA,
    GUSH_H2_HEADERS,
    GUSH_H2_PRIORITY,
    GUSH_H2_RST_STREAM,
    GUSH_H2_SETTINGS,
    GUSH_H2_PUSH_PROMISE,
    GUSH_H2_PING,
    GUSH_H2_GOAWAY,
    GUSH_H2_WINDOW_UPDATE,
    GUSH_H2_CONTINUATION
};

#define GUSH_H2_FRAME_END_STREAM 0x1

struct gush_h2_frame {
    uint32_t length;
    uint32_t stream;
    uint32_t depends_on; /* PRIORITY of the right length; else 0 */
    uint8_t type;        /* enum gush_h2_frame_type, or another */
    uint8_t flags;
};

struct gush_h2_frames {
    uint32_t left;    /* of the present frame's payload, or of the preface */
    uint8_t head[13]; /* with what PRIORITY has first in its payload */
    uint8_t head_n;
};

/* A connection that begins with the client's preface, whose bytes are not looked at. */
void gush_h2_frames_init(struct gush_h2_frames *f);
/* Goes on to the next frame in |bytes|, and takes what it passes off their front: up to and with
 * the last byte of its head (PRIORITY: of its dependency). False: none begins in there; all of it
 * was taken. */
bool gush_h2_frames_next(struct gush_h2_frames *f, struct gush_span *bytes,
                         struct gush_h2_frame *out);

#endif
