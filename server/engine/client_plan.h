/* client_plan: entering channels, one or many at once, and what comes of it.
 *
 * A plan names channels, enters them all, waits for those whose stream lives elsewhere, and then
 * finishes: the connect push, or the subscribe push of an API call.
 *
 * Owner     the client                Thread  its lane's
 * Lifetime  until it finished, or the client ends */
#ifndef GUSH_ENGINE_CLIENT_PLAN_H
#define GUSH_ENGINE_CLIENT_PLAN_H

#include "server/engine/client_priv.h"

/* One channel: what is asked, and what came of it. */
struct gush_client_plan_sub {
    struct gush_subscription *sub; /* NULL until it is made */
    struct gush_span channel;      /* borrowed until the subscription is made */
    const struct gush_channel_options *options;
    struct gush_span chan_info, raw_data; /* borrowed likewise */
    const struct gush_token_override *override;
    bool from_token, recover;
    bool leaves; /* unsubscribed meanwhile: it is told so as soon as it was told that it is in */
    bool again;  /* it held too much once, and was read again */
    uint64_t since;
    struct gush_epoch since_epoch;
    bool since_epoch_odd; /* longer than any epoch, or not known: it matches none */
    /* the outcome */
    struct gush_bytes *data;
    bool recovered;
    uint64_t offset;
    struct gush_publication **publications;
    size_t publications_n;
};

struct gush_client_plan {
    struct gush_client_plan *next; /* of the client's plans */
    struct gush_client_plan_sub **subs;
    size_t subs_n, cap;
    struct gush_map by_channel; /* a request may name very many */
    size_t pending_n;           /* answers still to come */
    /* All channels answered; the plan is freed behind it. */
    void (*finish)(struct gush_client *c, struct gush_client_plan *plan);
    /* The client ended before that. May be NULL. */
    void (*abandon)(struct gush_client *c, struct gush_client_plan *plan);
    void *arg; /* of whoever made the plan */
    bool expires;
    uint32_t ttl_s;
};

struct gush_client_plan *gush_client_plan_new(struct gush_client *c,
                                              void (*finish)(struct gush_client *c,
                                                             struct gush_client_plan *plan));
/* Out of the client's list and freed. */
void gush_client_plan_free(struct gush_client *c, struct gush_client_plan *plan);
/* The plan's entry for |channel|, made if need be. Subscriptions and plans together may not be more
 * than client.channel_limit: then the client is ended (3505), and NULL returned. */
struct gush_client_plan_sub *gush_client_plan_add(struct gush_client *c,
                                                  struct gush_client_plan *plan,
                                                  struct gush_span channel,
                                                  const struct gush_channel_options *options);
struct gush_client_plan_sub *gush_client_plan_find(const struct gush_client_plan *plan,
                                                   struct gush_span channel);
/* Where the subscriber left off. */
void gush_client_plan_position(struct gush_client_plan_sub *p, uint64_t offset,
                               struct gush_span epoch);
/* Where he left off cannot be told: he will hear that he was not recovered. */
void gush_client_plan_lost(struct gush_client_plan_sub *p);
/* Enters every channel. May finish at once. */
void gush_client_plan_run(struct gush_client *c, struct gush_client_plan *plan);
/* What a reply says of |p|. |r|->publications is the caller's to free. */
void gush_client_plan_result(const struct gush_client_plan_sub *p, struct gush_sub_result *r);
/* Behind the push that told: presence, join, held letters, live. */
void gush_client_plan_go_live(struct gush_client *c, struct gush_subscription *sub);

#endif
