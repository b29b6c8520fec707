#include "server/net/tls_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/sync.h"

#include "server/net/net_priv.h"

#define TICKET_KEYS_MAX 128 /* OpenSSL 3 says 80 */

/* AES-128 first: strong enough for anybody, and cheaper. */
static const char ciphers_1_2[] = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20";
static const char ciphers_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

#define gush_tls_server_MAGIC GUSH_MAGIC('t', 'l', 's', 's')

struct gush_tls_server {
    GUSH_MAGIC_FIELD;
    struct gush_tls_server_options options;      /* frozen, alpn replaced by |wire| */
    uint8_t wire[GUSH_TLS_SERVER_ALPN_MAX * 32]; /* protocols as ALPN lists them; frozen */
    unsigned wire_n;
    struct gush_mutex mutex; /* of the three below */
    SSL_CTX *context;
    uint64_t edition; /* last one tried, well or not */
    char *client_ca;  /* that |context| verifies by; NULL: it does not */
    atomic_uint_fast64_t counts[GUSH__TLS_COUNTS_N]; /* atomic, relaxed: statistics */
};

/* ---- a context ------------------------------------------------------------------------------ */

/* What OpenSSL said first, as text. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());

    return text ? text : "refused by OpenSSL";
}

static X509 *next_certificate(BIO *in)
{
    return PEM_read_bio_X509(in, NULL, NULL, NULL);
}

/* The certificate, then those between it and its authority. */
static bool use_chain(SSL_CTX *context, char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *cert = in ? next_certificate(in) : NULL;
    bool good = cert != NULL && SSL_CTX_use_certificate(context, cert) == 1;

    X509_free(cert);
    while (good && (cert = next_certificate(in)) != NULL) {
        good = SSL_CTX_add0_chain_cert(context, cert) == 1;
        if (!good)
            X509_free(cert);
    }
    if (good)
        ERR_clear_error(); /* that there was no further certificate */
    BIO_free(in);
    return good;
}

static bool use_key(SSL_CTX *context, char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    bool good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1 &&
                SSL_CTX_check_private_key(context) == 1;

    EVP_PKEY_free(key);
    BIO_free(in);
    return good;
}

/* Every certificate of |pem| is trusted by itself, as in the reference server. */
static bool use_client_ca(SSL_CTX *context, char *pem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *cert;
    bool good = in != NULL;

    while (good && (cert = next_certificate(in)) != NULL) {
        good = X509_STORE_add_cert(store, cert) == 1 && SSL_CTX_add_client_CA(context, cert) == 1;
        X509_free(cert);
    }
    BIO_free(in);
    if (!good)
        return false;
    ERR_clear_error();
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                           const unsigned char *in, unsigned in_n, void *arg)
{
    const struct gush_tls_server *s = GUSH_CAST(gush_tls_server, arg);
    unsigned char *chosen = NULL; /* OpenSSL's type lacks a const */

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_n, s->wire, s->wire_n, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_up(struct gush_tls_server *s, SSL_CTX *context)
{
    static const unsigned char sessions[] = "gush"; /* without a name, mTLS resumes nothing */

    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets do without */
    SSL_CTX_set_read_ahead(context, 0);                          /* see tls_stream.c */
    if (s->wire_n > 0)
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, s);
    return SSL_CTX_set_min_proto_version(context, s->options.only_1_3 ? TLS1_3_VERSION
                                                                      : TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, 0) == 1 &&
           SSL_CTX_set_cipher_list(context, ciphers_1_2) == 1 &&
           SSL_CTX_set_ciphersuites(context, ciphers_1_3) == 1 &&
           SSL_CTX_set_session_id_context(context, sessions, sizeof(sessions) - 1) == 1;
}

/* NULL: |what| and OpenSSL's error queue tell why. */
static SSL_CTX *new_context(struct gush_tls_server *s, const struct gush_tls_pems *pems,
                            const char **what)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    *what = NULL;
    if (context == NULL || !set_up(s, context))
        *what = "TLS cannot be set up";
    else if (!use_chain(context, pems->cert))
        *what = "cert_pem";
    else if (!use_key(context, pems->key))
        *what = "key_pem";
    else if (pems->client_ca != NULL && !use_client_ca(context, pems->client_ca))
        *what = "client_ca_pem";
    if (*what == NULL)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

/* ---- editions ------------------------------------------------------------------------------- */

