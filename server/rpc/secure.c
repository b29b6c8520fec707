/* secure: credentials of a TLS port, made of what server/net/tls.h has loaded. The library asks for
 * them with every handshake, so new files need no restart. */
#include <grpc/grpc_security.h>

#include "server/base/clock.h"
#include "server/base/mem.h"

#include "server/net/tls.h"

#include "server/rpc/rpc_priv.h"

struct gush__secure {
    struct gush_tls *tls;
    uint64_t given; /* the edition that the library has; under its lock */
    grpc_server_credentials *credentials;
};

static grpc_ssl_certificate_config_reload_status fetch(void *arg,
                                                       grpc_ssl_server_certificate_config **out)
{
    struct gush__secure *s = arg;
    uint64_t edition = gush_tls_refresh(s->tls, gush_clock_mono_us() / 1000);
    struct gush_tls_pems pems;
    grpc_ssl_pem_key_cert_pair pair;

    if (edition == s->given)
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    pems = gush_tls_get(s->tls);
    pair = (grpc_ssl_pem_key_cert_pair){.private_key = pems.key, .cert_chain = pems.cert};
    /* The library insists on some CA, also where no client is asked for a certificate. */
    *out = grpc_ssl_server_certificate_config_create(pems.client_ca ? pems.client_ca : pems.cert,
                                                     &pair, 1);
    gush_tls_pems_free(&pems);
    if (*out == NULL)
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    s->given = edition;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

struct gush__secure *gush__secure_new(struct gush_tls *tls)
{
    struct gush__secure *s = GUSH_NEW(struct gush__secure);
    struct gush_tls_pems pems = gush_tls_get(tls);
    /* Whether clients need a certificate is settled here; which CA may have signed it is not. */
    grpc_ssl_client_certificate_request_type from_clients =
        pems.client_ca ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;

    gush_tls_pems_free(&pems);
    s->tls = tls;
    s->credentials = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(from_clients, fetch, s));
    return s;
}

grpc_server_credentials *gush__secure_credentials(const struct gush__secure *s)
{
    return s->credentials;
}

void gush__secure_free(struct gush__secure *s)
{
    if (s == NULL)
        return;
    grpc_server_credentials_release(s->credentials);
    gush_free(s);
}
