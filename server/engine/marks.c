#include "server/engine/marks.h"

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/codec/id_line.h"

#include "server/engine/client_plan.h"

#define LINES_MAX      (GUSH_BURST_MAX / GUSH_MARKS_BURST_MIN)
#define LINES_BYTES    ((size_t)16 << 10) /* of one flight; one line always fits */
#define LINE_BYTES_MAX (GUSH_EVENT_ID_MAX + GUSH_ID_LINE_MORE)

/* On a letter that moves a position: the entry of its channel, and for whoever has only that one
 * the frame with its id, by form. */
struct gush_mark {
    struct gush_event_id_entry entry;
    struct gush_bytes *frames[GUSH_FORMS_N];
};

/* The state behind a message of the client's own that waits in the queue. */
struct change {
    struct change *next;
    struct gush_event_id_list *list; /* NULL: void */
};

/* Memory of one line, used again. Nobody else has a reference while it is written. */
struct line {
    struct gush_bytes *bytes;
    size_t cap;
};

struct gush_marks {
    struct gush_event_id_list *now; /* behind what was given to the transport; NULL: void */
    struct change *first, **last;
    uint64_t changes_bytes;
    struct line *lines;
    size_t lines_cap, lines_n;     /* in this flight */
    uint64_t with_line, with_mark; /* entries of this flight, by bit */
};

_Static_assert(GUSH_BURST_MAX <= 64, "a bit for each entry of a flight");

/* ---- changes ----------------------------------------------------------------------------------
 */

/* Memory of |change|. */
static uint64_t change_bytes(const struct change *change)
{
    const struct gush_event_id_list *l = change->list;

    return sizeof *change + (l ? sizeof *l + l->n * sizeof l->entries[0] : 0);
}

static void change_free(struct change *change)
{
    gush_event_id_list_free(change->list);
    gush_free(change);
}

static void lines_trim(struct gush_marks *m, size_t keep_n)
{
    if (m->lines_cap <= keep_n)
        return;
    for (size_t i = keep_n; i < m->lines_cap; i++)
        gush_bytes_unref(m->lines[i].bytes);
    m->lines_cap = keep_n;
    if (keep_n == 0) {
        gush_free(m->lines);
        m->lines = NULL;
    }
}

/* Who has several positions will need a line again. */
static size_t lines_kept(const struct gush_marks *m)
{
    bool often = m->now && m->now->n > 1;

    return m->lines_n == 0 && often ? 1 : m->lines_n;
}

void gush_marks_free(struct gush_marks *m)
{
    if (m == NULL)
        return;
    while (m->first) {
        struct change *change = m->first;

        m->first = change->next;
        change_free(change);
    }
    lines_trim(m, 0);
    gush_event_id_list_free(m->now);
    gush_free(m);
}

/* A position that its client knows of, or will have heard of in the message that is being made. */
static bool counts(const struct gush_subscription *sub)
{
    return sub->told && sub->positioned;
}

static uint32_t positions_n(const struct gush_client *c)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->subs_n; i++)
        n += counts(c->subs[i]);
    return n;
}

/* NULL: it would be too long. */
static struct gush_event_id_list *list_of(const struct gush_client *c, uint32_t n)
{
    const struct gush_event_id_key *key = &c->node->event_ids;

    if (n > GUSH_EVENT_ID_POSITIONS_MAX)
        return NULL;
    struct gush_event_id_list *list = gush_event_id_list_new(n);
    for (uint32_t i = 0; i < c->subs_n; i++) {
        const struct gush_subscription *sub = c->subs[i];
        struct gush_event_id_entry e;

        if (!counts(sub))
            continue;
        gush_event_id_entry_init(key,
                                 gush_event_id_channel(key, gush_bytes_span(sub->channel->name)),
                                 sub->offset, gush_epoch_span(&sub->epoch), &e);
        gush_event_id_list_add(list, &e);
    }
    if (list->text_n <= GUSH_EVENT_ID_MAX)
        return list;
    gush_event_id_list_free(list);
    return NULL;
}

