/* tcp: listening sockets, one per lane on one address.
 *
 * The first socket claims the address without SO_REUSEPORT, so that a port in use is an error and
 * not a silent share of somebody else's clients; only then is the option set, and the others join.
 *
 * Options are set here and inherited by what is accepted: TCP_NODELAY; TCP_NOTSENT_LOWAT, so that
 * what a slow reader has not taken stays in our bounded queue and not in the kernel (16 KB: a full
 * burst of small frames goes out in one write); keepalive after a minute of silence.
 *
 * Thread    the caller's; name resolution may block: start-up only */
#ifndef GUSH_NET_TCP_H
#define GUSH_NET_TCP_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

#define GUSH_TCP_NOTSENT_LOWAT (16 * 1024)
#define GUSH_TCP_BACKLOG       4096 /* the kernel caps it at net.core.somaxconn */

/* Fills |fds| with |fds_n| listening, non-blocking sockets. |host| "" or NULL: every address, IPv6
 * and IPv4; names resolve to their first IPv4 address, else IPv6. |port| 0: any free one;
 * |*bound_port| tells which. On failure |message| says what went wrong with which address.
 *   GUSH_EBUSY     the address is in use
 *   GUSH_EUNKNOWN  the name does not resolve
 *   GUSH_EIO       anything else */
GUSH_MUST_USE gush_err gush_tcp_listen(const char *host, uint16_t port, int *fds, size_t fds_n,
                                       uint16_t *bound_port, char *message, size_t message_n);

#endif
