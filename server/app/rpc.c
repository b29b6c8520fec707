/* rpc: the gRPC servers, on queues that they share. */
#include <stdio.h>

#include "api/grpc/grpc.h"
#include "server/app/app_priv.h"
#include "transports/grpc_uni/grpc_uni.h"

gush_err gush__app_rpc(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_config *c = app->config;

    (void)message;
    (void)message_n;
    if (c->grpc_api.enabled) {
        app->api_grpc = gush_api_grpc_new(app->node);
        app->api_server = gush_api_grpc_server_new(app->api_grpc, app->queues, app->queues_n);
    }
    if (c->uni_grpc.enabled) {
        app->grpc_uni = gush_grpc_uni_new(app->node);
        app->uni_server = gush_grpc_uni_server_new(app->grpc_uni, app->queues, app->queues_n);
    }
    return GUSH_OK;
}

void gush__app_rpc_free(struct gush_app *app)
{
    if (app->api_server)
        gush_rpc_server_free(app->api_server);
    if (app->uni_server)
        gush_rpc_server_free(app->uni_server);
    gush_api_grpc_free(app->api_grpc);
    gush_grpc_uni_free(app->grpc_uni);
}
