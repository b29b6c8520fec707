/* app_priv: the parts of the app. */
#ifndef GUSH_APP_APP_PRIV_H
#define GUSH_APP_APP_PRIV_H

#include "server/base/buf.h"

#include "server/net/gate.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/net/tls.h"

#include "server/auth/token.h"
#include "server/http/cors.h"
#include "server/http/h1.h"
#include "server/http/router.h"
#include "server/rpc/queue.h"
#include "server/rpc/server.h"

#include "server/engine/node.h"

#include "server/app/app.h"

struct gush_api_grpc;
struct gush_api_http;
struct gush_grpc_uni;
struct gush_http_push;
struct gush_rpc_health;
struct gush_rpc_reflection;
struct gush_sse;

/* One address, a socket per loop. */
struct gush__app_door {
    const char *name; /* in logs: "http", "grpc_api", "uni_grpc" */
    uint16_t port;
    int *fds;                       /* by loop; -1 once its loop has it */
    struct gush_rpc_server *server; /* where connections go; NULL: HTTP */
    const struct gush_router *router;
    const struct gush_grpc_port_config *net; /* limits of its gate; NULL: descriptors only */
    struct gush_gate *gate;
};

#define GUSH__APP_DOORS_MAX 4

struct gush_app {
    const struct gush_config *config;
    struct gush_token_verifier *verifier;
    struct gush_node *node;
    struct gush_lane **lanes; /* loops first, then queues */
    size_t loops_n, queues_n;
    struct gush__app_loop {
        struct gush_app *app;
        struct gush_loop *loop;
        struct gush_h1 *h1[GUSH__APP_DOORS_MAX];
        struct gush_listener *listeners[GUSH__APP_DOORS_MAX];
        bool failed;
    } * loops;
    struct gush_rpc_queue **queues;
    struct gush__app_door doors[GUSH__APP_DOORS_MAX];
    size_t doors_n;
    struct gush_census *census; /* of all gates */
    struct gush_cors *cors;
    struct gush_router *external, *internal; /* the same one when one port serves both */
    struct gush_sse *sse;
    struct gush_http_push *http_stream;
    struct gush_api_grpc *api_grpc;
    struct gush_api_http *api_http;
    struct gush_grpc_uni *grpc_uni;
    struct gush_rpc_server *api_server, *uni_server;
    struct gush__app_services {
        struct gush_rpc_health *health;
        struct gush_rpc_reflection *reflection; /* NULL: off */
    } api_services, uni_services;               /* besides their own */
    struct gush__app_tls_port {
        struct gush_tls *tls; /* NULL: clear text */
        uint16_t port;        /* the library's; it has no door of ours */
    } api_tls, uni_tls;
    struct gush_buf demo_page; /* as it is served */
    bool started;
};

/* ---- routes.c: what is answered over HTTP --------------------------------------------------- */

GUSH_MUST_USE gush_err gush__app_routes(struct gush_app *app, char *message, size_t message_n);
void gush__app_routes_free(struct gush_app *app);

/* ---- rpc.c: what is answered over gRPC ------------------------------------------------------ */

GUSH_MUST_USE gush_err gush__app_rpc(struct gush_app *app, char *message, size_t message_n);
void gush__app_rpc_free(struct gush_app *app);
/* First step of going down: health says NOT_SERVING, and streams that only wait for news (Watch,
 * reflection) end. Any thread, once. */
void gush__app_rpc_not_serving(struct gush_app *app);

/* ---- metrics.c: pages that tell how the server does -------------------------------------------
 */

/* Once the node is there. */
void gush__app_metrics_init(struct gush_app *app);
struct gush_route gush__app_metrics_route(struct gush_app *app);
/* |path| is borrowed. */
struct gush_route gush__app_metrics_slow(struct gush_app *app, const char *path);

/* ---- demo.c: the page ------------------------------------------------------------------------ */

/* Makes the page, once. */
struct gush_route gush__app_demo_route(struct gush_app *app);

#endif
