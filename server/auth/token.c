#include "server/auth/token.h"

#include <stdlib.h>

#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/auth/auth_priv.h"

#define KEYS_MAX 2 /* the secret and the one before it */

/* The one text that can be longer than what it came from: a number as a user, 1e300. */
#define SLACK_BYTES 512

/* Seconds that still fit as milliseconds: later than this is never. */
#define LATEST_S INT64_C(9000000000000000)

struct gush_token_verifier {
    struct {
        struct gush__key *key;
        int64_t valid_until_s; /* 0: no end */
    } keys[KEYS_MAX];
    size_t keys_n;
    bool skip_signature;
    char *audience, *issuer, *user_claim; /* "" = not configured */
};

/* --- the verifier --- */

static bool is_user_claim(struct gush_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool letter = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z');

        if (!letter && s.p[i] != '_')
            return false;
    }
    return true;
}

static char *copy(const char *s)
{
    return gush_strndup(s ? s : "", s ? strlen(s) : 0);
}

static gush_err add_secret(struct gush_token_verifier *v, const char *secret, int64_t valid_until_s,
                           const char **why)
{
    gush_err err;

    if (secret == NULL || *secret == '\0')
        return GUSH_OK;
    GUSH_ASSERT(v->keys_n < KEYS_MAX);
    err = gush__key_new_hmac(gush_span_str(secret), &v->keys[v->keys_n].key, why);
    if (err)
        return err;
    v->keys[v->keys_n++].valid_until_s = valid_until_s;
    return GUSH_OK;
}

gush_err gush_token_verifier_new(const struct gush_token_config *config, bool skip_signature,
                                 struct gush_token_verifier **out, const char **why)
{
    struct gush_token_verifier *v;
    gush_err err;

    if (!is_user_claim(gush_span_str(config->user_id_claim)))
        return gush_fail(why, GUSH_ECONFIG, "user_id_claim may only have letters and underscores");
    v = GUSH_NEW(struct gush_token_verifier);
    v->skip_signature = skip_signature;
    v->audience = copy(config->audience);
    v->issuer = copy(config->issuer);
    v->user_claim = copy(config->user_id_claim);
    err = add_secret(v, config->hmac_secret_key, 0, why);
    if (err == GUSH_OK)
        err = add_secret(v, config->hmac_previous_secret_key,
                         config->hmac_previous_secret_key_valid_until, why);
    if (err) {
        gush_token_verifier_free(v);
        return err;
    }
    *out = v;
    return GUSH_OK;
}

void gush_token_verifier_free(struct gush_token_verifier *v)
{
    if (v == NULL)
        return;
    for (size_t i = 0; i < v->keys_n; i++)
        gush__key_free(v->keys[i].key);
    gush_free(v->audience);
    gush_free(v->issuer);
    gush_free(v->user_claim);
    gush_free(v);
}

/* --- proof --- */

static gush_err check_keys(const struct gush_token_verifier *v, const struct gush__jws *jws,
                           const struct gush__alg *alg, struct gush_span signature, int64_t now_s,
                           const char **why)
{
    bool enabled = false;

    for (size_t i = 0; i < v->keys_n; i++) {
        if (v->keys[i].valid_until_s && now_s > v->keys[i].valid_until_s)
            continue;
        if (!gush__key_enables(v->keys[i].key, alg))
            continue;
        enabled = true;
        if (gush__key_verify(v->keys[i].key, alg, jws->signed_part, signature))
            return GUSH_OK;
    }
    return gush_fail(why, GUSH_EDENIED,
                     enabled ? "token signature is wrong" : "token algorithm is not enabled");
}

/* Header, algorithm, signature, in this order. |text| is scratch. */
static gush_err check_proof(const struct gush_token_verifier *v, const struct gush__jws *jws,
                            struct gush_buf *text, int64_t now_s, const char **why)
{
    struct gush__jws_header header;
    const struct gush__alg *alg;
    size_t start;
    gush_err err = gush__jws_header(jws, text, &header, why);

    if (err)
        return err;
    alg = gush__alg_find(header.alg);
    if (alg == NULL && !v->skip_signature)
        return gush_fail(why, GUSH_EDENIED, "token algorithm is not enabled");
    start = text->n;
    if (gush_base64url_decode(jws->signature, text) != GUSH_OK)
        return gush_fail(why, GUSH_EDENIED, "token signature is not base64url");
    if (v->skip_signature)
        return GUSH_OK;
    return check_keys(v, jws, alg, gush_span_of(text->p + start, text->n - start), now_s, why);
}

/* --- meaning --- */

static gush_err judge(const struct gush_token_verifier *v, const struct gush__claims *c,
                      struct gush_buf *text, int64_t now_ms, const char **why)
{
    struct gush_span audience = gush_span_str(v->audience), issuer = gush_span_str(v->issuer);

    if (issuer.n && !gush_span_eq_secret(c->issuer, issuer))
        return gush_fail(why, GUSH_EDENIED, "token is of another issuer");
    if (audience.n && !gush__claims_has_audience(c, text, audience))
        return gush_fail(why, GUSH_EDENIED, "token is for another audience");
    if (c->channel.n)
        return gush_fail(why, GUSH_EDENIED, "a channel claim in a connection token");
    if (c->exp.given && c->exp.s * 1000 <= (double)now_ms)
        return gush_fail(why, GUSH_EEXPIRED, "token expired");
    if (c->nbf.given && c->nbf.s * 1000 > (double)now_ms)
        return gush_fail(why, GUSH_EEXPIRED, "token is not valid yet");
    return GUSH_OK;
}

