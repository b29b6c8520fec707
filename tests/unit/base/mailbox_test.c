#include <pthread.h>
#include <sched.h>

#include "server/base/assert.h"
#include "server/base/mailbox.h"
#include "server/base/mem.h"

#include "tests/unit/base/unit.h"

#define POSTERS   4
#define EACH      20000
#define TAKE_LAST 30000 /* letters after which the lane closes */

static const struct gush_letter_kind note = {"note", NULL, NULL};

struct note {
    struct gush_letter letter;
    unsigned poster, number;
};

static void push(struct gush_mailbox *mb, struct note *n, enum gush_mailbox_push expected)
{
    n->letter.kind = &note;
    assert_int_equal(gush_mailbox_push(mb, &n->letter), expected);
}

static void nothing_enters_a_closed_mailbox(void **state)
{
    struct gush_mailbox mb;
    struct note a = {.number = 1};

    (void)state;
    gush_mailbox_init(&mb);
    assert_null(gush_mailbox_close(&mb));
    push(&mb, &a, GUSH_MAILBOX_CLOSED);
    assert_null(gush_mailbox_take(&mb));
    push(&mb, &a, GUSH_MAILBOX_CLOSED);
    assert_null(gush_mailbox_close(&mb));
}

static void the_first_one_wakes_and_order_is_kept(void **state)
{
    struct gush_mailbox mb;
    struct note n[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct gush_letter *got;

    (void)state;
    gush_mailbox_init(&mb);
    assert_null(gush_mailbox_take(&mb));
    push(&mb, &n[0], GUSH_MAILBOX_WAKE);
    push(&mb, &n[1], GUSH_MAILBOX_QUEUED);
    push(&mb, &n[2], GUSH_MAILBOX_QUEUED);
    got = gush_mailbox_take(&mb);
    for (int i = 0; i < 3; i++, got = got->next)
        assert_ptr_equal(got, &n[i].letter);
    assert_null(got);
    push(&mb, &n[0], GUSH_MAILBOX_WAKE);
    push(&mb, &n[1], GUSH_MAILBOX_QUEUED);
    got = gush_mailbox_close(&mb);
    assert_ptr_equal(got, &n[0].letter);
    assert_ptr_equal(got->next, &n[1].letter);
    assert_null(got->next->next);
}

struct post_office {
    struct gush_mailbox mb;
    atomic_uint wakes, posters; /* relaxed: counts */
    unsigned next[POSTERS];     /* the lane's: number expected from each poster */
    unsigned refused[POSTERS];  /* each poster's own */
};

struct poster {
    struct post_office *office;
    unsigned index;
};

static void *post_all(void *arg)
{
    const struct poster *p = arg;

    for (unsigned i = 0; i < EACH; i++) {
        struct note *n = GUSH_NEW(struct note);

        n->letter.kind = &note;
        n->poster = p->index;
        n->number = i;
        switch (gush_mailbox_push(&p->office->mb, &n->letter)) {
        case GUSH_MAILBOX_WAKE:
            atomic_fetch_add(&p->office->wakes, 1);
            break;
        case GUSH_MAILBOX_QUEUED:
            break;
        case GUSH_MAILBOX_CLOSED:
            p->office->refused[p->index]++;
            gush_free(n);
            break;
        }
    }
    atomic_fetch_sub(&p->office->posters, 1);
    return NULL;
}

static unsigned read_notes(struct post_office *office, struct gush_letter *letter)
{
    unsigned got = 0;

    while (letter) {
        struct note *n = (struct note *)letter;

        letter = letter->next;
        assert_int_equal(n->number, office->next[n->poster]);
        office->next[n->poster]++;
        gush_free(n);
        got++;
    }
    return got;
}

/* Every letter is read once, in its poster's order, or refused because the lane closed. */
static void many_posters_and_a_lane_that_closes(void **state)
{
    static struct post_office office;
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    unsigned got = 0, takes = 0, refused = 0;

    (void)state;
    gush_mailbox_init(&office.mb);
    atomic_store(&office.posters, POSTERS);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){&office, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    while (got < TAKE_LAST) {
        unsigned now = read_notes(&office, gush_mailbox_take(&office.mb));

        got += now;
        takes += now != 0;
        if (now == 0)
            sched_yield();
    }
    got += read_notes(&office, gush_mailbox_close(&office.mb));
    for (unsigned i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        refused += office.refused[i];
        assert_int_equal(office.next[i] + office.refused[i], EACH);
    }
    assert_int_equal(got + refused, POSTERS * EACH);
    assert_in_range(atomic_load(&office.wakes), takes, takes + 1);
    assert_null(gush_mailbox_take(&office.mb));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_enters_a_closed_mailbox),
        cmocka_unit_test(the_first_one_wakes_and_order_is_kept),
        cmocka_unit_test(many_posters_and_a_lane_that_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
