/* net_priv: what the files of server/net share. Included by no other room: it brings uv.h. */
#ifndef GUSH_NET_PRIV_H
#define GUSH_NET_PRIV_H

#include <uv.h>

#include "server/net/loop.h"

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

#endif