/* The decoded bytes of |b64| replace |*value|, unless there are none. */
static gush_err prefer_base64(struct gush_span b64, struct gush_buf *text, struct gush_span *value)
{
    size_t start = text->n;
    gush_err err;

    if (b64.n == 0)
        return GUSH_OK;
    err = gush_base64_decode(b64, text);
    if (err)
        return err;
    *value = gush_span_of(text->p + start, text->n - start);
    return GUSH_OK;
}

/* By channel; of equal ones the order of the token decides. */
static int compare_subs(const void *a, const void *b)
{
    const struct gush__claims_sub *x = a, *y = b;
    int c = gush_span_cmp(x->sub.channel, y->sub.channel);

    return c ? c : (x->at > y->at) - (x->at < y->at);
}

/* Sorted, each channel once: a later entry replaces an earlier one. */
static gush_err take_subs(struct gush__claims *c, struct gush_buf *text, struct gush_claims *out)
{
    if (c->subs_n == 0)
        return GUSH_OK;
    qsort(c->subs, c->subs_n, sizeof(*c->subs), compare_subs);
    out->subs = gush_zalloc(c->subs_n, sizeof(*out->subs));
    for (size_t i = 0; i < c->subs_n; i++) {
        struct gush__claims_sub *s = &c->subs[i];
        gush_err err = prefer_base64(s->b64info, text, &s->sub.info);

        if (err == GUSH_OK)
            err = prefer_base64(s->b64data, text, &s->sub.data);
        if (err)
            return err;
        if (out->subs_n && gush_span_eq(out->subs[out->subs_n - 1].channel, s->sub.channel))
            out->subs_n--;
        out->subs[out->subs_n++] = s->sub;
    }
    return GUSH_OK;
}

/* expire_at says how long what the token opens may live; exp only if expire_at says nothing. */
static void take_expiry(const struct gush__claims *c, struct gush_claims *out)
{
    if (c->expire_at.given) {
        out->has_expiry = c->expire_at.v > 0;
        out->expire_at_s = c->expire_at.v;
    } else if (c->exp.given) {
        out->has_expiry = true;
        out->expire_at_s = c->exp.s < (double)LATEST_S ? (int64_t)c->exp.s : LATEST_S;
    }
    if (!out->has_expiry)
        out->expire_at_s = 0;
    else if (out->expire_at_s > LATEST_S)
        out->expire_at_s = LATEST_S;
}

static gush_err take(struct gush__claims *c, struct gush_buf *text, struct gush_claims *out,
                     const char **why)
{
    if (take_subs(c, text, out) != GUSH_OK)
        return gush_fail(why, GUSH_EDENIED, "bad base64 in subs of the token");
    out->user = c->user;
    out->info = c->info;
    out->meta = c->meta;
    take_expiry(c, out);
    if (prefer_base64(c->b64info, text, &out->info) != GUSH_OK)
        return gush_fail(why, GUSH_ESYNTAX, "bad base64 in b64info of the token");
    return GUSH_OK;
}

/* Decodes the payload into |text|, which is empty and becomes |out|'s memory. */
static gush_err read_claims(const struct gush_token_verifier *v, const struct gush__jws *jws,
                            struct gush_buf *text, int64_t now_ms, struct gush_claims *out,
                            const char **why)
{
    struct gush__claims c = {0};
    gush_err err;

    if (gush_base64url_decode(jws->payload, text) != GUSH_OK)
        return gush_fail(why, GUSH_EDENIED, "token payload is not base64url");
    err = gush__claims_decode(gush_buf_span(text), text, v->user_claim, &c, why);
    if (err == GUSH_OK)
        err = judge(v, &c, text, now_ms, why);
    if (err == GUSH_OK)
        err = take(&c, text, out, why);
    gush__claims_fini(&c);
    return err;
}

gush_err gush_token_verify(const struct gush_token_verifier *v, struct gush_span token,
                           int64_t now_wall_ms, struct gush_claims *out, const char **why)
{
    struct gush_buf text;
    struct gush__jws jws;
    gush_err err;

    *out = (struct gush_claims){0};
    if (token.n > GUSH_TOKEN_BYTES_MAX)
        return gush_fail(why, GUSH_EDENIED, "token is too long");
    err = gush__jws_split(token, &jws, why);
    if (err)
        return err;
    /* Room for the JSON, its texts without escapes and those without base64, at once: spans point
     * into it. */
    gush_buf_init(&text, 3 * token.n + SLACK_BYTES);
    gush_buf_reserve(&text, text.limit_bytes);
    err = check_proof(v, &jws, &text, now_wall_ms / 1000, why);
    gush_buf_reset(&text);
    if (err == GUSH_OK)
        err = read_claims(v, &jws, &text, now_wall_ms, out, why);
    out->memory = text.p;
    if (err)
        gush_claims_fini(out);
    return err;
}
