#include "tests/sim/browser.h"

#include <stdio.h>
#include <string.h>

#include "server/engine/node_priv.h"

#include "tests/sim/world.h"

#define S(span) (int)(span).n, (const char *)(span).p

struct positions {
    struct gush_event_id_position at[GUSH_EVENT_ID_POSITIONS_MAX];
    size_t n;
};

static bool begins(struct gush_span s, const char *with)
{
    size_t n = strlen(with);

    return s.n >= n && memcmp(s.p, with, n) == 0;
}

static void skip(struct gush_span *s, size_t n)
{
    if (n > s->n)
        stage_fail("an id line of %zu bytes that says more", s->n);
    s->p += n;
    s->n -= n;
}

bool browser_strip(enum gush_form form, struct gush_span *frame, char id[BROWSER_ID_MAX])
{
    struct gush_span s = *frame;
    bool chunked = form == GUSH_FORM_SSE_CHUNKED;
    const uint8_t *eol;

    if (chunked && (eol = memchr(s.p, '\n', s.n)) != NULL)
        skip(&s, (size_t)(eol + 1 - s.p));
    if (!begins(s, "id: "))
        return true;
    eol = memchr(s.p, '\n', s.n);
    if (eol == NULL || eol - s.p >= BROWSER_ID_MAX)
        stage_fail("an id line without an end, or too long");
    if (id)
        (void)snprintf(id, BROWSER_ID_MAX, "%.*s", (int)(eol - s.p) - 4, (const char *)s.p + 4);
    skip(&s, (size_t)(eol + 1 - s.p));
    if (chunked) {
        if (!begins(s, "\r\n"))
            stage_fail("a chunk of an id line without an end");
        skip(&s, 2);
    }
    *frame = s;
    return s.n > 0;
}

static bool parse(const struct conn *c, const char *id, struct positions *p)
{
    return gush_event_id_parse(&c->peer->world->node->event_ids, gush_span_str(id), p->at, &p->n) ==
           GUSH_OK;
}

static const struct gush_event_id_position *find(const struct conn *c, const struct positions *p,
                                                 struct gush_span channel)
{
    uint64_t wanted = gush_event_id_channel(&c->peer->world->node->event_ids, channel);

    for (size_t i = 0; i < p->n; i++)
        if (p->at[i].channel == wanted)
            return &p->at[i];
    return NULL;
}

/* ---- Hearing --------------------------------------------------------------------------------- */

static bool stands_somewhere(const struct view *v)
{
    return v->state == VIEW_TOLD && v->positioned;
}

static void judge_view(const struct conn *c, const struct view *v, const struct positions *p)
{
    const struct gush_event_id_position *at = find(c, p, v->channel->name);

    if (at == NULL)
        stage_fail("%s, %.*s: not in the id", c->name, S(v->channel->name));
    if (at->offset != v->pos ||
        !gush_span_eq(gush_epoch_span(&at->epoch), gush_epoch_span(&v->epoch->name)))
        stage_fail("%s, %.*s: the id says %llu of %.*s, it is at %llu of %.*s", c->name,
                   S(v->channel->name), (unsigned long long)at->offset,
                   S(gush_epoch_span(&at->epoch)), (unsigned long long)v->pos,
                   S(gush_epoch_span(&v->epoch->name)));
}

void browser_heard(struct conn *c)
{
    struct peer *peer = c->peer;
    struct positions p = {.n = 0};
    size_t n = 0;

    if (c->pending_id[0]) {
        memcpy(peer->last_id, c->pending_id, sizeof peer->last_id);
        c->pending_id[0] = '\0';
        c->identified = true;
    }
    if (c->identified && !parse(c, peer->last_id, &p))
        stage_fail("%s was given '%s' for an id", c->name, peer->last_id);
    for (uint32_t i = 0; i < peer->world->oracle.channels_n; i++) {
        if (!stands_somewhere(&c->views[i]))
            continue;
        judge_view(c, &c->views[i], &p);
        n++;
    }
    if (n != p.n)
        stage_fail("%s stands in %zu channels, its id says %zu", c->name, n, p.n);
}

/* ---- Coming back ----------------------------------------------------------------------------- */

static void lose(struct view *v)
{
    v->recover = v->lost = true;
    v->from = 0;
    v->from_epoch = (struct gush_epoch){.n = 4, .s = "none"};
}

static void expect(struct view *v, const struct gush_event_id_position *at)
{
    if (at) {
        v->recover = true;
        v->from = at->offset;
        v->from_epoch = at->epoch;
    } else if (v->recover) {
        lose(v);
    }
}

void browser_ask(struct conn *c, struct gush_connect_request *request)
{
    struct peer *peer = c->peer;
    struct positions p = {.n = 0};

    if (!peer->transport->marks || peer->last_id[0] == '\0' || peer_chance(peer, 40))
        return;
    size_t n = strlen(peer->last_id);
    if (n > 1 && peer_chance(peer, 16))
        peer->last_id[peer_below(peer, n - 1) + 1] = '\0';
    bool ours = parse(c, peer->last_id, &p);
    request->last_event_id = gush_span_str(peer->last_id);
    stage_trace("%s comes back with %s", c->name, peer->last_id);
    for (uint32_t i = 0; i < peer->world->oracle.channels_n; i++) {
        struct view *v = &c->views[i];

        if (v->state != VIEW_ASKED || !v->channel->positioned)
            continue;
        if (ours)
            expect(v, find(c, &p, v->channel->name));
        else
            lose(v);
    }
}
