/* token: JSON Web Tokens to claims. The algorithm is pinned by the configured key, never chosen by
 * the token: header first, then key family, then signature, then claims' meaning.
 *
 * HMAC now (HS256, HS384, HS512) over OpenSSL EVP; other families come with their keys.
 * Owner     server/app                Thread  verify: any, no shared mutable state
 * spec: authentication 2, 3, 5 */
#ifndef GUSH_AUTH_TOKEN_H
#define GUSH_AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/span.h"

#include "server/config/config.h"

#define GUSH_TOKEN_BYTES_MAX 262144 /* longer ones are denied unread */
#define GUSH_TOKEN_SUBS_MAX  20000

struct gush_token_override { /* -1 not given, else 0 or 1 */
    int8_t presence, join_leave, force_push_join_leave, force_positioning, force_recovery;
};

struct gush_token_sub {
    struct gush_span channel;
    struct gush_span info, data; /* raw */
    struct gush_token_override override;
};

/* Spans point into |memory|. */
struct gush_claims {
    struct gush_span user;
    bool has_expiry;
    int64_t expire_at_s; /* Unix: effective expiry (expire_at over exp); only with has_expiry */
    struct gush_span info, meta; /* raw */
    struct gush_token_sub *subs; /* from "subs", else from "channels"; sorted, each channel once */
    size_t subs_n;
    void *memory;
};

struct gush_token_verifier;

/* Keys are copied and prepared once.   GUSH_ECONFIG   |*why| says what is wrong */
GUSH_MUST_USE gush_err gush_token_verifier_new(const struct gush_token_config *config,
                                               bool skip_signature,
                                               struct gush_token_verifier **out, const char **why);
void gush_token_verifier_free(struct gush_token_verifier *v);

/* Verifies a connection token. On GUSH_OK end with gush_claims_fini.
 *   GUSH_EDENIED    malformed, bad signature, algorithm not enabled, wrong aud or iss, bad claim
 *                   type, a channel claim: disconnect 3500
 *   GUSH_EEXPIRED   exp passed or nbf not reached: error 109
 *   GUSH_ESYNTAX    bad base64 in top-level b64info: error 100 */
GUSH_MUST_USE gush_err gush_token_verify(const struct gush_token_verifier *v,
                                         struct gush_span token, int64_t now_wall_ms,
                                         struct gush_claims *out, const char **why);
void gush_claims_fini(struct gush_claims *claims);

#endif
