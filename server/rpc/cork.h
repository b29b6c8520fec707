/* cork: streams of one connection that are written in one turn share its packets.
 *
 * The library writes each stream with a sendmsg of its own, and the way through TCP costs far more
 * than the call. So the socket is corked while several streams of it are written, until the turn
 * ends. Whether that pays is learnt: a connection is corked at its first write if the last turn
 * that wrote to it wrote more than once, and at its second write otherwise. One that is alone is
 * left alone.
 *
 * Owner     the queue                 Thread  the queue's
 * Limits    a few bytes for each descriptor up to the highest that was seen */
#ifndef GUSH_RPC_CORK_H
#define GUSH_RPC_CORK_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed means empty. */
struct gush_rpc_cork {
    struct gush_rpc_cork_socket {
        bool written, again; /* in this turn; more than once */
        bool corked;
        bool pays; /* the last turn wrote more than once */
    } * sockets;   /* by descriptor */
    size_t sockets_n;
    int *written; /* descriptors of this turn */
    size_t written_n;
};

/* Before the library writes to |fd|; -1: not known, and left alone. */
void gush_rpc_cork_write(struct gush_rpc_cork *cork, int fd);
/* The turn is over: everything goes out. */
void gush_rpc_cork_end(struct gush_rpc_cork *cork);
void gush_rpc_cork_fini(struct gush_rpc_cork *cork);

#endif
