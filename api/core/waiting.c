#include "api/core/waiting.h"

#include "server/base/assert.h"

static void unlink_waiter(struct gush_waiting *w, struct gush_waiter *waiter)
{
    *(waiter->prev ? &waiter->prev->next : &w->first) = waiter->next;
    *(waiter->next ? &waiter->next->prev : &w->last) = waiter->prev;
    waiter->prev = waiter->next = NULL;
    w->n--;
    w->bytes -= waiter->bytes->n;
}

/* The lanes caught up. */
static void door_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct gush_waiting *w = GUSH_CONTAINER(letter, struct gush_waiting, door.letter);
    struct gush_waiter *waiter;

    (void)lane;
    while ((waiter = w->first) != NULL) {
        struct gush_bytes *bytes = waiter->bytes;

        if (gush_node_hold(w->node, &w->door))
            return; /* the letter comes again */
        unlink_waiter(w, waiter);
        waiter->bytes = NULL;
        w->ops->run(w, waiter, gush_bytes_span(bytes));
        gush_bytes_unref(bytes);
    }
    if (w->ops->empty)
        w->ops->empty(w);
}

static void door_drop(struct gush_letter *letter)
{
    (void)letter; /* part of the door */
}

static const struct gush_letter_kind door_kind = {"api door", door_open, door_drop};

void gush_waiting_init(struct gush_waiting *w, struct gush_node *node, struct gush_lane *lane,
                       const struct gush_waiting_ops *ops, void *owner)
{
    *w = (struct gush_waiting){.node = node, .ops = ops, .owner = owner};
    w->door.lane = lane;
    w->door.letter.kind = &door_kind;
}

bool gush_waiting_must(struct gush_waiting *w)
{
    return w->first != NULL || gush_node_hold(w->node, &w->door);
}

bool gush_waiting_room(const struct gush_waiting *w, size_t n)
{
    return w->n == 0 || (w->n < GUSH_WAITING_MAX && w->bytes < GUSH_WAITING_MAX_BYTES &&
                         n <= GUSH_WAITING_MAX_BYTES - w->bytes);
}

void gush_waiting_add(struct gush_waiting *w, struct gush_waiter *waiter, struct gush_span bytes)
{
    GUSH_ASSERT(waiter->bytes == NULL && gush_waiting_room(w, bytes.n));
    waiter->bytes = gush_bytes_copy(bytes);
    waiter->prev = w->last;
    waiter->next = NULL;
    *(w->last ? &w->last->next : &w->first) = waiter;
    w->last = waiter;
    w->n++;
    w->bytes += bytes.n;
}

bool gush_waiting_leave(struct gush_waiting *w, struct gush_waiter *waiter)
{
    if (waiter->bytes == NULL)
        return false;
    unlink_waiter(w, waiter);
    gush_bytes_unref(waiter->bytes);
    waiter->bytes = NULL;
    return true;
}
