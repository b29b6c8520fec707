/* mint: tokens for tests, good and bad, signed by OpenSSL's one-shot function (not by our code).
 *
 * Thread    one */
#ifndef GUSH_TESTS_UNIT_AUTH_MINT_H
#define GUSH_TESTS_UNIT_AUTH_MINT_H

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "server/base/buf.h"
#include "server/base/text.h"

#define MINT_LIMIT_BYTES 2000000

/* The two parts, each as base64url, with a dot between. */
static inline void mint_unsigned(struct gush_buf *b, const char *header, struct gush_span claims)
{
    gush_buf_init(b, MINT_LIMIT_BYTES);
    gush_base64url_encode(gush_span_str(header), b);
    gush_buf_put_u8(b, '.');
    gush_base64url_encode(claims, b);
}

static inline void mint_sign(struct gush_buf *b, const EVP_MD *digest, const char *key)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    HMAC(digest, key, (int)strlen(key), b->p, b->n, mac, &n);
    gush_buf_put_u8(b, '.');
    gush_base64url_encode(gush_span_of(mac, n), b);
}

static inline void mint(struct gush_buf *b, const char *header, const EVP_MD *digest,
                        const char *key, const char *claims)
{
    mint_unsigned(b, header, gush_span_str(claims));
    mint_sign(b, digest, key);
}

#endif
