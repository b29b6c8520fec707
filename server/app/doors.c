/* doors: where connections come in. A site is what the addresses of one HTTP listener have in
 * common; a door is one address, with a socket for each loop, or one unix socket. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/net/tcp.h"
#include "server/net/unix.h"

#include "server/rpc/library.h"

#include "server/app/app_priv.h"

/* Of HTTP requests under way. */
#define NOT_COUNTED SIZE_MAX /* nobody has asked */
#define COUNTING    (SIZE_MAX - 1)

/* Where to say what went wrong. */
struct failure {
    char *message;
    size_t message_n;
};

/* ---- gates ----------------------------------------------------------------------------------- */

#define WAITING_PARTS 4 /* of this many descriptors one may be waiting at a gate ... */
#define WAITING_MAX   16384

/* ... so that a crowd that says nothing leaves most of them to others. */
static unsigned waiting_max(const struct gush_app *app)
{
    int descriptors = gush_gate_descriptors() / WAITING_PARTS;
    size_t most = descriptors < WAITING_MAX ? (size_t)descriptors : WAITING_MAX;
    size_t each = most / app->loops_n;

    return each > 0 ? (unsigned)each : 1;
}

static uint64_t positive(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

#define OURS_PARTS 16

/* Subscribers leave one of so many descriptors to the ports of the operator: API, health, metrics.
 */
static int descriptors_of(bool is_ours)
{
    int all = gush_gate_descriptors();

    return is_ours ? all : all - all / OURS_PARTS;
}

static struct gush_gate *rpc_gate(const struct gush_app *app, const struct gush__app_door *door,
                                  const struct gush_grpc_port_config *net)
{
    struct gush_gate_options o = {.name = door->name,
                                  .census = app->census,
                                  .descriptors_max =
                                      descriptors_of(door->server == app->api_server),
                                  .most = positive(net->connection_limit),
                                  .most_per_address = positive(net->connection_limit_per_address),
                                  .first = gush_span_str(GUSH_RPC_PREFACE),
                                  .answer = gush_span_str(GUSH_RPC_NOT_HTTP1),
                                  .first_ms = positive(net->handshake_timeout_ms),
                                  .waiting_max = waiting_max(app)};

    return gush_gate_new(&o);
}

static struct gush_gate *http_gate(const struct gush_app *app, const struct gush__app_site *site)
{
    const struct gush_config *c = app->config;
    struct gush_gate_options o = {
        .name = site->name,
        .census = app->census,
        .descriptors_max = descriptors_of(site != &app->sites[GUSH__APP_EXTERNAL]),
        .most = positive(c->http_server.connection_limit),
        .most_per_address = positive(c->http_server.connection_limit_per_address)};

    return gush_gate_new(&o);
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/* "127.0.0.1:8000", "[::1]:8000", ":8000" */
static void print_address(char *out, size_t out_n, const char *host, uint16_t port)
{
    bool v6 = strchr(host, ':') != NULL;

    snprintf(out, out_n, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

static const char *tls_of(const struct gush_app *app, const struct gush__app_door *door)
{
    const struct gush_config *c = app->config;
    const struct gush_tls_config *tls = &c->http_server.tls;

    if (door->site == NULL || door->site->tls == NULL)
        return "off";
    if (door->site->tls == app->http_internal_tls.server)
        tls = &c->http_server.internal_tls;
    return *tls->client_ca_pem ? "mutual" : "server";
}

static struct gush__app_door *new_door(struct gush_app *app, const struct gush__app_door *d)
{
    struct gush__app_door *door = &app->doors[app->doors_n];

    GUSH_ASSERT(app->doors_n < app->doors_most);
    *door = *d;
    door->fds = gush_alloc(app->loops_n * sizeof(int));
    for (size_t i = 0; i < app->loops_n; i++)
        door->fds[i] = -1;
    app->doors_n++; /* from here on gush__app_doors_free knows it */
    return door;
}

/* Binds |host|:|port|, one socket per loop, for what |d| says. */
static gush_err open_tcp(struct gush_app *app, const struct gush__app_door *d, const char *host,
                         uint16_t port, struct failure *f)
{
    struct gush__app_door *door = new_door(app, d);
    gush_err err =
        gush_tcp_listen(host, port, door->fds, app->loops_n, &door->port, f->message, f->message_n);

    if (err != GUSH_OK) {
        app->doors_n--;
        gush_free(door->fds);
        return err;
    }
    print_address(door->address, sizeof door->address, host, door->port);
    gush_log(GUSH_LOG_INFO, "listening", GUSH_F("listener", door->name), GUSH_F("address", host),
             GUSH_FU("port", door->port), GUSH_F("tls", tls_of(app, door)));
    return GUSH_OK;
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static gush_err open_unix(struct gush_app *app, struct gush__app_site *site, const char *path,
                          struct failure *f)
{
    const struct gush__app_door d = {
        .name = site->name, .site = site, .gate = site->gate, .is_unix = true};
    struct gush__app_door *door;
    gush_err err;

    if (*path == '\0')
        return GUSH_OK;
    door = new_door(app, &d);
    err = gush_unix_listen(path, app->config->http_server.unix_mode, &door->fds[0], f->message,
                           f->message_n);
    if (err != GUSH_OK)
        return err;
    snprintf(door->address, sizeof door->address, "%s", path);
    gush_log(GUSH_LOG_INFO, "listening", GUSH_F("listener", door->name), GUSH_F("path", path));
    return GUSH_OK;
}

static gush_err open_external(struct gush_app *app, struct failure *f)
{
    const struct gush_config *c = app->config;
    struct gush__app_site *site = &app->sites[GUSH__APP_EXTERNAL];
    const struct gush__app_door d = {.name = site->name, .site = site, .gate = site->gate};
    gush_err err = open_tcp(app, &d, c->http_server.address, (uint16_t)c->http_server.port, f);

    for (size_t i = 0; err == GUSH_OK && i < c->http_server.further_n; i++)
        err = open_tcp(app, &d, c->http_server.further[i].host, c->http_server.further[i].port, f);
    return err == GUSH_OK ? open_unix(app, site, c->http_server.unix_socket, f) : err;
}

static gush_err open_internal(struct gush_app *app, struct failure *f)
{
    const struct gush_config *c = app->config;
    struct gush__app_site *site = &app->sites[GUSH__APP_INTERNAL];
    const struct gush__app_door d = {.name = site->name, .site = site, .gate = site->gate};
    uint64_t port = 0;
    gush_err err = GUSH_OK;

    if (*c->http_server.internal_port) {
        err = gush_parse_u64(gush_span_str(c->http_server.internal_port), &port);
        GUSH_ASSERT(err == GUSH_OK && port <= UINT16_MAX); /* the configuration was checked */
        err = open_tcp(app, &d, c->http_server.internal_address, (uint16_t)port, f);
    }
    return err == GUSH_OK ? open_unix(app, site, c->http_server.internal_unix_socket, f) : err;
}

/* A listener without handlers is not opened. */
static gush_err open_site(struct gush_app *app, enum gush__app_which which, struct failure *f)
{
    struct gush__app_site *site = &app->sites[which];
    char names[GUSH__APP_NAMES_MAX];

    if (site->router == NULL)
        return GUSH_OK; /* the other one serves its handlers */
    if (gush__app_sites_names(app, site, names, sizeof names) == 0) {
        gush_log(GUSH_LOG_INFO, "not listening: nothing to serve there is enabled",
                 GUSH_F("listener", site->name));
        return GUSH_OK;
    }
    site->gate = http_gate(app, site);
    return which == GUSH__APP_EXTERNAL ? open_external(app, f) : open_internal(app, f);
}

/* ---- gRPC ------------------------------------------------------------------------------------ */

/* A gRPC port and where it is configured. */
struct rpc_port {
    const char *name, *tls_name, *host;
    int64_t port;
    const struct gush_tls_config *tls_config;
    const struct gush_grpc_port_config *net;
    struct gush_rpc_server *server; /* NULL: not served */
    struct gush__app_tls_port *tls;
};

static gush_err open_rpc_tls(const struct rpc_port *p, struct failure *f)
{
    struct gush_tls_options o = {.name = p->tls_name,
                                 .cert_pem = p->tls_config->cert_pem,
                                 .key_pem = p->tls_config->key_pem,
                                 .client_ca_pem = p->tls_config->client_ca_pem};
    struct gush_rpc_server_address address = {.host = p->host, .port = (uint16_t)p->port};
    gush_err err = gush_tls_new(&o, &p->tls->tls, f->message, f->message_n);

    if (err == GUSH_OK)
        err = gush_rpc_server_listen_tls(p->server, &address, p->tls->tls, &p->tls->port,
                                         f->message, f->message_n);
    if (err != GUSH_OK)
        return err;
    gush_log(GUSH_LOG_INFO, "listening", GUSH_F("listener", p->name), GUSH_F("address", p->host),
             GUSH_FU("port", p->tls->port), GUSH_F("tls", *o.client_ca_pem ? "mutual" : "server"));
    gush_log(GUSH_LOG_WARN,
             "TLS of the gRPC library: no connection limits, and running out of descriptors ends "
             "the listener; where strangers connect, put a TLS proxy in front",
             GUSH_F("listener", p->name));
    return GUSH_OK;
}

static gush_err open_rpc_clear(struct gush_app *app, const struct rpc_port *p, struct failure *f)
{
    const struct gush__app_door d = {.name = p->name, .server = p->server};
    gush_err err = open_tcp(app, &d, p->host, (uint16_t)p->port, f);

    if (err == GUSH_OK) {
        struct gush__app_door *door = &app->doors[app->doors_n - 1];
        door->gate = rpc_gate(app, door, p->net);
    }
    return err;
}

/* Only programs of this machine can reach |host|. */
static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static gush_err open_rpc(struct gush_app *app, const struct rpc_port *p, struct failure *f)
{
    gush_err err;

    if (p->server == NULL)
        return GUSH_OK;
    err = p->tls_config->enabled ? open_rpc_tls(p, f) : open_rpc_clear(app, p, f);
    if (err == GUSH_OK && !gush_rpc_library_hardened() && !is_loopback(p->host))
        gush_log(GUSH_LOG_WARN,
                 "this gRPC library is for trusted networks: see docs/hostile-networks.md",
                 GUSH_F("listener", p->name), GUSH_F("address", p->host),
                 GUSH_F("library", gush_rpc_library_version()));
    return err;
}

/* A gRPC connection arrived on a loop; from here on it is the library's. */
static void accept_rpc(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    struct gush_rpc_server *server = arg;

    (void)loop;
    (void)peer;
    gush_rpc_server_add_fd(server, fd);
}

/* ---- all ------------------------------------------------------------------------------------- */

gush_err gush__app_doors(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_config *c = app->config;
    struct failure f = {message, message_n};
    const struct rpc_port api = {"grpc_api",       "grpc_api.tls",   c->grpc_api.address,
                                 c->grpc_api.port, &c->grpc_api.tls, &c->grpc_api.net,
                                 app->api_server,  &app->api_tls};
    const struct rpc_port uni = {"uni_grpc",       "uni_grpc.tls",   c->uni_grpc.address,
                                 c->uni_grpc.port, &c->uni_grpc.tls, &c->uni_grpc.net,
                                 app->uni_server,  &app->uni_tls};
    gush_err err;

    app->doors_most = 6 + c->http_server.further_n; /* both sites, sockets, gRPC ports */
    app->doors = gush_zalloc(app->doors_most, sizeof *app->doors);
    err = open_site(app, GUSH__APP_EXTERNAL, &f);
    if (err == GUSH_OK)
        err = open_site(app, GUSH__APP_INTERNAL, &f);
    if (err == GUSH_OK)
        err = open_rpc(app, &api, &f);
    if (err == GUSH_OK)
        err = open_rpc(app, &uni, &f);
    if (err != GUSH_OK)
        return err;
    for (size_t i = 0; i < app->loops_n; i++) {
        struct gush__app_loop *l = &app->loops[i];
        atomic_init(&l->under_way, NOT_COUNTED);
        l->fronts = gush_zalloc(app->doors_n + 1, sizeof *l->fronts);
        l->listeners = gush_zalloc(app->doors_n + 1, sizeof *l->listeners);
        for (size_t d = 0; d < app->doors_n; d++)
            if (app->doors[d].site)
                l->fronts[d] =
                    gush__app_sites_front(app, app->doors[d].site, l->loop, app->doors[d].is_unix);
    }
    return GUSH_OK;
}

/* A unix socket cannot be opened once for each loop: the first one deals to all. */
static gush_err open_dealing(struct gush__app_loop *l, size_t index)
{
    struct gush_app *app = l->app;
    struct gush__app_door *door = &app->doors[index];
    struct gush_listener_seat *seats = gush_zalloc(app->loops_n, sizeof *seats);
    gush_err err;

    for (size_t i = 0; i < app->loops_n; i++)
        seats[i] = (struct gush_listener_seat){app->loops[i].loop, app->loops[i].fronts[index]};
    err = gush_listener_open_dealing(l->loop, door->fds[0], door->gate, gush_front_accept, seats,
                                     app->loops_n, &l->listeners[index]);
    gush_free(seats);
    return err;
}

static gush_err open_listener(struct gush__app_loop *l, size_t index)
{
    struct gush__app_door *door = &l->app->doors[index];
    size_t loop_index = (size_t)(l - l->app->loops);

    if (door->is_unix)
        return loop_index == 0 ? open_dealing(l, index) : GUSH_OK;
    return gush_listener_open_gated(
        l->loop, door->fds[loop_index], door->gate, door->site ? gush_front_accept : accept_rpc,
        door->site ? (void *)l->fronts[index] : door->server, &l->listeners[index]);
}

gush_err gush__app_doors_listen(struct gush__app_loop *l)
{
    gush_err err = GUSH_OK;

    for (size_t i = 0; i < l->app->doors_n; i++) {
        gush_err one = open_listener(l, i);
        l->app->doors[i].fds[l - l->app->loops] = -1; /* also on failure */
        err = err == GUSH_OK ? one : err;
    }
    return err;
}

void gush__app_doors_tell(const struct gush_app *app)
{
    char names[GUSH__APP_NAMES_MAX], line[GUSH__APP_NAMES_MAX + 256];

    for (size_t i = 0; i < app->doors_n; i++) {
        const struct gush__app_door *door = &app->doors[i];

        if (door->site) {
            (void)gush__app_sites_names(app, door->site, names, sizeof names);
            snprintf(line, sizeof line, "serving %s endpoints on %s%s", names, door->address,
                     door->site->h2c && (door->is_unix || !door->site->tls)
                         ? " with HTTP/2 cleartext"
                         : "");
        } else {
            snprintf(line, sizeof line, "serving %s on %s",
                     door->server == app->api_server ? "GRPC API service" : "unidirectional GRPC",
                     door->address);
        }
        gush_log(GUSH_LOG_INFO, line);
    }
}

void gush__app_doors_close(struct gush__app_loop *l)
{
    for (size_t i = 0; i < l->app->doors_n; i++) {
        if (l->listeners[i])
            gush_listener_close(l->listeners[i]);
        l->listeners[i] = NULL;
    }
    for (size_t i = 0; i < l->app->doors_n; i++)
        if (l->fronts[i])
            gush_front_drain(l->fronts[i]);
    atomic_store(&l->closed, true);
}

/* ---- under way ------------------------------------------------------------------------------- */

static void count_under_way(struct gush_loop *loop, void *arg)
{
    struct gush__app_loop *l = arg;
    size_t n = 0;

    (void)loop;
    for (size_t i = 0; i < l->app->doors_n; i++)
        if (l->fronts[i])
            n += gush_front_under_way(l->fronts[i]);
    atomic_store(&l->under_way, n);
}

bool gush__app_doors_quiet(struct gush_app *app)
{
    bool quiet = true;

    for (size_t i = 0; i < app->loops_n; i++) {
        struct gush__app_loop *l = &app->loops[i];
        size_t n = atomic_load(&l->under_way);

        if (!l->runs || n == 0)
            continue;
        quiet = false;
        if (n == COUNTING)
            continue;
        atomic_store(&l->under_way, COUNTING);
        if (!gush_loop_post(l->loop, count_under_way, l))
            atomic_store(&l->under_way, 0); /* it has ended */
    }
    return quiet;
}

void gush__app_doors_free(struct gush_app *app)
{
    for (size_t d = 0; d < app->doors_n; d++) {
        struct gush__app_door *door = &app->doors[d];

        for (size_t i = 0; i < app->loops_n; i++) {
            if (app->loops[i].fronts)
                gush_front_free(app->loops[i].fronts[d]);
            if (door->fds[i] < 0)
                continue;
            close(door->fds[i]);
            if (door->is_unix) /* made by us, and no listener has it, which would do this */
                unlink(door->address);
        }
        if (door->site == NULL)
            gush_gate_free(door->gate);
        gush_free(door->fds);
    }
    for (size_t i = 0; i < app->loops_n && app->loops; i++) {
        gush_free(app->loops[i].fronts);
        gush_free(app->loops[i].listeners);
    }
    gush_free(app->doors);
}
