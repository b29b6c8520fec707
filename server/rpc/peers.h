/* peers: which descriptor a connection has, by the name that the library gives its peer.
 *
 * Newer libraries say of a call only where it comes from ("ipv4:192.0.2.1:4711"). Nobody tells when
 * a connection is closed, so entries may be of the past: find asks the descriptor itself.
 *
 * Owner     the server                Thread  any
 * Limits    256 KiB, and 8 bytes for each descriptor up to the highest that was seen; link-local
 *           IPv6 addresses are not found */
#ifndef GUSH_RPC_PEERS_H
#define GUSH_RPC_PEERS_H

struct gush_rpc_peers;

struct gush_rpc_peers *gush_rpc_peers_new(void);
void gush_rpc_peers_free(struct gush_rpc_peers *peers);

/* Before the library gets |fd|. What is not TCP is left out. */
void gush_rpc_peers_add(struct gush_rpc_peers *peers, int fd);
/* -1: nobody is connected under that name. */
int gush_rpc_peers_find(struct gush_rpc_peers *peers, const char *name);

#endif
