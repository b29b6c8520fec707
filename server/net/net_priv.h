/* net_priv: what the files of server/net share. Included by no other room: it brings uv.h. */
#ifndef GUSH_NET_PRIV_H
#define GUSH_NET_PRIV_H

#include <stdbool.h>
#include <uv.h>

#include "server/net/gate.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/net/peer.h"

/* Something that lives on a loop and must be gone before its thread ends. Embedded. */
struct gush__item {
    struct gush__item *next, **pprev;
    /* Begins its end; it leaves the list by gush__item_leave when it is gone. May be called while
     * it is ending already. */
    void (*stop)(struct gush__item *item);
};

void gush__item_join(struct gush_loop *loop, struct gush__item *item);
void gush__item_leave(struct gush_loop *loop, struct gush__item *item);
/* True once gush_loop_stop was seen: nothing new should start. */
bool gush__loop_stopping(const struct gush_loop *loop);
/* To be called first by every callback of an input event: the lane's clock stood still while the
 * loop slept. */
void gush__loop_refresh(struct gush_loop *loop);
uv_loop_t *gush__loop_uv(struct gush_loop *loop);

/* ---- gate: what the porches tell and ask ----------------------------------------------------- */

const struct gush_gate_options *gush__gate_options(const struct gush_gate *gate);
void gush__gate_arrive(struct gush_gate *gate);
/* False: |*reason| says why not. True: counted as in, until its descriptor is closed or it leaves.
 */
bool gush__gate_enter(struct gush_gate *gate, int fd, const struct gush_peer *peer,
                      enum gush_gate_reason *reason);
/* Before |fd|, which entered, is closed here. */
void gush__gate_leave(struct gush_gate *gate, int fd);
void gush__gate_refuse(struct gush_gate *gate, enum gush_gate_reason reason,
                       const struct gush_peer *peer);
void gush__gate_wait(struct gush_gate *gate, int by);
void gush__gate_admit(struct gush_gate *gate);
/* Closes with a reset. */
void gush__gate_close(int fd);

/* ---- porch: one loop's part of a gate -------------------------------------------------------- */

struct gush__porch;

/* Hands those who may come in to |pass|. Lives on |loop| until close, or the loop's stop.
 *   GUSH_EIO   no descriptors left, or the loop is stopping */
GUSH_MUST_USE gush_err gush__porch_open(struct gush_loop *loop, struct gush_gate *gate,
                                        gush_listener_fn *pass, void *arg,
                                        struct gush__porch **out);
/* Takes |fd|, accepted just now. May call pass. */
void gush__porch_take(struct gush__porch *porch, int fd, const struct gush_peer *peer);
/* Closes those who wait; frees itself. */
void gush__porch_close(struct gush__porch *porch);

#endif
