#include "server/base/mailbox.h"

#include "server/base/assert.h"

/* Its address in the head says CLOSED; it is never linked. */
static struct gush_letter closed;

void gush_mailbox_init(struct gush_mailbox *mb)
{
    atomic_init(&mb->head, NULL);
}

enum gush_mailbox_push gush_mailbox_push(struct gush_mailbox *mb, struct gush_letter *letter)
{
    void *head = gush_atomic_load(&mb->head);

    GUSH_DEBUG_ASSERT(letter->kind != NULL);
    do {
        if (head == &closed)
            return GUSH_MAILBOX_CLOSED;
        letter->next = head;
    } while (!gush_atomic_cas(&mb->head, &head, letter));
    return head ? GUSH_MAILBOX_QUEUED : GUSH_MAILBOX_WAKE;
}

/* The stack holds the newest first. */
static struct gush_letter *reversed(struct gush_letter *letter)
{
    struct gush_letter *oldest = NULL;

    while (letter) {
        struct gush_letter *next = letter->next;

        letter->next = oldest;
        oldest = letter;
        letter = next;
    }
    return oldest;
}

struct gush_letter *gush_mailbox_take(struct gush_mailbox *mb)
{
    void *head = gush_atomic_load(&mb->head);

    /* Only the lane itself closes, so CLOSED cannot come between load and exchange. */
    if (head == NULL || head == &closed)
        return NULL;
    return reversed(gush_atomic_exchange(&mb->head, NULL));
}

struct gush_letter *gush_mailbox_close(struct gush_mailbox *mb)
{
    void *head = gush_atomic_exchange(&mb->head, &closed);

    return head == &closed ? NULL : reversed(head);
}
