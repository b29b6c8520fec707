/* tls_server: what all TLS connections of a port share: one OpenSSL context for each edition of its
 * certificates, and the keys of its session tickets.
 *
 * TLS 1.2 and 1.3, forward secrecy and authenticated encryption only; no compression, no
 * renegotiation, no early data. Sessions are resumed by tickets, on every loop; nothing is kept for
 * them here. Ticket keys live as long as the server, through reloads of the certificate; they are
 * replaced when the CAs of clients change, since a ticket spares its holder the verification.
 *
 * A client that offers ALPN protocols of which none is ours is refused; one that offers none is
 * let in.
 *
 * Owner     server/app                Thread  any; new, free: the main one
 * Lifetime  new .. connections of it .. free, before its gush_tls */
#ifndef GUSH_NET_TLS_SERVER_H
#define GUSH_NET_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

#include "server/net/tls.h"

#define GUSH_TLS_SERVER_ALPN_MAX 8 /* protocols */

struct gush_tls_server;

struct gush_tls_server_options {
    const char *name;        /* of the keys' section, in messages: "http_server.tls"; borrowed */
    struct gush_tls *tls;    /* borrowed; files that changed are noticed at new connections */
    const char *const *alpn; /* in our order of preference, ended by NULL; NULL: no ALPN */
    bool only_1_3;           /* TLS 1.2 is refused */
};

struct gush_tls_server_stats {
    uint64_t handshakes; /* completed, resumed ones among them */
    uint64_t resumed;
    uint64_t failed;   /* garbage, no common version, bad client certificate, gone ... */
    uint64_t timeouts; /* not done in time */
};

/* On failure |message| names the section and what is wrong.
 *   GUSH_ECONFIG   OpenSSL does not take the certificate, the key or the CAs */
GUSH_MUST_USE gush_err gush_tls_server_new(const struct gush_tls_server_options *options,
                                           struct gush_tls_server **out, char *message,
                                           size_t message_n);
/* When no loop has connections of it any more. NULL is fine. */
void gush_tls_server_free(struct gush_tls_server *server);

struct gush_tls_server_stats gush_tls_server_stats(struct gush_tls_server *server);

#endif
