#include "server/app/pems.h"

#include "server/net/tls.h"

static gush_err check(const char *name, const struct gush_tls_config *tls, char *message,
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
    gush_tls_free(loaded);
    return err;
}

gush_err gush_pems_check(const struct gush_config *config, char *message, size_t message_n)
{
    const struct {
        const char *name;
        const struct gush_tls_config *tls;
    } objects[] = {{"http_server.tls", &config->http_server.tls},
                   {"http_server.internal_tls", &config->http_server.internal_tls},
                   {"grpc_api.tls", &config->grpc_api.tls},
                   {"uni_grpc.tls", &config->uni_grpc.tls}};
    gush_err err = GUSH_OK;

    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]) && err == GUSH_OK; i++)
        err = check(objects[i].name, objects[i].tls, message, message_n);
    return err;
}
