/* server: calls of strangers, distributed over queues and services.
 *
 * Plaintext listeners are not the library's: server/app accepts and gives the sockets in, which
 * survives EMFILE, applies limits, and keeps one owner per port. TLS ports are the library's own,
 * and have nothing of that. Every queue keeps requests posted:
 * one is posted again before a call is handled, so none is lost to another queue or to nobody.
 *
 * Owner     server/app
 * Thread    new, start, stop, wait, cancel, free: the main one; add_fd: any; pause, resume: the
 *           queue's own
 * Lifetime  new .. start .. stop, wait or cancel and wait .. (queues stopped and joined) .. free
 * Limits    request size; posted requests and streams per connection as given */
#ifndef GUSH_RPC_SERVER_H
#define GUSH_RPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/span.h"

#include "server/rpc/queue.h"
#include "server/rpc/service.h"

struct gush_rpc_server;
struct gush_tls;

/* What becomes of connections as such; ms, 0: never. */
struct gush_rpc_connections {
    uint64_t ping_ms, ping_timeout_ms; /* a silent peer is pinged, and given so long to answer */
    uint64_t peer_ping_min_ms;         /* a peer that pings more often is sent away; 0: none is */
    uint64_t age_ms;                   /* then GOAWAY, a tenth sooner or later */
    uint64_t age_grace_ms;             /* after that GOAWAY the connection is closed */
    uint64_t idle_ms;                  /* without calls; then GOAWAY */
    uint64_t handshake_ms;             /* of TLS and HTTP/2; TLS ports only */
};

struct gush_rpc_server_options {
    const char *name;               /* in logs */
    struct gush_rpc_queue **queues; /* borrowed array and queues */
    size_t queues_n;
    /* borrowed; the first NULL ends the list */
    const struct gush_rpc_service *services[GUSH_RPC_SERVICES_MAX + 1];
    size_t request_max_bytes;    /* one message, decompressed */
    uint64_t request_timeout_ms; /* from asking for a message to having it; 0: none */
    unsigned posted_n;           /* requests kept posted on each queue */
    unsigned streams_max;        /* per connection; 0: no limit */
    /* For long streams: less library around each call. Answers are then never compressed. */
    bool lean;
    struct gush_rpc_connections connections;
};

struct gush_rpc_server_address {
    const char *host; /* "": every interface */
    uint16_t port;    /* 0: any free one */
};

struct gush_rpc_server *gush_rpc_server_new(const struct gush_rpc_server_options *options);
/* Drained, its queues joined; or never started. */
void gush_rpc_server_free(struct gush_rpc_server *server);
/* Serves TLS on |host|:|port| (as gush_tcp_listen takes them) from start on, with what |tls|
 * (borrowed until free) holds at the time of each handshake. On failure |message| says why.
 *   GUSH_EBUSY, GUSH_EUNKNOWN, GUSH_EIO   as gush_tcp_listen */
GUSH_MUST_USE gush_err gush_rpc_server_listen_tls(struct gush_rpc_server *server,
                                                  const struct gush_rpc_server_address *address,
                                                  struct gush_tls *tls, uint16_t *bound_port,
                                                  char *message, size_t message_n);
/* Before the queues' threads run. */
void gush_rpc_server_start(struct gush_rpc_server *server);

/* Serves the connected stream socket |fd|, which is now the server's. */
void gush_rpc_server_add_fd(struct gush_rpc_server *server, int fd);

/* Takes no more new calls on |lane| beyond those posted, until resume. */
void gush_rpc_server_pause(struct gush_rpc_server *server, struct gush_lane *lane);
void gush_rpc_server_resume(struct gush_rpc_server *server, struct gush_lane *lane);

/* No new calls and connections; those that are there may finish. Needs running queues. */
void gush_rpc_server_stop(struct gush_rpc_server *server);
/* True: no call is left and the connections are closed. False: |timeout_ms| passed and calls are
 * left. Blocks for that long, and a little longer for connections that do not go by themselves.
 * Never on a queue's thread. */
bool gush_rpc_server_wait(struct gush_rpc_server *server, uint64_t timeout_ms);
/* Ends what is left after stop. */
void gush_rpc_server_cancel(struct gush_rpc_server *server);

#endif
