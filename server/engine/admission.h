/* admission: whether one more client may come. Every client endpoint but gRPC asks, before it reads
 * the connect request; who may not is answered 503 and counted.
 *
 * client.connection_limit looks at the clients there are, whichever way they came; lanes that look
 * at the same moment may let in one each. client.connection_rate_limit N is one bucket of all
 * lanes: it holds N, and N more come in a second.
 *
 * Thread    any                       spec      operations 2; client protocol 16, Q4 */
#ifndef GUSH_ENGINE_ADMISSION_H
#define GUSH_ENGINE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "server/engine/node.h"

/* A bucket without a lock: the moment up to which what was let in is paid for. */
struct gush_admission {
    atomic_uint_fast64_t paid;
};

/* True: |lane| may open a client. */
bool gush_admission_try(struct gush_node *node, const struct gush_lane *lane);

#endif
