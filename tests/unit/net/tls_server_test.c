/* What connections share: contexts by edition, and tickets that outlive them. Handshakes are made
 * in memory. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "server/base/log.h"

#include "server/net/net_priv.h"
#include "server/net/tls_server.h"

#include "tests/unit/net/certs.h"

static struct certs_pair authority, first, second, client, strangers;
static char folder[] = P_tmpdir "/gush-tls-server-XXXXXX";
static char cert_path[80], key_path[80], ca_path[80];

static struct {
    struct gush_tls *tls;
    struct gush_tls_server *server;
    SSL_CTX *context; /* the client's */
    SSL_SESSION *session;
    uint64_t now_ms;
} world;

/* ---- the world ------------------------------------------------------------------------------ */

static gush_err serve(const char *cert, const char *key, const char *ca, char *message, size_t n)
{
    struct gush_tls_options pems = {"x.tls", cert, key, ca};
    struct gush_tls_server_options server = {.name = "x.tls"};

    memset(&world, 0, sizeof(world));
    assert_int_equal(gush_tls_new(&pems, &world.tls, message, n), GUSH_OK);
    server.tls = world.tls;
    world.context = SSL_CTX_new(TLS_client_method());
    world.now_ms = 1ull << 50; /* ahead of every clock: files are looked at when we say so */
    (void)gush_tls_refresh(world.tls, world.now_ms);
    return gush_tls_server_new(&server, &world.server, message, n);
}

static void serve_files(const char *ca)
{
    char message[300] = "";

    certs_put(cert_path, first.cert);
    certs_put(key_path, first.key);
    if (serve(cert_path, key_path, ca, message, sizeof(message)) != GUSH_OK)
        fail_msg("%s", message);
}

static int finish(void **state)
{
    (void)state;
    SSL_SESSION_free(world.session);
    SSL_CTX_free(world.context);
    gush_tls_server_free(world.server);
    gush_tls_free(world.tls);
    ERR_clear_error();
    return 0;
}

static void look(void)
{
    world.now_ms += GUSH_TLS_LOOK_MS;
    (void)gush_tls_refresh(world.tls, world.now_ms);
}

static bool both(SSL *a, SSL *b)
{
    for (int i = 0; i < 10; i++) {
        int x = SSL_do_handshake(a), y = SSL_do_handshake(b);
        if (x == 1 && y == 1)
            return true;
    }
    return false;
}

