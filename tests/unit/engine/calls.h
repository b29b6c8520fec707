/* calls: API calls on a user's clients, run to their end. The user is "u" unless said otherwise.
 *
 * Thread    one */
#ifndef GUSH_TESTS_UNIT_ENGINE_CALLS_H
#define GUSH_TESTS_UNIT_ENGINE_CALLS_H

#include "tests/unit/engine/harness.h"

struct calling {
    struct gush_clients_call call;
    unsigned done_n;
};

static void calling_done(struct gush_api_call *call)
{
    GUSH_CONTAINER(call, struct calling, call.call)->done_n++;
}

static inline void begin(struct world *w, struct calling *c)
{
    c->call.call =
        (struct gush_api_call){.home = w->list[0], .done = calling_done, .dropped = no_drop};
    c->done_n = 0;
    gush_clients(w->node, &c->call);
}

static inline uint32_t run(struct world *w, struct calling *c)
{
    begin(w, c);
    assert_int_equal(c->done_n, 0); /* never from inside */
    settle(w);
    assert_int_equal(c->done_n, 1);
    return c->call.call.error;
}

static inline struct calling calling_of(enum gush_clients_action action, const char *user,
                                        const char *channel)
{
    return (struct calling){
        .call = {.action = action, .user = gush_span_str(user), .channel = gush_span_str(channel)}};
}

#define SUBSCRIBE(channel)   calling_of(GUSH_CLIENTS_SUBSCRIBE, "u", channel)
#define UNSUBSCRIBE(channel) calling_of(GUSH_CLIENTS_UNSUBSCRIBE, "u", channel)
#define DISCONNECT()         calling_of(GUSH_CLIENTS_DISCONNECT, "u", "")
#define REFRESH()            calling_of(GUSH_CLIENTS_REFRESH, "u", "")

static inline struct peer *user_on(struct world *w, size_t lane, const char *claims,
                                   const char *members)
{
    struct peer *p = peer_on(w, lane, GUSH_FORM_PUSH_JSON);

    peer_connect_token(p, claims, members);
    expect_connected(p);
    return p;
}

#endif