/* A ticket of the one is good for the other. */
static void carry_tickets(SSL_CTX *from, SSL_CTX *to)
{
    unsigned char keys[TICKET_KEYS_MAX];
    long n = SSL_CTX_get_tlsext_ticket_keys(from, NULL, 0);

    GUSH_ASSERT(n > 0 && n <= TICKET_KEYS_MAX);
    if (SSL_CTX_get_tlsext_ticket_keys(from, keys, n) != 1 ||
        SSL_CTX_set_tlsext_ticket_keys(to, keys, n) != 1)
        ERR_clear_error(); /* then sessions begin anew: nothing is wrong but slow */
    explicit_bzero(keys, sizeof(keys));
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Under the mutex, or before anybody else knows |s|. False: |message| says why, and the present
 * context stays. */
static bool adopt(struct gush_tls_server *s, char *message, size_t message_n)
{
    struct gush_tls_pems pems = gush_tls_get(s->options.tls);
    const char *what;
    SSL_CTX *fresh;

    ERR_clear_error();
    fresh = new_context(s, &pems, &what);
    if (fresh == NULL) {
        snprintf(message, message_n, "%s.%s: %s", s->options.name, what, reason());
    } else {
        if (s->context != NULL && same_text(s->client_ca, pems.client_ca))
            carry_tickets(s->context, fresh);
        SSL_CTX_free(s->context); /* connections hold on to theirs */
        s->context = fresh;
        gush_free(s->client_ca);
        s->client_ca = pems.client_ca;
        pems.client_ca = NULL;
    }
    ERR_clear_error();
    gush_tls_pems_free(&pems);
    return fresh != NULL;
}

SSL *gush__tls_server_begin(struct gush_tls_server *s)
{
    uint64_t edition = gush_tls_refresh(s->options.tls, gush_clock_mono_us() / 1000);
    SSL_CTX *context;
    char message[300];
    SSL *ssl;

    gush_mutex_lock(&s->mutex);
    if (edition > s->edition) {
        s->edition = edition;
        if (!adopt(s, message, sizeof(message)))
            gush_log(GUSH_LOG_ERROR, "changed certificates are not usable, the old ones stay",
                     GUSH_F("error", message));
    }
    context = s->context;
    SSL_CTX_up_ref(context);
    gush_mutex_unlock(&s->mutex);
    ssl = SSL_new(context);
    SSL_CTX_free(context);
    ERR_clear_error();
    return ssl;
}

/* ---- counting ------------------------------------------------------------------------------- */

void gush__tls_server_count(struct gush_tls_server *s, enum gush__tls_count what)
{
    atomic_fetch_add_explicit(&s->counts[what], 1, memory_order_relaxed);
}

static uint64_t counted(struct gush_tls_server *s, enum gush__tls_count what)
{
    return atomic_load_explicit(&s->counts[what], memory_order_relaxed);
}

struct gush_tls_server_stats gush_tls_server_stats(struct gush_tls_server *s)
{
    return (struct gush_tls_server_stats){.handshakes = counted(s, GUSH__TLS_HANDSHAKE),
                                          .resumed = counted(s, GUSH__TLS_RESUMED),
                                          .failed = counted(s, GUSH__TLS_FAILURE),
                                          .timeouts = counted(s, GUSH__TLS_TIMEOUT)};
}

/* ---- life ----------------------------------------------------------------------------------- */

static void write_down(struct gush_tls_server *s, const char *protocol)
{
    size_t n = strlen(protocol);

    GUSH_ASSERT(n > 0 && n < 256 && s->wire_n + 1 + n <= sizeof(s->wire));
    s->wire[s->wire_n] = (uint8_t)n;
    memcpy(s->wire + s->wire_n + 1, protocol, n);
    s->wire_n += (unsigned)n + 1;
}

gush_err gush_tls_server_new(const struct gush_tls_server_options *options,
                             struct gush_tls_server **out, char *message, size_t message_n)
{
    struct gush_tls_server *s = GUSH_NEW(struct gush_tls_server);

    s->magic = gush_tls_server_MAGIC;
    s->options = *options;
    gush_mutex_init(&s->mutex);
    for (const char *const *p = options->alpn; p != NULL && *p != NULL; p++)
        write_down(s, *p);
    s->edition = gush_tls_refresh(options->tls, gush_clock_mono_us() / 1000);
    if (!adopt(s, message, message_n)) {
        gush_tls_server_free(s);
        return GUSH_ECONFIG;
    }
    *out = s;
    return GUSH_OK;
}

void gush_tls_server_free(struct gush_tls_server *s)
{
    if (s == NULL)
        return;
    SSL_CTX_free(s->context);
    gush_free(s->client_ca);
    gush_mutex_fini(&s->mutex);
    s->magic = GUSH_MAGIC_DEAD;
    gush_free(s);
}
