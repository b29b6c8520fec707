/* mailbox: many posters, one lane. The head is empty, a letter, or CLOSED.
 *
 * One atomic push per letter; whoever pushes onto empty must wake the lane. The lane takes
 * everything with one exchange. Its last exchange leaves CLOSED, and a push that meets CLOSED
 * fails: the poster then frees the letter and what it owns.
 *
 * Owner     the lane                  Thread  push: any; take, close: the lane's */
#ifndef GUSH_BASE_MAILBOX_H
#define GUSH_BASE_MAILBOX_H

#include "server/base/sync.h"

struct gush_lane;
struct gush_letter;

struct gush_letter_kind {
    const char *name;
    /* On the lane, in posting order. The letter is now the callee's. */
    void (*open)(struct gush_lane *lane, struct gush_letter *letter);
    /* The lane is closed: free the letter and everything it owns. Any thread. */
    void (*drop)(struct gush_letter *letter);
};

/* Embedded as the first field of what is posted. */
struct gush_letter {
    struct gush_letter *next;
    const struct gush_letter_kind *kind;
};

struct gush_mailbox {
    gush_atomic_ptr head;
};

enum gush_mailbox_push {
    GUSH_MAILBOX_QUEUED,
    GUSH_MAILBOX_WAKE,  /* it was empty: wake the lane */
    GUSH_MAILBOX_CLOSED /* not queued: the letter is still the caller's */
};

void gush_mailbox_init(struct gush_mailbox *mb);
enum gush_mailbox_push gush_mailbox_push(struct gush_mailbox *mb, struct gush_letter *letter);
/* Everything that is there, oldest first, or NULL. */
struct gush_letter *gush_mailbox_take(struct gush_mailbox *mb);
/* As take, and no push succeeds from now on. */
struct gush_letter *gush_mailbox_close(struct gush_mailbox *mb);

#endif