bool gush_marks_change(struct gush_client *c)
{
    uint32_t n = positions_n(c);

    if (c->marks == NULL) {
        if (n == 0)
            return false;
        c->marks = GUSH_NEW(struct gush_marks);
        c->marks->last = &c->marks->first;
    }
    struct change *change = GUSH_NEW(struct change);
    change->list = list_of(c, n);
    c->marks->changes_bytes += change_bytes(change);
    *c->marks->last = change;
    c->marks->last = &change->next;
    return true;
}

static void change_now(struct gush_marks *m)
{
    struct change *change = m->first;

    GUSH_ASSERT(change);
    m->first = change->next;
    if (m->first == NULL)
        m->last = &m->first;
    m->changes_bytes -= change_bytes(change);
    gush_event_id_list_free(m->now);
    m->now = change->list;
    gush_free(change);
}

uint64_t gush_marks_waiting_bytes(const struct gush_marks *m)
{
    return m ? m->changes_bytes : 0;
}

/* ---- letters ----------------------------------------------------------------------------------
 */

void gush_marks_letter_free(struct gush_mark *mark)
{
    if (mark == NULL)
        return;
    for (size_t i = 0; i < GUSH_FORMS_N; i++)
        gush_bytes_unref(mark->frames[i]);
    gush_free(mark);
}

static struct gush_mark *mark_of(const struct gush_client *c, struct gush_delivery *d)
{
    const struct gush_event_id_key *key = &c->node->event_ids;

    if (d->mark == NULL) {
        d->mark = GUSH_NEW(struct gush_mark);
        gush_event_id_entry_init(key, gush_event_id_channel(key, gush_delivery_channel(d)),
                                 d->offset, gush_epoch_span(&d->epoch), &d->mark->entry);
    }
    return d->mark;
}

static size_t write_line(const struct gush_client *c, const struct gush_event_id_list *list,
                         uint8_t *out)
{
    char id[GUSH_EVENT_ID_MAX];

    if (list == NULL)
        return gush_id_line_write(c->transport->form, GUSH_SPAN_LIT(GUSH_MARKS_VOID), out);
    gush_event_id_write(&c->node->event_ids, list, id);
    return gush_id_line_write(c->transport->form, gush_span_of(id, list->text_n), out);
}

/* Line and frame in one piece, for everybody who has this channel and no other. */
static struct gush_bytes *marked(const struct gush_client *c, struct gush_mark *mark,
                                 const struct gush_bytes *frame)
{
    struct gush_bytes **slot = &mark->frames[c->transport->form];
    uint8_t line[LINE_BYTES_MAX];

    if (*slot)
        return *slot;
    struct gush_event_id_list *list = gush_event_id_list_new(1);
    gush_event_id_list_add(list, &mark->entry);
    size_t n = write_line(c, list, line);
    gush_event_id_list_free(list);
    *slot = gush_bytes_new(n + frame->n);
    memcpy((*slot)->data, line, n);
    memcpy((*slot)->data + n, frame->data, frame->n);
    return *slot;
}

/* ---- flights ----------------------------------------------------------------------------------
 */

static struct gush_bytes *line_new(struct gush_marks *m, size_t need)
{
    if (m->lines_n == m->lines_cap) {
        size_t cap = m->lines_cap ? m->lines_cap * 2 : 1;

        m->lines = gush_realloc(m->lines, cap * sizeof *m->lines);
        memset(m->lines + m->lines_cap, 0, (cap - m->lines_cap) * sizeof *m->lines);
        m->lines_cap = cap;
    }
    struct line *line = &m->lines[m->lines_n++];
    if (line->cap < need) {
        gush_bytes_unref(line->bytes);
        line->cap = need;
        line->bytes = gush_bytes_new(need);
    }
    return line->bytes;
}

static struct gush_bytes *line_of(struct gush_client *c)
{
    const struct gush_event_id_list *now = c->marks->now;
    struct gush_bytes *b =
        line_new(c->marks, (now ? now->text_n : sizeof GUSH_MARKS_VOID) + GUSH_ID_LINE_MORE);

    b->n = (uint32_t)write_line(c, now, b->data);
    return b;
}

