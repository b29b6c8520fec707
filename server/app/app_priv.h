/* app_priv: the parts of the app. */
#ifndef GUSH_APP_APP_PRIV_H
#define GUSH_APP_APP_PRIV_H

#include <stdatomic.h>

#include "server/base/buf.h"

#include "server/net/gate.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/net/tls.h"
#include "server/net/tls_server.h"

#include "server/auth/token.h"
#include "server/http/access_log.h"
#include "server/http/cors.h"
#include "server/http/forwarded.h"
#include "server/http/front.h"
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
struct gush_rpc_http;
struct gush_rpc_reflection;
struct gush_sse;

/* One HTTP listener: what its addresses have in common. */
struct gush__app_site {
    const char *name;                 /* in logs and metrics: "http", "http_internal" */
    const struct gush_router *router; /* NULL: the other one serves its handlers */
    bool proxy;                       /* connections begin with a PROXY header */
    bool h2c;                         /* HTTP/2 in clear text, too */
    struct gush_tls_server *tls;      /* of its ports, may be the other one's; NULL: clear text */
    struct gush_gate *gate;           /* NULL: not opened */
};

enum gush__app_which { GUSH__APP_EXTERNAL, GUSH__APP_INTERNAL, GUSH__APP_SITES_N };

#define GUSH__APP_NAMES_MAX 256 /* bytes of the names of all endpoints */

/* One address with a socket per loop, or a unix socket. */
struct gush__app_door {
    const char *name; /* in logs and metrics: that of the site, or "grpc_api", "uni_grpc" */
    char address[160];
    uint16_t port;
    bool is_unix;                   /* the first of |fds| is for all loops */
    int *fds;                       /* by loop; -1 once its loop has it */
    struct gush__app_site *site;    /* NULL: not HTTP, then ... */
    struct gush_rpc_server *server; /* ... connections go there */
    struct gush_gate *gate;         /* the site's, or its own */
};

struct gush_app {
    const struct gush_config *config;
    struct gush_token_verifier *verifier;
    struct gush_node *node;
    struct gush_lane **lanes; /* loops first, then queues */
    size_t loops_n, queues_n;
    struct gush__app_loop {
        struct gush_app *app;
        struct gush_loop *loop;
        struct gush_front **fronts;       /* by door; NULL: not HTTP */
        struct gush_listener **listeners; /* by door */
        atomic_size_t under_way;          /* HTTP requests at the last count, or not counted */
        atomic_bool closed;               /* listeners are, and what they let in is asked to end */
        bool runs;
        bool failed;
    } * loops;
    struct gush_rpc_queue **queues;
    struct gush__app_site sites[GUSH__APP_SITES_N];
    struct gush__app_door *doors;
    size_t doors_n, doors_most;
    struct gush__app_http_tls {
        struct gush_tls *pems;
        struct gush_tls_server *server;
    } http_tls, http_internal_tls; /* NULL: not configured */
    struct gush_access_log *access_log;
    struct gush_forwarded *forwarded;
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
    struct gush__app_rpc_site {
        struct gush_rpc_http *door; /* NULL: no gRPC there */
        struct gush__app_services services;
    } rpc_sites[GUSH__APP_SITES_N]; /* gRPC on the HTTP listeners */
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

/* ---- sites.c: what HTTP listeners are like --------------------------------------------------- */

/* Behind gush__app_routes. */
GUSH_MUST_USE gush_err gush__app_sites(struct gush_app *app, char *message, size_t message_n);
void gush__app_sites_free(struct gush_app *app);
/* How many endpoints |site| serves; their names to |out|. */
size_t gush__app_sites_names(const struct gush_app *app, const struct gush__app_site *site,
                             char *out, size_t out_n);

/* What speaks HTTP on |loop| for one door of |site|. */
struct gush_front *gush__app_sites_front(struct gush_app *app, const struct gush__app_site *site,
                                         struct gush_loop *loop, bool is_unix);

/* ---- doors.c: where connections come in -------------------------------------------------------
 */

/* Binds everything. Errors as gush_app_new. */
GUSH_MUST_USE gush_err gush__app_doors(struct gush_app *app, char *message, size_t message_n);
/* On the loop's thread: accept, and no more.   GUSH_EIO */
GUSH_MUST_USE gush_err gush__app_doors_listen(struct gush__app_loop *loop);
void gush__app_doors_close(struct gush__app_loop *loop);
/* Counts the HTTP requests under way, which takes loops a moment: false as long as one may be. */
bool gush__app_doors_quiet(struct gush_app *app);
/* Says in the log what is served where. */
void gush__app_doors_tell(const struct gush_app *app);
/* No loop runs any more. */
void gush__app_doors_free(struct gush_app *app);

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
/* Counts a request; |app| is a gush_app. For gush_access_log_options. */
void gush__app_metrics_answered(void *app, struct gush_span method, struct gush_span path,
                                unsigned status);
/* |path| is borrowed. */
struct gush_route gush__app_metrics_slow(struct gush_app *app, const char *path);

/* ---- demo.c: the page ------------------------------------------------------------------------ */

/* Makes the page, once. */
struct gush_route gush__app_demo_route(struct gush_app *app);

#endif
