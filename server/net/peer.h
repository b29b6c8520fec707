/* peer: the other end's address, small enough to keep with every connection.
 *
 * Thread    any */
#ifndef GUSH_NET_PEER_H
#define GUSH_NET_PEER_H

#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct gush_peer {
    uint8_t ip[16]; /* IPv4 in the first four bytes */
    uint16_t port;
    uint8_t version; /* 4, 6, or 0: not an Internet address */
};

#define GUSH_PEER_TEXT_MAX 56

/* IPv4 in an IPv6 wrapper becomes IPv4. */
struct gush_peer gush_peer_from(const struct sockaddr *address);
/* "1.2.3.4:5", "[::1]:5" or "unknown". */
void gush_peer_format(const struct gush_peer *peer, char out[GUSH_PEER_TEXT_MAX]);

#endif
