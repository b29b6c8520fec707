#include "server/app/pems.h"

#include "server/net/tls.h"
#include "server/net/tls_server.h"

/* What is good PEM may still be too weak for a listener. */
static gush_err check_use(const char *name, struct gush_tls *tls, char *message, size_t message_n)
{
    const struct gush_tls_server_options options = {.name = name, .tls = tls};
    struct gush_tls_server *server = NULL;
    gush_err err = gush_tls_server_new(&options, &server, message, message_n);

    gush_tls_server_free(server);
    return err;
}

/* |ours|: used by our own listeners, not by the gRPC library's. */
static gush_err check(const char *name, const struct gush_tls_config *tls, bool ours, char *message,
                      size_t message_n)
{
    const struct gush_tls_options options = {.name = name,
                                             .cert_pem = tls->cert_pem,
                                             .key_pem = tls->key_pem,
                                             .client_ca_pem = tls->client_ca_pem};
    struct gush_tls *loaded = NULL;
    gush_err err = GUSH_OK;

    if (tls->enabled)
        err = gush_tls_new(&options, &loaded, message, message_n);
    if (loaded != NULL && ours)
        err = check_use(name, loaded, message, message_n);
    gush_tls_free(loaded);
    return err;
}

gush_err gush_pems_check(const struct gush_config *config, char *message, size_t message_n)
{
    const struct {
        const char *name;
        const struct gush_tls_config *tls;
        bool ours;
    } objects[] = {{"http_server.tls", &config->http_server.tls, true},
                   {"http_server.internal_tls", &config->http_server.internal_tls, true},
                   {"grpc_api.tls", &config->grpc_api.tls, false},
                   {"uni_grpc.tls", &config->uni_grpc.tls, false}};
    gush_err err = GUSH_OK;

    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]) && err == GUSH_OK; i++)
        err = check(objects[i].name, objects[i].tls, objects[i].ours, message, message_n);
    return err;
}
