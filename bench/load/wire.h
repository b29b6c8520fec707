/* wire: what subscribers say and hear, in both wires: connect requests out, pushes in. Decodes just
 * enough: kind, position, and the bytes in which the record is to be found.
 *
 * Thread    any */
#ifndef BENCH_LOAD_WIRE_H
#define BENCH_LOAD_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"

enum load_wire { LOAD_GRPC, LOAD_SSE, LOAD_WIRES };

#define LOAD_EPOCH_MAX 32
/* Publications of one recovery; servers allow 300 by default. */
#define LOAD_RECOVERED_MAX 4096
#define LOAD_MESSAGE_MAX   ((size_t)64 << 20)

struct load_position {
    bool known; /* recover from here */
    uint64_t offset;
    char epoch[LOAD_EPOCH_MAX];
};

struct load_publication {
    struct gush_span data;
    uint64_t offset; /* 0: the channel keeps no stream */
};

enum load_kind { LOAD_OTHER, LOAD_PUB, LOAD_CONNECT, LOAD_DISCONNECT };

/* One push; spans point into the message. */
struct load_push {
    enum load_kind kind;
    struct load_publication pub;
    uint32_t code; /* LOAD_DISCONNECT */
    /* LOAD_CONNECT: of the one channel */
    bool subscribed, positioned, recovered;
    uint64_t offset;
    struct gush_span epoch;
    size_t pubs_n;
    struct load_publication pubs[LOAD_RECOVERED_MAX];
};

/* "hist:" or nothing, the name of the run, the channel's number. */
void load_wire_channel(char *out, size_t size, bool history, const char *run, uint32_t number);

/* The request that connects and subscribes to |channel|, from |from| if that is known. */
void load_wire_connect_proto(struct gush_buf *out, const char *channel,
                             const struct load_position *from);
void load_wire_connect_json(struct gush_buf *out, const char *channel,
                            const struct load_position *from);
void load_wire_publish_proto(struct gush_buf *out, const char *channel, struct gush_span data);

/*   GUSH_ESYNTAX  no push that this reader understands
 *   GUSH_ELIMIT   more than LOAD_RECOVERED_MAX publications at once */
GUSH_MUST_USE gush_err load_wire_decode(enum load_wire wire, struct gush_span message,
                                        struct load_push *out);
/* A PublishResponse that says neither error nor nonsense. */
bool load_wire_published(struct gush_span message);

/* Cuts a stream of bytes into messages: gRPC's length prefix, or SSE's empty line. Holds a copy of
 * what is incomplete, nothing else. */
struct load_framer {
    enum load_wire wire;
    struct gush_buf carry;
};

typedef void load_on_message(void *arg, struct gush_span message);

void load_wire_framer_init(struct load_framer *f, enum load_wire wire);
void load_wire_framer_fini(struct load_framer *f);
/* Tells |on_message| each message that |bytes| completes, until |*stop|.
 *   GUSH_ELIMIT   larger than LOAD_MESSAGE_MAX
 *   GUSH_ESYNTAX  compressed, or not an event of data */
GUSH_MUST_USE gush_err load_wire_framer_read(struct load_framer *f, struct gush_span bytes,
                                             load_on_message *on_message, void *arg,
                                             const bool *stop);

#endif
