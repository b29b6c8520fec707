/* wire: what a peer reads off the wire, decoded without the engine's or the encoder's help.
 *
 * One frame is one message. JSON is sliced by codec/json_scan; protobuf is walked by hand.
 * Lifetime  spans point into the frame
 * Limits    WIRE_PUBS_MAX publications and WIRE_SUBS_MAX subscriptions in a message */
#ifndef GUSH_SIM_WIRE_H
#define GUSH_SIM_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/span.h"

#include "server/codec/form.h"

#define WIRE_PUBS_MAX 512
#define WIRE_SUBS_MAX 16

enum wire_kind {
    WIRE_PING,
    WIRE_PUB,
    WIRE_JOIN,
    WIRE_LEAVE,
    WIRE_UNSUBSCRIBE,
    WIRE_SUBSCRIBE,
    WIRE_CONNECT,
    WIRE_DISCONNECT,
    WIRE_REFRESH,
    WIRE_PUBLISHED, /* reply to publish */
    WIRE_ERROR,     /* reply */
    WIRE_OTHER
};

struct wire_pub {
    struct gush_span data, epoch;
    uint64_t offset;
    struct gush_span publisher; /* client id of info, if any */
};

struct wire_sub {
    struct gush_span channel, epoch;
    bool recoverable, recovered, positioned, was_recovering;
    uint64_t offset;
    uint32_t pubs_at, pubs_n; /* in wire_message.pubs */
};

struct wire_message {
    enum wire_kind kind;
    uint32_t id; /* of a reply */
    struct gush_span channel;
    struct gush_span client; /* connect, join, leave */
    uint32_t code;           /* disconnect, unsubscribe, error */
    uint32_t subs_n, pubs_n;
    struct wire_sub subs[WIRE_SUBS_MAX]; /* a subscribe push: the first */
    struct wire_pub pubs[WIRE_PUBS_MAX]; /* a publication push: the first */
};

/* NULL, or what is wrong with |frame|. */
const char *wire_decode(struct gush_span frame, enum gush_form form, struct wire_message *out);

#endif
