/* broker: a broker outside the process, played by the test: it notes what it was asked, and the
 * test decides what it answers, and when.
 *
 * Thread    one */
#ifndef GUSH_TESTS_UNIT_ENGINE_BROKER_H
#define GUSH_TESTS_UNIT_ENGINE_BROKER_H

#include "tests/unit/engine/harness.h"

enum asked_kind { ASKED_SUBSCRIBE, ASKED_UNSUBSCRIBE, ASKED_PUBLISH, ASKED_HISTORY, ASKED_REMOVE };

struct asked {
    enum asked_kind kind;
    char channel[32];
    struct gush_broker_request *request;
    /* history */
    bool since, reverse;
    uint64_t offset;
    int64_t limit, meta_ttl_s;
    /* publish: the spans borrow what the test gave */
    struct gush_broker_publish publish;
    char data[32];
};

struct broker {
    struct gush_broker port;
    struct world *world;
    uint64_t generation;
    struct asked asked[512];
    size_t asked_n, read;
    void (*on_unsubscribe)(struct broker *b); /* inside the call */
};

static struct asked *asked_add(struct broker *b, enum asked_kind kind, struct gush_span channel)
{
    assert_true(b->asked_n < sizeof(b->asked) / sizeof(b->asked[0]));
    struct asked *a = &b->asked[b->asked_n++];

    *a = (struct asked){.kind = kind};
    (void)snprintf(a->channel, sizeof(a->channel), "%.*s", (int)channel.n, (const char *)channel.p);
    return a;
}

static void broker_subscribe(void *arg, struct gush_span channel)
{
    (void)asked_add(arg, ASKED_SUBSCRIBE, channel);
}

static void broker_unsubscribe(void *arg, struct gush_span channel)
{
    struct broker *b = arg;

    (void)asked_add(b, ASKED_UNSUBSCRIBE, channel);
    if (b->on_unsubscribe)
        b->on_unsubscribe(b);
}

static void broker_publish(void *arg, const struct gush_broker_publish *publish,
                           struct gush_broker_request *request)
{
    struct asked *a = asked_add(arg, ASKED_PUBLISH, publish->channel);
    struct gush_pub v = gush_publication_view(publish->publication, GUSH_SPAN_EMPTY);

    a->request = request;
    a->publish = *publish;
    (void)snprintf(a->data, sizeof(a->data), "%.*s", (int)v.data.n, (const char *)v.data.p);
}

/* NOLINTNEXTLINE(readability-function-size): the shape is the port's */
static void broker_history(void *arg, struct gush_span channel, bool since, uint64_t offset,
                           bool reverse, int64_t limit, int64_t meta_ttl_s,
                           struct gush_broker_request *request)
{
    struct asked *a = asked_add(arg, ASKED_HISTORY, channel);

    a->request = request;
    a->since = since;
    a->offset = offset;
    a->reverse = reverse;
    a->limit = limit;
    a->meta_ttl_s = meta_ttl_s;
}

static void broker_history_remove(void *arg, struct gush_span channel,
                                  struct gush_broker_request *request)
{
    asked_add(arg, ASKED_REMOVE, channel)->request = request;
}

static inline void broker_up(struct broker *b)
{
    gush_broker_on_connected(b->world->node, ++b->generation);
    settle(b->world);
}

static inline void broker_down(struct broker *b)
{
    gush_broker_on_disconnected(b->world->node);
    settle(b->world);
}

/* A world whose streams are |b|'s; the connection is up. */
static inline struct world *broker_world(void **state, struct broker *b, const char *json,
                                         size_t lanes_n)
{
    *b = (struct broker){.port = {.name = "test",
                                  .subscribe = broker_subscribe,
                                  .unsubscribe = broker_unsubscribe,
                                  .publish = broker_publish,
                                  .history = broker_history,
                                  .history_remove = broker_history_remove}};
    b->port.broker = b;
    b->world = world_with(state, json, lanes_n, &b->port);
    broker_up(b);
    return b->world;
}

/* ---- what it was asked ----------------------------------------------------------------------- */

/* The next question that the test has not looked at. */
static inline struct asked *asked_next(struct broker *b, enum asked_kind kind, const char *channel)
{
    if (b->read == b->asked_n)
        fail_msg("the broker was asked nothing more (expected %d of %s)", (int)kind, channel);
    struct asked *a = &b->asked[b->read++];
    if (a->kind != kind || strcmp(a->channel, channel) != 0)
        fail_msg("asked %d of %s, expected %d of %s", (int)a->kind, a->channel, (int)kind, channel);
    return a;
}

