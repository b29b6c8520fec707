#include "server/rpc/server.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/net/tcp.h"

#include "server/rpc/peers.h"
#include "server/rpc/rpc_priv.h"

#define PEER_PING_STRIKES 2     /* pings too soon, and then one more */
#define UNACKED_MAX_MS    60000 /* a peer whose kernel takes nothing for so long is gone */
#define READ_CHUNK_BYTES  256
#define GOODBYE_MS        200  /* idle connections may close by themselves after GOAWAY */
#define CLOSE_MS          5000 /* those that were closed are gone by then */

/* One posted request, or the spare one. */
struct request {
    struct gush__tag tag;
    struct intake *intake;
    grpc_call *core;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

/* What comes in through one queue. */
struct intake {
    struct gush_rpc_server *server;
    struct gush_rpc_queue *queue;
    struct request *spare; /* its thread */
    unsigned posted_n;     /* its thread, after start */
    bool paused, closed;   /* its thread */
};

struct gush_rpc_server {
    struct gush_rpc_server_options options;
    grpc_server *core;
    grpc_server_credentials *plaintext;
    struct gush__secure *secure;  /* NULL: no TLS port */
    struct intake *intakes;       /* one per queue */
    struct gush_rpc_peers *peers; /* NULL: "fd:N" is how the library names them */
    struct gush__tag drained_tag;
    bool started, stopping; /* main thread */
    atomic_uint live;       /* calls and posted requests */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_bool drained; /* the library has no connection left */
};

/* ---- Metadata ------------------------------------------------------------------------------- */

static struct gush_span find_metadata(const struct gush_rpc_head *head, const char *key)
{
    const grpc_metadata_array *metadata = head->door;

    for (size_t i = 0; i < metadata->count; i++) {
        const grpc_metadata *m = &metadata->metadata[i];

        if (gush_span_eq_str(gush__slice_span(&m->key), key))
            return gush__slice_span(&m->value);
    }
    return GUSH_SPAN_EMPTY;
}

/* ---- New calls ------------------------------------------------------------------------------ */

static void on_request(struct gush__tag *tag, bool ok);

static void post(struct intake *in)
{
    struct request *r = in->spare;
    grpc_call_error error;

    in->spare = NULL;
    if (r == NULL)
        r = GUSH_NEW(struct request);
    r->tag = (struct gush__tag){.magic = gush__tag_MAGIC, .done = on_request};
    r->intake = in;
    r->core = NULL;
    grpc_call_details_init(&r->details);
    grpc_metadata_array_init(&r->metadata);
    error = grpc_server_request_call(in->server->core, &r->core, &r->details, &r->metadata,
                                     in->queue->cq, in->queue->cq, &r->tag);
    GUSH_ASSERT(error == GRPC_CALL_OK);
    in->posted_n++;
    in->queue->live_n++;
    gush__server_enter(in->server);
}

static void post_all(struct intake *in)
{
    while (in->posted_n < in->server->options.posted_n)
        post(in);
}

static void take_call(struct intake *in, struct request *r)
{
    struct gush_rpc_head head = {.find = find_metadata, .door = &r->metadata};
    struct gush_rpc_verdict verdict;
    const struct gush_rpc_service *service = gush_rpc_service_admit(
        in->server->options.services, gush__slice_span(&r->details.method), &head, &verdict);
    struct gush__core_call *call =
        gush__core_call_open(in->server, in->queue, r->core, service, &verdict);
    struct gush_rpc_end end = {verdict.status, gush_span_str(verdict.message), GUSH_SPAN_EMPTY};

    if (service == NULL)
        gush_rpc_call_finish(gush__core_call_base(call), NULL, &end);
    else
        gush__core_call_read(call);
}

static void on_request(struct gush__tag *tag, bool ok)
{
    struct request *r = GUSH_CONTAINER(tag, struct request, tag);
    struct intake *in = r->intake;

    in->posted_n--;
    in->queue->live_n--;
    if (!ok)
        in->closed = true; /* the server is going down */
    else if (!in->paused)
        post(in); /* before this call is handled: a queue without one loses calls */
    if (ok)
        take_call(in, r);
    gush__server_leave(in->server); /* after the call has entered */
    grpc_call_details_destroy(&r->details);
    grpc_metadata_array_destroy(&r->metadata);
    if (in->spare == NULL && ok)
        in->spare = r;
    else
        gush_free(r);
}

static struct intake *intake_of(struct gush_rpc_server *server, const struct gush_lane *lane)
{
    size_t i = 0;

