/* auth_priv: what the files of this room share: the parts of a token, keys, decoded claims.
 *
 * Order of trust: jws splits text, key proves it, and only then claims looks inside.
 * spec: authentication 2, 5 */
#ifndef GUSH_AUTH_AUTH_PRIV_H
#define GUSH_AUTH_AUTH_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/span.h"

#include "server/codec/json_scan.h"

#include "server/auth/token.h"

/* --- jws: the compact form --- */

/* Borrowed slices of the token, still in base64url. */
struct gush__jws {
    struct gush_span signed_part; /* header, dot, payload: what the signature is about */
    struct gush_span header, payload, signature;
};

/* What is used of the header. */
struct gush__jws_header {
    struct gush_span alg, kid; /* empty: missing. point into the buffer */
};

/* GUSH_EDENIED   not three parts, or not beginning like a JSON object */
GUSH_MUST_USE gush_err gush__jws_split(struct gush_span token, struct gush__jws *out,
                                       const char **why);
/* Decodes the header into |text|, which has room for twice its length and does not move.
 *   GUSH_EDENIED   malformed */
GUSH_MUST_USE gush_err gush__jws_header(const struct gush__jws *jws, struct gush_buf *text,
                                        struct gush__jws_header *out, const char **why);

/* --- key: algorithms and the keys that enable them --- */

/* What kind of key an algorithm wants. A key answers only for algorithms of its own family, so that
 * a header cannot make the bytes of a public key serve as an HMAC secret. */
enum gush__family { GUSH__FAMILY_HMAC };

struct gush__alg {
    const char *name; /* as in the header, compared exactly */
    enum gush__family family;
    const char *digest;   /* as OpenSSL calls it */
    size_t signature_n;   /* bytes of its signatures */
    unsigned family_slot; /* position within its family */
};

/* NULL: not an algorithm that any key could enable. */
const struct gush__alg *gush__alg_find(struct gush_span name);

struct gush__key;

/* GUSH_ECONFIG   the library refuses the secret */
GUSH_MUST_USE gush_err gush__key_new_hmac(struct gush_span secret, struct gush__key **out,
                                          const char **why);
void gush__key_free(struct gush__key *key);
bool gush__key_enables(const struct gush__key *key, const struct gush__alg *alg);
/* |signature| is binary. Any thread. Only for an algorithm that |key| enables. */
bool gush__key_verify(const struct gush__key *key, const struct gush__alg *alg,
                      struct gush_span signed_part, struct gush_span signature);

/* --- claims: the payload, type-checked, not yet judged --- */

struct gush__date {
    bool given;
    double s; /* Unix seconds */
};

struct gush__integer {
    bool given;
    int64_t v;
};

struct gush__claims_sub {
    struct gush_token_sub sub;
    struct gush_span b64info, b64data; /* text */
    size_t at;                         /* position in the token */
};

/* Spans point into the buffer given to the decoder. */
struct gush__claims {
    struct gush_span user;             /* "sub", or the configured claim as text */
    struct gush_span issuer, channel;  /* text */
    struct gush_span info, meta;       /* raw */
    struct gush_span b64info, ignored; /* text */
    struct gush__date exp, nbf, iat;
    struct gush__integer expire_at;
    bool has_audience;
    struct gush_json_value audience;
    struct gush__claims_sub *subs; /* of "subs", else of "channels"; the struct's own */
    size_t subs_n;
};

/* Reads the JSON in |json|, which lies in |text|; |text| has room for as many bytes again and does
 * not move. |user_claim| may be "". Always end with gush__claims_fini.
 *   GUSH_EDENIED   malformed, or a claim of the wrong type */
GUSH_MUST_USE gush_err gush__claims_decode(struct gush_span json, struct gush_buf *text,
                                           const char *user_claim, struct gush__claims *out,
                                           const char **why);
void gush__claims_fini(struct gush__claims *c);
/* One of the audiences is |wanted|. */
bool gush__claims_has_audience(const struct gush__claims *c, struct gush_buf *text,
                               struct gush_span wanted);

/* --- value: one JSON value as the type that a claim wants --- */

/* All of them: GUSH_ETYPE if |v| is something else; GUSH_ELIMIT if |text| is full. */
GUSH_MUST_USE gush_err gush__value_string(struct gush_json_value v, struct gush_buf *text,
                                          struct gush_span *out);
/* A number, or the same in quotes. */
GUSH_MUST_USE gush_err gush__value_date(struct gush_json_value v, struct gush_buf *text,
                                        double *out);
/* Any value as the text of a user: strings as they are, integers without exponent, null empty. */
GUSH_MUST_USE gush_err gush__value_user(struct gush_json_value v, struct gush_buf *text,
                                        struct gush_span *out);

#endif