static void move(struct gush_client *c, struct gush_delivery *d)
{
    struct gush_marks *m = c->marks;
    bool known = gush_event_id_list_move(m->now, &mark_of(c, d)->entry);

    GUSH_ASSERT(known);
    if (GUSH_BUG(GUSH_BUG_ID_OF_THE_QUEUE)) {
        gush_event_id_list_free(m->now);
        m->now = list_of(c, positions_n(c));
    }
}

/* Frames of entry |i|, whose own is frames[0]: returns how many they are. */
static size_t mark_one(struct gush_client *c, size_t i, struct gush_frame *frames,
                       struct gush_delivery *d)
{
    struct gush_marks *m = c->marks;

    if (d == NULL) {
        change_now(m);
    } else if (m->now == NULL) {
        return 1;
    } else if (m->now->n == 1) {
        m->with_mark |= UINT64_C(1) << i;
        frames[0] = (struct gush_frame){marked(c, mark_of(c, d), frames[0].bytes), NULL};
        return 1;
    } else {
        move(c, d);
    }
    m->with_line |= UINT64_C(1) << i;
    frames[1] = frames[0];
    frames[0] = (struct gush_frame){line_of(c), NULL};
    return 2;
}

size_t gush_marks_frames(struct gush_client *c, struct gush_frame *frames, size_t max,
                         size_t *entries_n)
{
    struct gush_marks *m = c->marks;
    size_t n = 0, i = 0, lines_bytes = 0;

    m->with_line = m->with_mark = 0;
    m->lines_n = 0;
    for (; i < c->out.n && n + GUSH_MARKS_BURST_MIN <= max && lines_bytes < LINES_BYTES; i++) {
        struct gush_delivery *d;

        if (!gush_outbox_frame(&c->out, (uint32_t)i, c->transport->form, &frames[n], &d)) {
            n++;
            continue;
        }
        size_t added = mark_one(c, i, &frames[n], d);
        if (added == 2)
            lines_bytes += frames[n].bytes->n;
        n += added;
    }
    lines_trim(m, lines_kept(m));
    *entries_n = i;
    return n;
}

size_t gush_marks_again(const struct gush_client *c, struct gush_frame *frames, size_t max)
{
    const struct gush_marks *m = c->marks;
    size_t n = 0, lines_n = 0;

    for (uint32_t i = 0; i < c->out.flight_n; i++) {
        struct gush_delivery *d;

        GUSH_ASSERT(n + GUSH_MARKS_BURST_MIN <= max);
        if (m->with_line >> i & 1)
            frames[n++] = (struct gush_frame){m->lines[lines_n++].bytes, NULL};
        (void)gush_outbox_frame(&c->out, i, c->transport->form, &frames[n], &d);
        if (m->with_mark >> i & 1)
            frames[n] = (struct gush_frame){d->mark->frames[c->transport->form], NULL};
        n++;
    }
    return n;
}

/* ---- coming back ------------------------------------------------------------------------------
 */

static const struct gush_event_id_position *find(const struct gush_event_id_position *positions,
                                                 size_t n, uint64_t channel)
{
    for (size_t i = 0; i < n; i++)
        if (positions[i].channel == channel)
            return &positions[i];
    return NULL;
}

/* A channel that the id does not have was not his when he saw it: what the request says of it is
 * older still. */
static void resume_one(const struct gush_client *c, struct gush_client_plan_sub *p,
                       const struct gush_event_id_position *positions, size_t n)
{
    const struct gush_event_id_position *at =
        find(positions, n, gush_event_id_channel(&c->node->event_ids, p->channel));

    if (at) {
        p->recover = true;
        gush_client_plan_position(p, at->offset, gush_epoch_span(&at->epoch));
    } else if (p->recover) {
        gush_client_plan_lost(p);
    }
}

void gush_marks_resume(const struct gush_client *c, struct gush_client_plan *plan,
                       struct gush_span id)
{
    struct gush_event_id_position positions[GUSH_EVENT_ID_POSITIONS_MAX];
    size_t n;

    if (id.n == 0 || !c->transport->marks)
        return;
    gush_err err = gush_event_id_parse(&c->node->event_ids, id, positions, &n);
    for (size_t i = 0; i < plan->subs_n; i++) {
        if (err == GUSH_OK)
            resume_one(c, plan->subs[i], positions, n);
        else
            gush_client_plan_lost(plan->subs[i]);
    }
}