    while (i < server->options.queues_n && &server->intakes[i].queue->lane != lane)
        i++;
    GUSH_ASSERT(i < server->options.queues_n); /* a lane of this server */
    return &server->intakes[i];
}

void gush_rpc_server_pause(struct gush_rpc_server *server, struct gush_lane *lane)
{
    gush_lane_assert(lane);
    intake_of(server, lane)->paused = true;
}

void gush_rpc_server_resume(struct gush_rpc_server *server, struct gush_lane *lane)
{
    struct intake *in = intake_of(server, lane);

    gush_lane_assert(lane);
    if (!in->paused)
        return;
    in->paused = false;
    if (!in->closed)
        post_all(in);
}

/* ---- Sockets -------------------------------------------------------------------------------- */

void gush_rpc_server_add_fd(struct gush_rpc_server *server, int fd)
{
    int on = 1, flags = fcntl(fd, F_GETFL);
    unsigned unacked_ms = UNACKED_MAX_MS;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        gush_log(GUSH_LOG_ERROR, "socket refused", GUSH_F("server", server->options.name),
                 GUSH_F("error", strerror(errno)));
        close(fd);
        return;
    }
    /* Sockets of other families do not have these; then there is nothing to gain either. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
    if (server->peers)
        gush_rpc_peers_add(server->peers, fd);
    grpc_server_add_channel_from_fd(server->core, fd, server->plaintext);
}

int gush__server_descriptor(struct gush_rpc_server *server, const char *peer)
{
    if (strncmp(peer, "fd:", 3) == 0)
        return (int)strtol(peer + 3, NULL, 10);
    return server->peers ? gush_rpc_peers_find(server->peers, peer) : -1;
}

/* The library only says that something failed: so the address is tried out before. */
static gush_err try_out(const struct gush_rpc_server_address *address, char *message,
                        size_t message_n)
{
    uint16_t port;
    int fd;
    gush_err err = gush_tcp_listen(address->host, address->port, &fd, 1, &port, message, message_n);

    if (err == GUSH_OK)
        close(fd);
    return err;
}

gush_err gush_rpc_server_listen_tls(struct gush_rpc_server *server,
                                    const struct gush_rpc_server_address *address,
                                    struct gush_tls *tls, uint16_t *bound_port, char *message,
                                    size_t message_n)
{
    gush_err err = try_out(address, message, message_n);
    /* The library wants IPv6 in brackets. */
    bool bare = strchr(address->host, ':') != NULL && address->host[0] != '[';
    char target[300];
    int port;

    GUSH_ASSERT(!server->started && server->secure == NULL);
    if (err != GUSH_OK)
        return err;
    snprintf(target, sizeof(target), bare ? "[%s]:%u" : "%s:%u",
             *address->host ? address->host : "[::]", address->port);
    server->secure = gush__secure_new(tls);
    port =
        grpc_server_add_http2_port(server->core, target, gush__secure_credentials(server->secure));
    if (port <= 0) {
        snprintf(message, message_n, "%s: cannot listen on %s with TLS", server->options.name,
                 target);
        return GUSH_EIO;
    }
    *bound_port = (uint16_t)port;
    return GUSH_OK;
}

/* ---- Life ----------------------------------------------------------------------------------- */

struct arguments {
    grpc_arg items[24];
    size_t n;
};

static void argue(struct arguments *a, const char *key, int value)
{
    grpc_arg *arg = &a->items[a->n++];

    GUSH_ASSERT(a->n <= sizeof(a->items) / sizeof(a->items[0]));
    *arg = (grpc_arg){.type = GRPC_ARG_INTEGER};
    memcpy(&arg->key, &key, sizeof(key)); /* the library takes it as not const, and copies it */
    arg->value.integer = value;
}

/* INT_MAX stands for never. */
static int to_int(uint64_t n)
{
    return n > 0 && n < INT_MAX ? (int)n : INT_MAX;
}

static void argue_connections(struct arguments *a, const struct gush_rpc_connections *c)
{
    int strikes = c->peer_ping_min_ms > 0 ? PEER_PING_STRIKES : 0; /* 0: any number */

    argue(a, GRPC_ARG_KEEPALIVE_TIME_MS, to_int(c->ping_ms));
    argue(a, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, to_int(c->ping_timeout_ms));
    /* Newer libraries look at this one instead, and have no name for it. */
    if (GUSH__CORE_NEWER && c->ping_ms > 0)
        argue(a, "grpc.http2.ping_timeout_ms", to_int(c->ping_timeout_ms));
    argue(a, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    argue(a, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    argue(a, GRPC_ARG_HTTP2_MAX_PING_STRIKES, strikes);
    if (strikes > 0)
        argue(a, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
              to_int(c->peer_ping_min_ms));
    if (c->age_ms > 0)
        argue(a, GRPC_ARG_MAX_CONNECTION_AGE_MS, to_int(c->age_ms));
    if (c->age_grace_ms > 0)
        argue(a, GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, to_int(c->age_grace_ms));
    if (c->idle_ms > 0)
        argue(a, GRPC_ARG_MAX_CONNECTION_IDLE_MS, to_int(c->idle_ms));
    argue(a, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, to_int(c->handshake_ms));
}

/* The minimal stack of the library has no room for that. */
static bool ends_connections(const struct gush_rpc_server_options *options)
{
    return options->connections.age_ms > 0 || options->connections.idle_ms > 0;
}

static grpc_server *core_new(const struct gush_rpc_server_options *options)
{
    struct arguments a = {.n = 0};
    size_t max = options->request_max_bytes < INT_MAX ? options->request_max_bytes : INT_MAX;
    grpc_channel_args args;

    argue(&a, GRPC_ARG_ALLOW_REUSEPORT, 0);
    argue(&a, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)max);
    argue(&a, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
    argue(&a, GRPC_ARG_ENABLE_CHANNELZ, 0);
    argue_connections(&a, &options->connections);
    /* The library would unpack a request of 4 MB into one of 4 GB before it looks at the limit. */
    argue(&a, GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    argue(&a, GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, GUSH__ENCODING_ACCEPTED);
    if (options->streams_max > 0)
        argue(&a, GRPC_ARG_MAX_CONCURRENT_STREAMS, (int)options->streams_max);
    if (options->lean) {
        if (!ends_connections(options))
            argue(&a, GRPC_ARG_MINIMAL_STACK, 1);
        argue(&a, GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
#ifdef GRPC_ARG_ENABLE_DEADLINE_CHECKS /* newer libraries do it always */
        argue(&a, GRPC_ARG_ENABLE_DEADLINE_CHECKS, 1);
#endif
        argue(&a, "grpc.experimental.tcp_read_chunk_size", READ_CHUNK_BYTES);
        argue(&a, "grpc.experimental.tcp_min_read_chunk_size", READ_CHUNK_BYTES);
    }
    args = (grpc_channel_args){.num_args = a.n, .args = a.items};
    return grpc_server_create(&args, NULL);
}

/* Somebody may be waiting for what just happened. */
static void tell(struct gush_rpc_server *server)
{
    pthread_mutex_lock(&server->mutex);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

const struct gush_rpc_server_options *gush__server_options(const struct gush_rpc_server *server)
{
    return &server->options;
}

void gush__server_enter(struct gush_rpc_server *server)
{
    atomic_fetch_add_explicit(&server->live, 1, memory_order_relaxed);
}

void gush__server_leave(struct gush_rpc_server *server)
{
    if (atomic_fetch_sub_explicit(&server->live, 1, memory_order_acq_rel) == 1)
        tell(server);
}

static void on_drained(struct gush__tag *tag, bool ok)
{
    struct gush_rpc_server *server = GUSH_CONTAINER(tag, struct gush_rpc_server, drained_tag);

    (void)ok;
    server->intakes[0].queue->live_n--;
    atomic_store_explicit(&server->drained, true, memory_order_release);
    tell(server);
}

struct gush_rpc_server *gush_rpc_server_new(const struct gush_rpc_server_options *options)
{
    struct gush_rpc_server *server = GUSH_NEW(struct gush_rpc_server);
    pthread_condattr_t attr;

    GUSH_ASSERT(options->queues_n > 0 && options->posted_n > 0);
    server->options = *options;
    server->core = core_new(options);
    server->plaintext = grpc_insecure_server_credentials_create();
    server->peers = GUSH__CORE_NEWER ? gush_rpc_peers_new() : NULL;
    server->drained_tag = (struct gush__tag){.magic = gush__tag_MAGIC, .done = on_drained};
    pthread_mutex_init(&server->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &attr);
    pthread_condattr_destroy(&attr);
    server->intakes = gush_zalloc(options->queues_n, sizeof(server->intakes[0]));
    for (size_t i = 0; i < options->queues_n; i++) {
        server->intakes[i].server = server;
        server->intakes[i].queue = options->queues[i];
        grpc_server_register_completion_queue(server->core, options->queues[i]->cq, NULL);
    }
    return server;
}

void gush_rpc_server_start(struct gush_rpc_server *server)
{
    GUSH_ASSERT(!server->started);
    server->started = true;
    grpc_server_start(server->core);
    server->intakes[0].queue->live_n++; /* the drained tag, to come */
    for (size_t i = 0; i < server->options.queues_n; i++) {
        GUSH_ASSERT(!server->intakes[i].queue->started);
        post_all(&server->intakes[i]);
    }
}

void gush_rpc_server_stop(struct gush_rpc_server *server)
{
    if (!server->started || server->stopping)
        return;
    server->stopping = true;
    grpc_server_shutdown_and_notify(server->core, server->intakes[0].queue->cq,
                                    &server->drained_tag);
}

static bool no_calls(const struct gush_rpc_server *server)
{
    return atomic_load_explicit(&server->live, memory_order_acquire) == 0;
}

static bool no_connections(const struct gush_rpc_server *server)
{
    return atomic_load_explicit(&server->drained, memory_order_acquire);
}

static bool wait_until(struct gush_rpc_server *server, uint64_t timeout_ms,
                       bool (*true_now)(const struct gush_rpc_server *server))
{
    struct timespec until;
    bool is;
    int failed = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&server->mutex);
    while (!(is = true_now(server)) && failed == 0)
        failed = pthread_cond_timedwait(&server->changed, &server->mutex, &until);
    pthread_mutex_unlock(&server->mutex);
    return is;
}

bool gush_rpc_server_wait(struct gush_rpc_server *server, uint64_t timeout_ms)
{
    if (!server->started)
        return true;
    GUSH_ASSERT(server->stopping);
    if (!wait_until(server, timeout_ms, no_calls))
        return false;
    /* A client without calls may not look at its connection for a long time. */
    if (!wait_until(server, GOODBYE_MS, no_connections))
        grpc_server_cancel_all_calls(server->core);
    return wait_until(server, CLOSE_MS, no_connections);
}

void gush_rpc_server_cancel(struct gush_rpc_server *server)
{
    GUSH_ASSERT(!server->started || server->stopping);
    if (server->started)
        grpc_server_cancel_all_calls(server->core);
}

/* The library wants ports to be shut down before they are destroyed, also those of a server that
 * never started, and says on a queue when that is done. Ours have no thread then. */
static void close_idle_ports(struct gush_rpc_server *server)
{
    gpr_timespec forever = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    grpc_completion_queue *cq = grpc_completion_queue_create_for_next(NULL);

    grpc_server_register_completion_queue(server->core, cq, NULL);
    grpc_server_shutdown_and_notify(server->core, cq, server);
    (void)grpc_completion_queue_next(cq, forever, NULL); /* nothing else was ever asked */
    grpc_completion_queue_shutdown(cq);
    (void)grpc_completion_queue_next(cq, forever, NULL);
    grpc_completion_queue_destroy(cq);
}

void gush_rpc_server_free(struct gush_rpc_server *server)
{
    if (server == NULL)
        return;
    GUSH_ASSERT(!server->started || no_connections(server));
    if (!server->started && server->secure)
        close_idle_ports(server);
    grpc_server_destroy(server->core);
    grpc_server_credentials_release(server->plaintext);
    gush__secure_free(server->secure);
    gush_rpc_peers_free(server->peers);
    for (size_t i = 0; i < server->options.queues_n; i++)
        gush_free(server->intakes[i].spare);
    gush_free(server->intakes);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->mutex);
    gush_free(server);
}