#define expect_unasked(of_broker)                                                                  \
    do {                                                                                           \
        const struct broker *unasked_broker = (of_broker);                                         \
        if (unasked_broker->read != unasked_broker->asked_n)                                       \
            fail_msg("the broker was asked %d of %s",                                              \
                     (int)unasked_broker->asked[unasked_broker->read].kind,                        \
                     unasked_broker->asked[unasked_broker->read].channel);                         \
    } while (0)

/* ---- what it says ---------------------------------------------------------------------------- */

static inline void say_subscribed(struct broker *b, const char *channel, uint64_t generation,
                                  bool ok)
{
    gush_broker_on_subscribed(b->world->node, gush_span_str(channel), generation, ok);
    settle(b->world);
}

/* The next question is SUBSCRIBE, and is acknowledged. */
static inline void acknowledge(struct broker *b, const char *channel)
{
    (void)asked_next(b, ASKED_SUBSCRIBE, channel);
    say_subscribed(b, channel, b->generation, true);
}

/* Number |offset| of its stream, which is also its data. Every one has a name of its own. */
static inline struct gush_publication *numbered(const char *channel, uint64_t offset,
                                                const char *data)
{
    struct gush_bytes *name = gush_bytes_copy(gush_span_str(channel));
    struct gush_publication *p =
        gush_publication_new(name, &(struct gush_pub){.data = gush_span_str(data)});

    gush_publication_set_offset(p, offset);
    gush_bytes_unref(name);
    return p;
}

/* |channel|'s publications with the offsets |first| .. |last| arrive, one by one. */
static inline void send_numbers(struct broker *b, const char *channel, uint64_t first,
                                uint64_t last, const char *epoch)
{
    for (uint64_t i = first; i <= last; i++) {
        char data[32];
        (void)snprintf(data, sizeof(data), "%llu", (unsigned long long)i);
        struct gush_publication *p = numbered(channel, i, data);
        gush_broker_on_publication(b->world->node, gush_span_str(channel), p, gush_span_str(epoch));
        gush_publication_unref(p);
    }
    settle(b->world);
}

/* The stream of |a| has |top|, and of it |first| .. |top| are told (none with |first| > |top|). */
static inline void answer_numbers(struct broker *b, struct asked *a, uint64_t first, uint64_t top,
                                  const char *epoch)
{
    struct gush_broker_request *request = a->request;
    struct gush_publication *list[64];
    size_t n = 0;

    assert_non_null(request);
    a->request = NULL;

    for (uint64_t i = first; i <= top; i++) {
        char data[32];
        assert_true(n < 64);
        (void)snprintf(data, sizeof(data), "%llu", (unsigned long long)i);
        list[n++] = numbered(a->channel, i, data);
    }
    gush_broker_on_history(b->world->node, request,
                           &(struct gush_broker_history){.ok = true,
                                                         .publications = list,
                                                         .publications_n = n,
                                                         .offset = top,
                                                         .epoch = gush_span_str(epoch)});
    while (n > 0)
        gush_publication_unref(list[--n]);
    settle(b->world);
}

static inline void answer_top(struct broker *b, struct asked *a, uint64_t top, const char *epoch)
{
    answer_numbers(b, a, top + 1, top, epoch);
}

static inline void answer_failure(struct broker *b, struct asked *a)
{
    struct gush_broker_request *request = a->request;

    assert_non_null(request);
    a->request = NULL;
    if (a->kind == ASKED_HISTORY)
        gush_broker_on_history(b->world->node, request, &(struct gush_broker_history){.ok = false});
    else
        gush_broker_on_published(b->world->node, request, false, 0, GUSH_SPAN_EMPTY);
    settle(b->world);
}

/* A publish or a removal succeeded. */
static inline void answer_published(struct broker *b, struct asked *a, uint64_t offset,
                                    const char *epoch)
{
    struct gush_broker_request *request = a->request;

    assert_non_null(request);
    a->request = NULL;
    gush_broker_on_published(b->world->node, request, true, offset, gush_span_str(epoch));
    settle(b->world);
}

/* ---- the end --------------------------------------------------------------------------------- */

static struct broker broker; /* every test has its own, begun by broker_world */

/* Teardown: nothing that was asked stays unanswered, and SUBSCRIBE least of all. */
static inline int broker_end(void **state)
{
    broker.on_unsubscribe = NULL;
    for (size_t i = 0; i < broker.asked_n; i++) {
        struct asked *a = &broker.asked[i];
        if (a->kind == ASKED_SUBSCRIBE)
            say_subscribed(&broker, a->channel, broker.generation, true);
        else if (a->request)
            answer_failure(&broker, a);
    }
    return world_end(state);
}

#define broker_test(test) cmocka_unit_test_teardown(test, broker_end)

#endif
