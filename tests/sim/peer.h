/* peer: somebody at the other end of the wire, who comes, reads, says things, stops reading, dies
 * and comes back with the position it had. Its transport is the faulty port of the engine.
 *
 * A connection has two halves: the link is what the engine's transport port is given, and is freed
 * as soon as the engine was told that it is gone; the conn keeps what was seen until the end.
 *
 * Owner     the world                 Thread  its lane's */
#ifndef GUSH_SIM_PEER_H
#define GUSH_SIM_PEER_H

#include "server/base/assert.h"

#include "server/engine/client.h"

#include "tests/sim/oracle.h"

struct world;
struct world_lane;
struct conn;

#define link_MAGIC GUSH_MAGIC('l', 'i', 'n', 'k')
struct link {
    GUSH_MAGIC_FIELD;
    struct conn *conn;
    bool pending; /* a write is under way */
    size_t frames_n;
    struct gush_frame frames[GUSH_BURST_MAX];
};

#define CONN_PUBLISHES_MAX 64

enum conn_member { CONN_UNHEARD, CONN_JOINED, CONN_LEFT };

struct conn {
    struct conn *next; /* lock: the world's conns_lock */
    struct peer *peer;
    struct link *link;          /* NULL: gone */
    struct gush_client *client; /* NULL: gone */
    uint32_t number;
    char name[32];
    char id[36];
    bool asked;          /* gush_client_connect was called */
    bool connected;      /* the connect push was read */
    bool stalled;        /* reads nothing */
    bool sending;        /* the event that ends the write under way is planned */
    bool dead;           /* the peer is gone; the engine will hear of it */
    bool closed;         /* the engine closed it; it will hear back */
    bool told_end;       /* a disconnect push was read: nothing may follow */
    uint32_t code;       /* what the engine told, by push or close; 0 nothing */
    uint32_t kick;       /* code with which the play ended it; 0 it did not */
    atomic_bool leaving; /* on_closed was called */
    uint64_t ended;      /* tick behind it */
    struct view views[ORACLE_CHANNELS_MAX];
    /* By channel: what join and leave pushes said of the other connections. */
    uint8_t *members[ORACLE_CHANNELS_MAX];
    uint32_t members_n;
    struct {
        uint32_t channel, id;
        bool answered, subscribed;
    } publishes[CONN_PUBLISHES_MAX];
    uint32_t publishes_n;
};

struct peer {
    struct world *world;
    struct world_lane *wl;
    uint32_t index;
    struct gush_rng rng;
    const struct gush_transport *transport;
    uint32_t wants; /* channels, by bit */
    uint32_t acts_left, lives_n;
    uint32_t phase; /* the last one it noticed */
    uint32_t user; /* 0: anonymous */
    bool mute; /* a publish of an earlier connection is still on its way: nothing may overtake */
    struct conn *conn; /* the latest */
    /* Position by channel, as an SDK keeps it. */
    struct {
        bool known;
        struct gush_epoch epoch;
        uint64_t offset;
    } last[ORACLE_CHANNELS_MAX];
    char name[16];
};

void peer_init(struct peer *peer, struct world *world, uint32_t index);
/* On the lane: the world entered another phase. Plans what the peer does in it. */
void peer_notice(struct peer *peer);
/* On the lane: this would be a good moment to come. */
void peer_invite(struct peer *peer);
/* At rest, everything stands still: what is wrong with |conn|, or NULL. */
const char *peer_behind(const struct conn *conn, bool final, char *room, size_t room_n);
/* The same, at the end: every pair of connections agrees. */
void peer_judge_all(struct world *w);
void conn_free(struct conn *conn);

#endif
