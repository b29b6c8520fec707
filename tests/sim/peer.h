/* peer: somebody at the other end of the wire, who comes, reads, says things, stops reading, dies
 * and comes back with the position it had.
 *
 * Owner     the world                 Thread  its lane's */
#ifndef GUSH_SIM_PEER_H
#define GUSH_SIM_PEER_H

#include "server/base/assert.h"

#include "server/engine/client.h"

#include "tests/sim/conn.h"
#include "tests/sim/oracle.h"

struct world;
struct world_lane;

struct peer {
    struct world *world;
    struct world_lane *wl;
    uint32_t index;
    struct gush_rng rng;
    const struct gush_transport *transport;
    uint32_t wants; /* channels, by bit */
    uint32_t acts_left, lives_n;
    uint32_t phase; /* the last one it noticed */
    uint32_t user;  /* 0: anonymous */
    bool mute; /* a publish of an earlier connection is still on its way: nothing may overtake */
    struct conn *conn; /* the latest */
    /* Position by channel, as an SDK keeps it. */
    struct {
        bool known;
        struct gush_epoch epoch;
        uint64_t offset;
    } last[ORACLE_CHANNELS_MAX];
    char last_id[BROWSER_ID_MAX]; /* of the last whole event that had one */
    char name[16];
};

void peer_init(struct peer *peer, struct world *world, uint32_t index);
/* On the lane: the world entered another phase. Plans what the peer does in it. */
void peer_notice(struct peer *peer);
/* On the lane: this would be a good moment to come. True: it did. */
bool peer_invite(struct peer *peer);
/* It reads that a call acts on its user: somebody to whom the call comes next may be gone first. */
void peer_called(struct peer *peer);
/* The engine let go of its connection. */
void peer_on_gone(struct peer *peer);
/* At rest, at the end: every pair of connections agrees. */
void peer_judge_all(struct world *w);

/* Its dice. */
uint64_t peer_below(struct peer *peer, uint64_t n);
bool peer_chance(struct peer *peer, uint32_t of_256);
uint64_t peer_soon(struct peer *peer);

#endif