/* Whether a new connection is shown |want|; it resumes the session of the one before if it can. */
static bool shakes_hands(const struct certs_pair *want, bool resumed)
{
    SSL *ours = gush__tls_server_begin(world.server), *theirs = SSL_new(world.context);
    BIO *here, *there;
    bool good;
    char c;

    assert_int_equal(BIO_new_bio_pair(&here, 1 << 16, &there, 1 << 16), 1);
    SSL_set_bio(ours, here, here);
    SSL_set_bio(theirs, there, there);
    SSL_set_accept_state(ours);
    SSL_set_connect_state(theirs);
    if (world.session)
        SSL_set_session(theirs, world.session);
    good = both(ours, theirs);
    if (good) {
        assert_int_equal(SSL_write(ours, "x", 1), 1);
        assert_int_equal(SSL_read(theirs, &c, 1), 1); /* and the tickets before it */
        assert_int_equal(SSL_session_reused(ours), resumed);
        good = X509_cmp(SSL_get0_peer_certificate(theirs), want->x509) == 0;
        SSL_SESSION_free(world.session);
        world.session = SSL_get1_session(theirs);
        SSL_shutdown(theirs);
    }
    SSL_free(ours);
    SSL_free(theirs);
    ERR_clear_error();
    return good;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void weak_pair(char *cert, char *key)
{
    struct certs_pair weak = {.pkey = EVP_RSA_gen(512)};

    certs_make(&weak, "weak", &authority, 3600);
    memcpy(cert, weak.cert, CERTS_PEM_MAX);
    memcpy(key, weak.key, CERTS_PEM_MAX);
    certs_drop(&weak);
}

static void what_openssl_refuses(void **state)
{
    char cert[CERTS_PEM_MAX], key[CERTS_PEM_MAX], message[300] = "";

    (void)state;
    weak_pair(cert, key);
    assert_int_equal(serve(cert, key, "", message, sizeof(message)), GUSH_ECONFIG);
    assert_string_equal(message, "x.tls.cert_pem: ee key too small");
    assert_null(world.server);
}

static void what_openssl_refuses_later_changes_nothing(void **state)
{
    char cert[CERTS_PEM_MAX], key[CERTS_PEM_MAX];

    (void)state;
    serve_files("");
    weak_pair(cert, key);
    certs_put(cert_path, cert);
    certs_put(key_path, key);
    look();
    assert_true(shakes_hands(&first, false));
    certs_put(cert_path, "no PEM at all");
    look();
    assert_true(shakes_hands(&first, true));
    certs_put(cert_path, second.cert);
    certs_put(key_path, second.key);
    look();
    assert_true(shakes_hands(&first, true)); /* resumed: known by what it showed then */
    SSL_SESSION_free(world.session);
    world.session = NULL;
    assert_true(shakes_hands(&second, false));
}

static void sessions_outlive_a_certificate(void **state)
{
    (void)state;
    serve_files("");
    assert_true(shakes_hands(&first, false));
    certs_put(cert_path, second.cert);
    certs_put(key_path, second.key);
    look();
    SSL_CTX_set_max_proto_version(world.context, TLS1_2_VERSION);
    SSL_SESSION_free(world.session);
    world.session = NULL;
    assert_true(shakes_hands(&second, false));
    certs_put(cert_path, first.cert);
    certs_put(key_path, first.key);
    look();
    /* Resumed, the client still knows the server by the certificate it saw. */
    assert_true(shakes_hands(&second, true));
}

/* A ticket may not stand in for a certificate that would be refused now. */
static void sessions_end_with_the_authority(void **state)
{
    (void)state;
    certs_put(ca_path, authority.cert);
    serve_files(ca_path);
    assert_false(shakes_hands(&first, false)); /* nobody without a certificate */
    assert_int_equal(SSL_CTX_use_certificate(world.context, client.x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(world.context, client.pkey), 1);
    assert_true(shakes_hands(&first, false));
    assert_true(shakes_hands(&first, true));
    certs_put(ca_path, strangers.cert);
    look();
    assert_false(shakes_hands(&first, false));
    certs_put(ca_path, authority.cert);
    look();
    assert_true(shakes_hands(&first, false)); /* and not by the old ticket */
    assert_true(shakes_hands(&first, true));
}

/* A connection keeps the context it began with. */
static void old_connections_stay(void **state)
{
    SSL *old;

    (void)state;
    serve_files("");
    old = gush__tls_server_begin(world.server);
    certs_put(cert_path, second.cert);
    certs_put(key_path, second.key);
    look();
    assert_true(shakes_hands(&second, false));
    assert_int_equal(X509_cmp(SSL_get_certificate(old), first.x509), 0);
    SSL_free(old);
}

static void an_expired_certificate_is_served(void **state)
{
    struct certs_pair old = {0};
    char message[300] = "";

    (void)state;
    certs_make(&old, "old", &authority, -60);
    if (serve(old.cert, old.key, "", message, sizeof(message)) != GUSH_OK)
        fail_msg("%s", message);
    assert_true(shakes_hands(&old, false));
    certs_drop(&old);
}

static void chains_are_shown(void **state)
{
    char chain[2 * CERTS_PEM_MAX], message[300] = "";
    SSL *ssl;

    (void)state;
    (void)snprintf(chain, sizeof(chain), "%s%s", first.cert, authority.cert);
    if (serve(chain, first.key, "", message, sizeof(message)) != GUSH_OK)
        fail_msg("%s", message);
    ssl = gush__tls_server_begin(world.server);
    STACK_OF(X509) *more = NULL;
    assert_int_equal(SSL_get0_chain_certs(ssl, &more), 1);
    assert_int_equal(sk_X509_num(more), 1);
    SSL_free(ssl);
    assert_true(shakes_hands(&first, false));
}

static int setup(void **state)
{
    (void)state;
    gush_log_threshold = GUSH_LOG_NONE;
    certs_make(&authority, "ours", NULL, 3600);
    certs_make(&strangers, "theirs", NULL, 3600);
    certs_make(&first, "first", &authority, 3600);
    certs_make(&second, "second", &authority, 3600);
    certs_make(&client, "client", &authority, 3600);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", folder);
    (void)snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
    (void)snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", folder);
    return 0;
}

static int teardown(void **state)
{
    struct certs_pair *all[] = {&authority, &strangers, &first, &second, &client};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        certs_drop(all[i]);
    (void)unlink(cert_path);
    (void)unlink(key_path);
    (void)unlink(ca_path);
    return rmdir(folder);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, NULL, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_openssl_refuses),
        TEST(what_openssl_refuses_later_changes_nothing),
        TEST(sessions_outlive_a_certificate),
        TEST(sessions_end_with_the_authority),
        TEST(old_connections_stay),
        TEST(an_expired_certificate_is_served),
        TEST(chains_are_shown),
    };
    return UNIT_RUN(tests, setup, teardown);
}
