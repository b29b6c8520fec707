#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/auth/auth_priv.h"

#define HMAC_N 3

static const struct gush__alg algs[] = {
    {"HS256", GUSH__FAMILY_HMAC, "SHA256", 32, 0},
    {"HS384", GUSH__FAMILY_HMAC, "SHA384", 48, 1},
    {"HS512", GUSH__FAMILY_HMAC, "SHA512", 64, 2},
};

struct gush__key {
    enum gush__family family;
    /* Of each algorithm, a context that has taken the key in and is only ever copied. */
    EVP_MAC_CTX *hmac[HMAC_N];
};

const struct gush__alg *gush__alg_find(struct gush_span name)
{
    for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        if (gush_span_eq_str(name, algs[i].name))
            return &algs[i];
    }
    return NULL;
}

static EVP_MAC_CTX *keyed(EVP_MAC *mac, struct gush_span secret, const char *digest)
{
    char name[16];
    size_t n = strlen(digest);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    OSSL_PARAM params[2];

    GUSH_ASSERT(n < sizeof(name));
    memcpy(name, digest, n + 1); /* the library's parameter is not const */
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
    params[1] = OSSL_PARAM_construct_end();
    if (ctx && EVP_MAC_init(ctx, secret.p, secret.n, params) == 1)
        return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

gush_err gush__key_new_hmac(struct gush_span secret, struct gush__key **out, const char **why)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    struct gush__key *key = GUSH_NEW(struct gush__key);
    bool ok = mac != NULL;

    GUSH_ASSERT(secret.n > 0);
    key->family = GUSH__FAMILY_HMAC;
    for (size_t i = 0; ok && i < sizeof(algs) / sizeof(algs[0]); i++) {
        if (algs[i].family != GUSH__FAMILY_HMAC)
            continue;
        key->hmac[algs[i].family_slot] = keyed(mac, secret, algs[i].digest);
        ok = key->hmac[algs[i].family_slot] != NULL;
    }
    EVP_MAC_free(mac); /* the contexts hold it */
    if (!ok) {
        gush__key_free(key);
        return gush_fail(why, GUSH_ECONFIG, "OpenSSL does not take the HMAC secret");
    }
    *out = key;
    return GUSH_OK;
}

void gush__key_free(struct gush__key *key)
{
    if (key == NULL)
        return;
    for (int i = 0; i < HMAC_N; i++)
        EVP_MAC_CTX_free(key->hmac[i]);
    gush_free(key);
}

bool gush__key_enables(const struct gush__key *key, const struct gush__alg *alg)
{
    return key->family == alg->family;
}

static bool hmac_verify(const EVP_MAC_CTX *keyed_ctx, const struct gush__alg *alg,
                        struct gush_span signed_part, struct gush_span signature)
{
    uint8_t expected[64];
    size_t n = 0;
    EVP_MAC_CTX *ctx;
    bool ok;

    GUSH_ASSERT(alg->signature_n <= sizeof(expected));
    if (signature.n != alg->signature_n)
        return false;
    ctx = EVP_MAC_CTX_dup(keyed_ctx);
    ok = ctx && EVP_MAC_update(ctx, signed_part.p, signed_part.n) == 1 &&
         EVP_MAC_final(ctx, expected, &n, sizeof(expected)) == 1 &&
         gush_span_eq_secret(gush_span_of(expected, n), signature);
    EVP_MAC_CTX_free(ctx);
    return ok;
}

bool gush__key_verify(const struct gush__key *key, const struct gush__alg *alg,
                      struct gush_span signed_part, struct gush_span signature)
{
    GUSH_ASSERT(gush__key_enables(key, alg));
    switch (key->family) {
    case GUSH__FAMILY_HMAC:
        return hmac_verify(key->hmac[alg->family_slot], alg, signed_part, signature);
    }
    return false;
}
