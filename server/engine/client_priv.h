/* client_priv: what the files of the client session share. */
#ifndef GUSH_ENGINE_CLIENT_PRIV_H
#define GUSH_ENGINE_CLIENT_PRIV_H

#include "server/engine/client.h"
#include "server/engine/marks.h"
#include "server/engine/node_priv.h"
#include "server/engine/outbox.h"
#include "server/engine/remote.h"
#include "server/engine/subscription.h"

enum gush_client_state {
    GUSH_CLIENT_NEW,        /* nothing said yet: the stale timer runs */
    GUSH_CLIENT_CONNECTING, /* credentials are good, subscriptions are on their way */
    GUSH_CLIENT_LIVE,
    GUSH_CLIENT_ENDING, /* out of every channel; the queue is being written */
    GUSH_CLIENT_CLOSED  /* transport->close was called */
};

struct gush_client_plan;

/* No connection is promised more. */
#define GUSH__CLIENT_TTL_MAX_S (INT64_C(365) * 24 * 3600)

#define gush_client_MAGIC GUSH_MAGIC('c', 'l', 'n', 't')
struct gush_client {
    GUSH_MAGIC_FIELD;
    enum gush_client_state state;
    struct gush_node *node;
    struct gush_lane *lane;
    const struct gush_transport *transport;
    void *conn;
    struct gush_client_ref ref;
    struct gush_work flush, end;
    struct gush_timer timer; /* the earliest of the due times below */
    struct gush_outbox out;
    struct gush_marks *marks;      /* NULL: it never had a position, or its transport has no ids */
    struct gush_outbox_sent *sent; /* the lane's, of its transport and framing */
    char id[36];
    bool broken, gone;
    bool closing;            /* the end was decided */
    uint8_t transport_label; /* of metrics */
    uint32_t close_code, refusal;
    const char *close_reason; /* static, or ours when |close_reason_own| */
    char *close_reason_own;
    struct gush_user *user;                      /* NULL: nobody yet */
    struct gush_client *user_next, **user_pprev; /* of the user's clients on this lane */
    uint64_t user_number;                        /* order of the user's connections */
    uint8_t session[16];                         /* random bytes of a UUID */
    struct gush_bytes *conn_info;                /* NULL: empty */
    struct gush_subscription **subs;
    uint32_t subs_n, subs_cap, next_serial;
    struct gush_client_plan *plans; /* channels being entered */
    /* monotonic ms; 0: not due */
    uint64_t stale_due, ping_due, expire_due, subs_expire_due, recheck_due, linger_due;
};

static inline bool gush__client_ending(const struct gush_client *c)
{
    return c->closing;
}

static inline struct gush_span gush_client_user(const struct gush_client *c)
{
    return c->user ? gush_users_name(c->user) : GUSH_SPAN_EMPTY;
}

uint64_t gush__client_queue_limit(const struct gush_client *c);
/* |sub|'s position was moved by |d| before, if it has one. */
void gush__client_queue_delivery(struct gush_client *c, struct gush_subscription *sub,
                                 struct gush_delivery *d);
/* Encodes |push| in the client's form and queues it; a payload that cannot travel ends the client
 * with 3506. */
void gush__client_queue_push(struct gush_client *c, const struct gush_push *push);
void gush__client_queue_reply(struct gush_client *c, const struct gush_reply *reply);
void gush__client_recheck_later(struct gush_client *c);
void gush__client_arm(struct gush_client *c);
struct gush_subscription *gush__client_find_sub(const struct gush_client *c,
                                                struct gush_span channel);

/* ---- client_subs.c: entering and leaving channels ------------------------------------------- */

struct gush_sub_options {
    bool positioned, recoverable, push_join_leave, presence, join_leave, from_token;
    struct gush_span chan_info;
};
/* A subscription object, linked nowhere yet. */
struct gush_subscription *gush__client_sub_new(struct gush_client *c,
                                               const struct gush_sub_options *options,
                                               struct gush_span channel);
/* The earliest expiry of a subscription has changed. */
void gush__client_subs_expiry(struct gush_client *c);
/* One subscription ends while the client goes on: leaves the channel, then frees it. */
void gush__client_sub_end(struct gush_client *c, struct gush_subscription *sub);
/* Tells it that the server took it out of |channel| (empty: a push without a channel). */
void gush__client_tell_unsubscribed(struct gush_client *c, struct gush_span channel);
/* Queues what waits to be dealt to the client, and tells how many letters that was. Nothing more of
 * that may be dealt to it. */
uint64_t gush__client_subs_catch_up(struct gush_client *c);
/* Leaves the branches: nothing more is delivered. */
void gush__client_subs_detach(struct gush_client *c);
/* Behind the end: presence and leave, then frees them. */
void gush__client_subs_free(struct gush_client *c);

/* ---- client_plan.c --------------------------------------------------------------------------- */

/* The client ends: what was on its way is told so. */
void gush__client_plans_abandon(struct gush_client *c);
/* A broker answered for the subscription |serial|. |result| is borrowed; NULL: acknowledged only.
 */
void gush__client_on_answer(struct gush_client *c, uint32_t serial,
                            const struct gush_remote_result *result);

/* ---- client_calls.c -------------------------------------------------------------------------- */

/* Into and out of the list of the user's clients on this lane. */
void gush__client_list_add(struct gush_client *c);
void gush__client_list_remove(struct gush_client *c);
/* Ends every connection of the same user that came before, on all lanes, soon. */
void gush__clients_end_earlier(struct gush_client *c, uint32_t code);

#endif
