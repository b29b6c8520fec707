/* conn: one connection of a peer: what it read, and the faulty transport port behind it.
 *
 * It has two halves: the link is what the engine's port is given, and is freed as soon as the
 * engine was told that the connection is gone; the conn keeps what was seen until the end.
 *
 * Owner     the world                 Thread  its lane's */
#ifndef GUSH_SIM_CONN_H
#define GUSH_SIM_CONN_H

#include "server/base/assert.h"

#include "server/engine/client.h"

#include "tests/sim/browser.h"
#include "tests/sim/oracle.h"

struct peer;

#define link_MAGIC GUSH_MAGIC('l', 'i', 'n', 'k')
struct link {
    GUSH_MAGIC_FIELD;
    struct conn *conn;
    bool pending;   /* a write is under way */
    bool abandoned; /* it was, when the engine closed: its frames stay borrowed until the end */
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
    uint64_t opened_us, asked_tick, entered_tick; /* before gush_client_connect, behind it */
    bool asked;                                   /* gush_client_connect was called */
    bool connected;                               /* the connect push was read */
    bool stalled;                                 /* reads nothing */
    bool sending;                    /* the event that ends the write under way is planned */
    bool dead;                       /* the peer is gone; the engine will hear of it */
    bool closed;                     /* the engine closed it; it will hear back */
    bool identified;                 /* an id was read */
    char pending_id[BROWSER_ID_MAX]; /* of the event that is being read */
    bool told_end;                   /* a disconnect push was read: nothing may follow */
    uint32_t code;                   /* what the engine told, by push or close; 0 nothing */
    uint32_t kick;                   /* code with which the play ended it; 0 it did not */
    atomic_bool leaving;             /* on_closed was called */
    uint64_t ended;                  /* tick behind it */
    struct view views[ORACLE_CHANNELS_MAX];
    /* By channel: what join and leave pushes said of the other connections. */
    uint8_t *members[ORACLE_CHANNELS_MAX];
    uint32_t members_n;
    struct {
        uint32_t channel, id;
        bool answered;
        uint64_t told; /* of the view then; 0: it was not subscribed */
    } publishes[CONN_PUBLISHES_MAX];
    uint32_t publishes_n;
};

/* One of the ways out, by die. */
const struct gush_transport *conn_transport(uint64_t die);
/* A new connection, known to the world. */
struct conn *conn_open(struct peer *peer);
/* The peer vanishes; of a write under way it read some. */
void conn_die(struct conn *conn);
/* The transport noticed (|arg| is the conn): the engine is told, the link is gone. */
void conn_gone(void *arg);
/* It stops reading, or goes on. */
void conn_stall(struct conn *conn, bool stalled);
void conn_free(struct conn *conn);
/* At rest, everything stands still: what is wrong with it, or NULL. */
const char *conn_behind(const struct conn *conn, bool final, char *room, size_t room_n);

#endif
