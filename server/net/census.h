/* census: who is in through which port, counted by descriptor, also after the descriptor was given
 * away.
 *
 * A library that took a socket closes it without a word. Two things tell that it has. The kernel
 * gives a newcomer the lowest free number: if somebody who is in has that number, he has left. And
 * every socket has a cookie of its own: a number that is no socket, or has another cookie, is not
 * his any more. The first costs nothing; the second is asked only about those who stand in the way
 * of a limit, longest unasked first, and at most once a microsecond on average: so a newcomer is
 * never paid for with more than GUSH_CENSUS_ASK_MAX questions, and who left is noticed at the next
 * newcomer, or after as many microseconds as there are connections in a flood.
 *
 * Owner     server/app, one for all ports of the process
 * Thread    any
 * Lifetime  new .. add_port .. enter, leave .. free
 * Limits    GUSH_CENSUS_PORTS_MAX ports; 32 bytes for each descriptor number in use */
#ifndef GUSH_NET_CENSUS_H
#define GUSH_NET_CENSUS_H

#include <stdint.h>

#include "server/net/peer.h"

#define GUSH_CENSUS_PORTS_MAX 16
#define GUSH_CENSUS_ASK_MAX   8192

struct gush_census;

enum gush_census_answer {
    GUSH_CENSUS_IN,
    GUSH_CENSUS_FULL,        /* the port has as many as it may */
    GUSH_CENSUS_ADDRESS_FULL /* this address has as many as it may on this port */
};

struct gush_census *gush_census_new(void);
void gush_census_free(struct gush_census *census);

/* A port with its limits, 0: none. Before anybody enters. Returns its number. An address is one of
 * IPv4, or a /64 of IPv6: that is what one customer is given. Who has none (unix sockets) is not
 * limited by it. */
unsigned gush_census_add_port(struct gush_census *census, uint64_t most, uint64_t most_per_address);

/* |fd| is a socket that was accepted just now. Not IN: nothing is remembered. */
enum gush_census_answer gush_census_enter(struct gush_census *census, unsigned port, int fd,
                                          const struct gush_peer *peer, uint64_t now_us);
/* |fd|, which entered, is about to be closed by the caller. Before the close: afterwards the number
 * may be somebody else's. */
void gush_census_leave(struct gush_census *census, int fd);

/* How many are in, those who left unnoticed taken off as far as questions allow. */
uint64_t gush_census_count(struct gush_census *census, unsigned port, uint64_t now_us);

#endif
