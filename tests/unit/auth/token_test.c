/* spec: authentication 2 (claims), 3 (failures), 5 (keys) */
#include <pthread.h>
#include <stdio.h>

#include "server/base/mem.h"

#include "server/codec/json_scan.h"

#include "server/auth/token.h"

#include "tests/unit/auth/mint.h"
#include "tests/unit/base/unit.h"

#define NOW_MS INT64_C(1700000000500)
#define HS256  "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static char secret[] = "secret", previous[] = "previous", other[] = "other";

/* What a verification said. */
struct verdict {
    gush_err err;
    const char *why;
    struct gush_claims claims;
};

static struct gush_token_verifier *verifier(const struct gush_token_config *config, bool skip)
{
    struct gush_token_verifier *v = NULL;
    const char *why = NULL;

    assert_int_equal(gush_token_verifier_new(config, skip, &v, &why), GUSH_OK);
    return v;
}

/* The token lives in memory of exactly its size, so that reading past it is seen. */
static struct verdict verify_at(const struct gush_token_verifier *v, struct gush_span token,
                                int64_t now_ms)
{
    uint8_t *exact = gush_alloc(token.n);
    struct verdict r = {.why = NULL};

    if (token.n)
        memcpy(exact, token.p, token.n);
    r.err = gush_token_verify(v, gush_span_of(exact, token.n), now_ms, &r.claims, &r.why);
    gush_free(exact);
    if (r.err) {
        assert_non_null(r.why);
        assert_null(r.claims.memory);
        assert_null(r.claims.subs);
    }
    return r;
}

static struct verdict with_config(const struct gush_token_config *config, const char *header,
                                  const EVP_MD *digest, const char *key, const char *claims)
{
    struct gush_token_verifier *v = verifier(config, false);
    struct gush_buf token;
    struct verdict r;

    mint(&token, header, digest, key, claims);
    r = verify_at(v, gush_buf_span(&token), NOW_MS);
    gush_buf_fini(&token);
    gush_token_verifier_free(v);
    return r;
}

/* A well-signed token with these claims. */
static struct verdict claims_of(const char *claims)
{
    struct gush_token_config config = {.hmac_secret_key = secret};

    return with_config(&config, HS256, EVP_sha256(), secret, claims);
}

static gush_err err_of(struct verdict r)
{
    gush_claims_fini(&r.claims);
    return r.err;
}

static void denied(const char *claims)
{
    struct verdict r = claims_of(claims);

    if (r.err != GUSH_EDENIED)
        fail_msg("%s: %s", claims, gush_err_text(r.err));
    gush_claims_fini(&r.claims);
}

static void fine(const char *claims)
{
    struct verdict r = claims_of(claims);

    if (r.err != GUSH_OK)
        fail_msg("%s: %s", claims, r.why);
    gush_claims_fini(&r.claims);
}

/* --- form --- */

static void truncated_at_every_byte(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};
    struct gush_token_verifier *v = verifier(&config, false);
    struct gush_token_verifier *skipping = verifier(&config, true);
    struct gush_buf token;
    struct verdict r;

    (void)state;
    mint(&token, HS256, EVP_sha256(), secret,
         "{\"sub\":\"u\\n1\",\"subs\":{\"a\":{\"b64info\":\"e30=\"}}}");
    for (size_t n = 0; n < token.n; n++)
        assert_int_equal(err_of(verify_at(v, gush_span_of(token.p, n), NOW_MS)), GUSH_EDENIED);
    r = verify_at(v, gush_buf_span(&token), NOW_MS);
    assert_int_equal(r.err, GUSH_OK);
    assert_span(r.claims.user, "u\n1");
    gush_claims_fini(&r.claims);
    /* Without signature to check, what is cut off must still not be read. */
    for (size_t n = 0; n < token.n; n++) {
        gush_err err = err_of(verify_at(skipping, gush_span_of(token.p, n), NOW_MS));

        assert_true(err == GUSH_EDENIED || err == GUSH_OK);
    }
    gush_buf_fini(&token);
    gush_token_verifier_free(v);
    gush_token_verifier_free(skipping);
}

static void any_byte_changed_is_denied(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};
    struct gush_token_verifier *v = verifier(&config, false);
    struct gush_buf token;

    (void)state;
    mint(&token, HS256, EVP_sha256(), secret, "{\"sub\":\"u\"}");
    for (size_t i = 0; i + 1 < token.n; i++) { /* the last character has two spare bits */
        token.p[i] ^= 0x02;
        assert_int_equal(err_of(verify_at(v, gush_buf_span(&token), NOW_MS)), GUSH_EDENIED);
        token.p[i] ^= 0x02;
    }
    assert_int_equal(err_of(verify_at(v, gush_buf_span(&token), NOW_MS)), GUSH_OK);
    gush_buf_fini(&token);
    gush_token_verifier_free(v);
}

static void other_shapes_than_three_parts(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};
    struct gush_token_verifier *v = verifier(&config, true); /* even without signature */
    static const char *const bad[] = {
        "",
        "e",
        "eyJ",
        "eyJ.",
        "eyJ..",
        "...",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJhbGciOiJIUzI1NiJ9.e30",
        "eyJhbGciOiJIUzI1NiJ9.e30.x.",
        "eyJhbGciOiJIUzI1NiJ9.e30..x",
        "eyJhbGciOiJIUzI1NiJ9.e30.x.y",
        " eyJhbGciOiJIUzI1NiJ9.e30.x",
        "eyJhbGciOiJIUzI1NiJ9.e30=.xxxx",
        "eyJhbGciOiJIUzI1NiJ9.e30.xxx=",
        "eyJhbGciOiJIUzI1NiIifQ==.e30.xxxx",
        "eyJhbGciOiJIUzI1NiJ9.e30.x+xx",
        "eyJhbGciOiJIUzI1NiJ9.e30.xxxxx",
        "eyJhbGciOiJIUzI1NiJ9. e30.xxxx",
        "eyJhbGciOiJIUzI1NiJ9.e30.xxxx\n",
        "IHsiYWxnIjoiSFMyNTYifQ.e30.xxxx", /* a space before the header */
        "eyJhbGciOiJIUzI1NiJ9..xxxx",
        "eyJhbGciOiJIUzI1NiJ9.bnVsbA.xxxx" /* null */,
        "eyJhbGciOiJIUzI1NiJ9.W10.xxxx" /* [] */,
        "eyJhbGciOiJIUzI1NiJ9.e30K.xxxx "};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (err_of(verify_at(v, gush_span_str(bad[i]), NOW_MS)) != GUSH_EDENIED)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    assert_int_equal(err_of(verify_at(v, GUSH_SPAN_EMPTY, NOW_MS)), GUSH_EDENIED);
    assert_int_equal(err_of(verify_at(v, GUSH_SPAN_LIT("eyJhbGciOiJIUzI1NiJ9.e30.xxxx"), NOW_MS)),
                     GUSH_OK);
    gush_token_verifier_free(v);
}

static void headers_that_are_none(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};
    static const char *const bad[] = {"{\"alg\":\"HS256\"",
                                      "{\"alg\":\"HS256\"}x",
                                      "{\"alg\":256}",
                                      "{\"alg\":[\"HS256\"]}",
                                      "{\"alg\":null}",
                                      "{\"typ\":\"JWT\"}",
                                      "{\"alg\":\"HS256\",\"kid\":1}",
                                      "{\"alg\":\"\xff\"}"};
    static const char *const good[] = {
        "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"crit\":[\"x\"]}", "{\"typ\":5,\"alg\":\"HS256\"} ",
        "{\"alg\":\"HS2\\u00356\",\"kid\":\"k\"}", "{\"ALG\":\"HS256\",\"kid\":null}"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(err_of(with_config(&config, bad[i], EVP_sha256(), secret, "{}")),
                         GUSH_EDENIED);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(err_of(with_config(&config, good[i], EVP_sha256(), secret, "{}")),
                         GUSH_OK);
}

static void tokens_over_the_limits(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};
    struct gush_token_verifier *v = verifier(&config, false);
    struct gush_buf claims, token;

    (void)state;
    gush_buf_init(&claims, MINT_LIMIT_BYTES);
    for (int over = 0; over < 2; over++) {
        gush_buf_reset(&claims);
        gush_buf_put_str(&claims, "{\"channels\":[\"x\"");
        for (int i = 1; i < GUSH_TOKEN_SUBS_MAX + over; i++)
            gush_buf_put_str(&claims, ",\"y\"");
        gush_buf_put_str(&claims, "]}");
        mint_unsigned(&token, HS256, gush_buf_span(&claims));
        mint_sign(&token, EVP_sha256(), secret);
        assert_true(token.n < GUSH_TOKEN_BYTES_MAX);
        assert_int_equal(err_of(verify_at(v, gush_buf_span(&token), NOW_MS)),
                         over ? GUSH_EDENIED : GUSH_OK);
        gush_buf_fini(&token);
    }
    gush_buf_reset(&claims);
    gush_buf_put_str(&claims, "{\"x\":\"");
    for (int i = 0; i < 200000; i++)
        gush_buf_put_u8(&claims, 'x');
    gush_buf_put_str(&claims, "\"}");
    mint_unsigned(&token, HS256, gush_buf_span(&claims));
    mint_sign(&token, EVP_sha256(), secret);
    assert_true(token.n > GUSH_TOKEN_BYTES_MAX);
    assert_int_equal(err_of(verify_at(v, gush_buf_span(&token), NOW_MS)), GUSH_EDENIED);
    gush_buf_fini(&token);
    gush_buf_fini(&claims);
    gush_token_verifier_free(v);
}

static void nesting_bombs(void **state)
{
    struct gush_buf claims;

    (void)state;
    /* The claims object is a level of its own. */
    for (unsigned depth = GUSH_JSON_DEPTH_MAX - 1; depth <= GUSH_JSON_DEPTH_MAX; depth++) {
        gush_buf_init(&claims, MINT_LIMIT_BYTES);
        gush_buf_put_str(&claims, "{\"info\":");
        for (unsigned i = 0; i < depth; i++)
            gush_buf_put_u8(&claims, '[');
        for (unsigned i = 0; i < depth; i++)
            gush_buf_put_u8(&claims, ']');
        gush_buf_put_str(&claims, "}");
        gush_buf_put_u8(&claims, '\0');
        assert_int_equal(err_of(claims_of((const char *)claims.p)),
                         depth == GUSH_JSON_DEPTH_MAX ? GUSH_EDENIED : GUSH_OK);
        gush_buf_fini(&claims);
    }
}

/* --- algorithm and key --- */

static void the_three_hmac_algorithms(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};

    (void)state;
    assert_int_equal(
        err_of(with_config(&config, "{\"alg\":\"HS256\"}", EVP_sha256(), secret, "{}")), GUSH_OK);
    assert_int_equal(
        err_of(with_config(&config, "{\"alg\":\"HS384\"}", EVP_sha384(), secret, "{}")), GUSH_OK);
    assert_int_equal(
        err_of(with_config(&config, "{\"alg\":\"HS512\"}", EVP_sha512(), secret, "{}")), GUSH_OK);
}

/* Signed correctly, but as something else than the header says. */
static void swapped_algorithms(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};
    static const char *const names[] = {"none",  "None",  "",      "hs256", "HS256 ",
                                        "HS1",   "HS512", "HS384", "RS256", "ES256",
                                        "EdDSA", "PS256", "HS2566"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char header[40];

        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
        assert_int_equal(err_of(with_config(&config, header, EVP_sha256(), secret, "{}")),
                         GUSH_EDENIED);
    }
}

static void none_with_an_empty_signature(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};
    struct gush_token_verifier *v = verifier(&config, false);
    static const char *const headers[] = {"{\"alg\":\"none\"}", HS256, "{\"alg\":\"\"}"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct gush_buf token;

        mint_unsigned(&token, headers[i], GUSH_SPAN_LIT("{}"));
        gush_buf_put_u8(&token, '.');
        assert_int_equal(err_of(verify_at(v, gush_buf_span(&token), NOW_MS)), GUSH_EDENIED);
        gush_buf_fini(&token);
    }
    gush_token_verifier_free(v);
}

static void the_wrong_key(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};

    (void)state;
    assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), other, "{}")), GUSH_EDENIED);
    assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), "", "{}")), GUSH_EDENIED);
}

static void without_a_key_every_token_is_denied(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = NULL};
    char empty[] = "";

    (void)state;
    assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), "", "{}")), GUSH_EDENIED);
    config.hmac_secret_key = empty;
    assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), "", "{}")), GUSH_EDENIED);
}

static void the_previous_key_until_it_ends(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret,
                                       .hmac_previous_secret_key = previous};
    const int64_t ends[] = {0, NOW_MS / 1000 + 1, NOW_MS / 1000, NOW_MS / 1000 - 1, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        config.hmac_previous_secret_key_valid_until = ends[i];
        assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), previous, "{}")),
                         i < 3 ? GUSH_OK : GUSH_EDENIED);
        assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), secret, "{}")), GUSH_OK);
        assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), other, "{}")),
                         GUSH_EDENIED);
    }
}

static void any_key_length(void **state)
{
    char key[300];
    struct gush_token_config config = {.hmac_secret_key = key};

    (void)state;
    memset(key, 'k', sizeof(key));
    for (size_t n = 1; n < sizeof(key); n += 13) {
        key[n] = '\0';
        assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), key, "{}")), GUSH_OK);
        key[n] = 'k';
    }
}

static void skipping_the_signature_skips_nothing_else(void **state)
{
    struct gush_token_config config = {.audience = other};
    struct gush_token_verifier *v = verifier(&config, true);
    static const struct {
        const char *header, *claims;
        gush_err err;
    } cases[] = {
        {"{\"alg\":\"none\"}", "{\"aud\":\"other\"}", GUSH_OK},
        {"{\"typ\":\"JWT\"}", "{\"aud\":\"other\"}", GUSH_OK},
        {"{\"alg\":\"RS256\"}", "{\"aud\":\"other\"}", GUSH_OK},
        {"{\"alg\":1}", "{\"aud\":\"other\"}", GUSH_EDENIED},
        {"{\"alg\":\"none\"}", "{}", GUSH_EDENIED},
        {"{\"alg\":\"none\"}", "{\"aud\":\"other\",\"exp\":1}", GUSH_EEXPIRED},
        {"{\"alg\":\"none\"}", "{\"aud\":\"other\",\"channel\":\"x\"}", GUSH_EDENIED},
        {"{\"alg\":\"none\"}", "{\"aud\":\"other\",\"sub\":1}", GUSH_EDENIED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gush_buf token;

        mint_unsigned(&token, cases[i].header, gush_span_str(cases[i].claims));
        gush_buf_put_u8(&token, '.');
        assert_int_equal(err_of(verify_at(v, gush_buf_span(&token), NOW_MS)), cases[i].err);
        gush_buf_fini(&token);
    }
    gush_token_verifier_free(v);
}

static void a_user_id_claim_that_is_no_name(void **state)
{
    static const char *const bad[] = {"user id", "a.b", "user1", "a-b", "\xc3\xa9"};
    struct gush_token_verifier *v = NULL;
    const char *why = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char name[16];
        struct gush_token_config config = {.hmac_secret_key = secret, .user_id_claim = name};

        snprintf(name, sizeof(name), "%s", bad[i]);
        assert_int_equal(gush_token_verifier_new(&config, false, &v, &why), GUSH_ECONFIG);
        assert_non_null(why);
        assert_null(v);
    }
}

/* --- claims: types --- */

static void every_claim_with_every_wrong_type(void **state)
{
    static const struct {
        char id;
        const char *json;
    } values[] = {
        {'b', "true"},
        {'i', "5"},
        {'f', "1.5"},
        {'t', "\"text\""},
        {'d', "\"2000000000\""},
        {'a', "[]"},
        {'A', "[1]"},
        {'l', "[\"a\",null]"},
        {'o', "{}"},
        {'O', "{\"a\":1}"},
        {'z', "null"},
        {'e', "\"\""},
    };
    static const struct {
        const char *name, *fitting; /* ids of the values that are right */
    } claims[] = {
        {"sub", "tdze"},
        {"iss", "tdze"},
        {"jti", "tdze"},
        {"b64info", "tze"}, /* "text" happens to be base64 */
        {"channel", "ze"},
        {"iat", "ifdz"},
        {"nbf", "ifz"}, /* the quoted number is a right one, but to come */
        {"exp", "dz"},  /* the others are right, but past */
        {"expire_at", "iz"},
        {"aud", "tdae"},
        {"channels", "alz"},
        {"subs", "oz"},
        {"info", "biftdaAloOze"},
        {"meta", "biftdaAloOze"},
        {"client", "biftdaAloOze"}, /* these belong to subscription tokens: unknown here */
        {"data", "biftdaAloOze"},
        {"b64data", "biftdaAloOze"},
        {"override", "biftdaAloOze"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            bool fits = strchr(claims[i].fitting, values[k].id) != NULL;
            char json[100];
            gush_err err;

            snprintf(json, sizeof(json), "{\"%s\":%s}", claims[i].name, values[k].json);
            err = err_of(claims_of(json));
            if ((err == GUSH_OK) != fits)
                fail_msg("%s: %s", json, gush_err_text(err));
        }
    }
}

static void names_match_in_any_case(void **state)
{
    struct verdict r =
        claims_of("{\"SUB\":\"u\",\"Expire_At\":1800000000,\"\\u0049NFO\":{\"a\":1}}");

    (void)state;
    assert_int_equal(r.err, GUSH_OK);
    assert_span(r.claims.user, "u");
    assert_span(r.claims.info, "{\"a\":1}");
    assert_int_equal(r.claims.expire_at_s, 1800000000);
    gush_claims_fini(&r.claims);
    denied("{\"Sub\":1}");
    denied("{\"CHANNEL\":\"x\"}");
}

static void no_claims_at_all(void **state)
{
    struct verdict r = claims_of("{}");

    (void)state;
    assert_int_equal(r.err, GUSH_OK);
    assert_int_equal(r.claims.user.n, 0);
    assert_false(r.claims.has_expiry);
    assert_int_equal(r.claims.subs_n, 0);
    assert_null(r.claims.info.p);
    assert_null(r.claims.meta.p);
    gush_claims_fini(&r.claims);
}

static void payloads_that_are_not_json(void **state)
{
    (void)state;
    denied("");
    denied("{");
    denied("{}{}");
    denied("{}x");
    denied("\"sub\"");
    denied("{\"sub\":\"\xff\"}");
    denied("{\"sub\":'u'}");
    denied("{sub:\"u\"}");
    denied("{\"sub\":\"u\",}");
}

/* --- claims: time --- */

static void exp_and_nbf(void **state)
{
    static const struct {
        const char *claims;
        gush_err err;
    } cases[] = {
        {"{\"exp\":1700000001}", GUSH_OK},
        {"{\"exp\":1700000000}", GUSH_EEXPIRED},
        {"{\"exp\":1700000000.5}", GUSH_EEXPIRED}, /* must be after now */
        {"{\"exp\":1700000000.501}", GUSH_OK},
        {"{\"exp\":\"1700000001\"}", GUSH_OK},
        {"{\"exp\":\"1700000000.25\"}", GUSH_EEXPIRED},
        {"{\"exp\":1.8e9}", GUSH_OK},
        {"{\"exp\":1e300}", GUSH_OK},
        {"{\"exp\":1e400}", GUSH_EDENIED},
        {"{\"exp\":0}", GUSH_EEXPIRED},
        {"{\"exp\":-1e300}", GUSH_EEXPIRED},
        {"{\"exp\":\"\\u0031700000001\"}", GUSH_OK},
        {"{\"exp\":\" 1700000001\"}", GUSH_EDENIED},
        {"{\"exp\":\"1700000001 \"}", GUSH_EDENIED},
        {"{\"exp\":\"0x10\"}", GUSH_EDENIED},
        {"{\"exp\":\"inf\"}", GUSH_EDENIED},
        {"{\"exp\":\"1 2\"}", GUSH_EDENIED},
        {"{\"nbf\":1700000000}", GUSH_OK},
        {"{\"nbf\":1700000000.4}", GUSH_OK},
        {"{\"nbf\":1700000000.6}", GUSH_EEXPIRED},
        {"{\"nbf\":1700000001}", GUSH_EEXPIRED},
        {"{\"iat\":1900000000}", GUSH_OK},
        {"{\"exp\":1,\"sub\":5}", GUSH_EDENIED}, /* types come before time */
        {"{\"exp\":1,\"channel\":\"x\"}", GUSH_EDENIED},
        {"{\"exp\":1,\"b64info\":\"!\"}", GUSH_EEXPIRED},
        {"{\"exp\":1,\"subs\":{\"a\":{\"b64info\":\"!\"}}}", GUSH_EEXPIRED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gush_err err = err_of(claims_of(cases[i].claims));

        if (err != cases[i].err)
            fail_msg("%s: %s", cases[i].claims, gush_err_text(err));
    }
}

/* spec: authentication 4 */
static void effective_expiry(void **state)
{
    static const struct {
        const char *claims;
        bool has;
        int64_t at_s;
    } cases[] = {
        {"{}", false, 0},
        {"{\"exp\":1700000100}", true, 1700000100},
        {"{\"exp\":1700000100.9}", true, 1700000100},
        {"{\"exp\":1e300}", true, 9000000000000000},
        {"{\"exp\":1700000100,\"expire_at\":1700000005}", true, 1700000005},
        {"{\"exp\":1700000100,\"expire_at\":0}", false, 0},
        {"{\"exp\":1700000100,\"expire_at\":-5}", false, 0},
        {"{\"exp\":1700000100,\"expire_at\":null}", true, 1700000100},
        {"{\"expire_at\":1}", true, 1}, /* past: the session says "expired" */
        {"{\"expire_at\":9223372036854775807}", true, 9000000000000000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct verdict r = claims_of(cases[i].claims);

        assert_int_equal(r.err, GUSH_OK);
        assert_int_equal(r.claims.has_expiry, cases[i].has);
        assert_int_equal(r.claims.expire_at_s, cases[i].at_s);
        gush_claims_fini(&r.claims);
    }
    denied("{\"expire_at\":1.5}");
    denied("{\"expire_at\":1e9}");
    denied("{\"expire_at\":9223372036854775808}");
    denied("{\"expire_at\":\"1\"}");
}

/* --- claims: audience, issuer, channel --- */

static void audience_and_issuer(void **state)
{
    char audience[] = "push", issuer[] = "login";
    struct gush_token_config aud = {.hmac_secret_key = secret, .audience = audience};
    struct gush_token_config iss = {.hmac_secret_key = secret, .issuer = issuer};
    static const struct {
        bool is_aud;
        const char *claims;
        gush_err err;
    } cases[] = {
        {true, "{\"aud\":\"push\"}", GUSH_OK},
        {true, "{\"aud\":[\"x\",\"push\",\"y\"]}", GUSH_OK},
        {true, "{\"aud\":\"p\\u0075sh\"}", GUSH_OK},
        {true, "{}", GUSH_EDENIED},
        {true, "{\"aud\":[]}", GUSH_EDENIED},
        {true, "{\"aud\":\"Push\"}", GUSH_EDENIED},
        {true, "{\"aud\":\"push2\"}", GUSH_EDENIED},
        {true, "{\"aud\":[\"pus\",\"h\"]}", GUSH_EDENIED},
        {true, "{\"aud\":\"x\",\"exp\":1}", GUSH_EDENIED}, /* before time */
        {false, "{\"iss\":\"login\"}", GUSH_OK},
        {false, "{}", GUSH_EDENIED},
        {false, "{\"iss\":null}", GUSH_EDENIED},
        {false, "{\"iss\":\"login2\"}", GUSH_EDENIED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(err_of(with_config(cases[i].is_aud ? &aud : &iss, HS256, EVP_sha256(),
                                            secret, cases[i].claims)),
                         cases[i].err);
}

static void a_channel_claim(void **state)
{
    (void)state;
    denied("{\"channel\":\"news\"}");
    fine("{\"channel\":\"\"}");
    fine("{\"channel\":null}");
}

/* --- claims: raw values --- */

static void info_and_meta_keep_their_bytes(void **state)
{
    struct verdict r =
        claims_of("{\"info\": {\"n\" : 1e2, \"big\":123456789012345678901234567890} ,"
                  "\"meta\":\t[ 1,\"\\u00e9\" ] }");

    (void)state;
    assert_int_equal(r.err, GUSH_OK);
    assert_span(r.claims.info, "{\"n\" : 1e2, \"big\":123456789012345678901234567890}");
    assert_span(r.claims.meta, "[ 1,\"\\u00e9\" ]");
    gush_claims_fini(&r.claims);
    r = claims_of("{\"info\":null}");
    assert_span(r.claims.info, "null");
    gush_claims_fini(&r.claims);
}

static void b64info_wins_unless_empty(void **state)
{
    struct verdict r = claims_of("{\"info\":1,\"b64info\":\"AP8=\"}");

    (void)state;
    assert_int_equal(r.err, GUSH_OK);
    assert_span(r.claims.info, "\0\xff");
    gush_claims_fini(&r.claims);
    r = claims_of("{\"info\":1,\"b64info\":\"\"}");
    assert_span(r.claims.info, "1");
    gush_claims_fini(&r.claims);
    assert_int_equal(err_of(claims_of("{\"b64info\":\"AP8\"}")), GUSH_ESYNTAX);  /* unpadded */
    assert_int_equal(err_of(claims_of("{\"b64info\":\"_-8=\"}")), GUSH_ESYNTAX); /* url alphabet */
}

/* --- claims: subscriptions --- */

static void channels(void **state)
{
    struct verdict r = claims_of("{\"channels\":[\"news\",\"\",\"a\\u0062c\",null,\"news\"]}");

    (void)state;
    assert_int_equal(r.err, GUSH_OK);
    assert_int_equal(r.claims.subs_n, 2);
    assert_span(r.claims.subs[0].channel, "abc");
    assert_span(r.claims.subs[1].channel, "news");
    assert_int_equal(r.claims.subs[1].override.presence, -1);
    assert_int_equal(r.claims.subs[1].info.n, 0);
    gush_claims_fini(&r.claims);
    fine("{\"channels\":[]}");
    denied("{\"channels\":[\"a\",1]}");
    denied("{\"channels\":{\"a\":{}}}");
    denied("{\"subs\":{\"a\":{}},\"channels\":[1]}"); /* ignored, but of the wrong type */
}

static void subs_put_channels_aside(void **state)
{
    struct verdict r = claims_of("{\"channels\":[\"x\",\"y\"],\"subs\":{\"a\":{}}}");

    (void)state;
    assert_int_equal(r.err, GUSH_OK);
    assert_int_equal(r.claims.subs_n, 1);
    assert_span(r.claims.subs[0].channel, "a");
    gush_claims_fini(&r.claims);
    r = claims_of("{\"channels\":[\"x\",\"y\"],\"subs\":{}}");
    assert_int_equal(r.claims.subs_n, 2);
    gush_claims_fini(&r.claims);
    r = claims_of("{\"channels\":[\"x\",\"y\"],\"subs\":null}");
    assert_int_equal(r.claims.subs_n, 2);
    gush_claims_fini(&r.claims);
}

static void options_of_a_sub(void **state)
{
    struct verdict r = claims_of(
        "{\"subs\":{\"b\":null,\"a\":{\"info\":{ \"x\":1},\"DATA\":[2],\"other\":5,\"override\":{"
        "\"presence\":{\"value\":true},\"join_leave\":{\"value\":false},\"force_recovery\":{},"
        "\"force_positioning\":null,\"FORCE_push_join_leave\":{\"Value\":true,\"x\":1},"
        "\"history\":7}}}}");
    const struct gush_token_sub *a;

    (void)state;
    assert_int_equal(r.err, GUSH_OK);
    assert_int_equal(r.claims.subs_n, 2);
    a = &r.claims.subs[0];
    assert_span(a->channel, "a");
    assert_span(a->info, "{ \"x\":1}");
    assert_span(a->data, "[2]");
    assert_int_equal(a->override.presence, 1);
    assert_int_equal(a->override.join_leave, 0);
    assert_int_equal(a->override.force_recovery, 0);
    assert_int_equal(a->override.force_positioning, -1);
    assert_int_equal(a->override.force_push_join_leave, 1);
    assert_span(r.claims.subs[1].channel, "b");
    assert_int_equal(r.claims.subs[1].override.presence, -1);
    gush_claims_fini(&r.claims);
    r = claims_of(
        "{\"subs\":{\"a\":{\"info\":1,\"b64info\":\"aGk=\",\"data\":2,\"b64data\":\"\"}}}");
    assert_span(r.claims.subs[0].info, "hi");
    assert_span(r.claims.subs[0].data, "2");
    gush_claims_fini(&r.claims);
}

static void wrong_options_of_a_sub(void **state)
{
    static const char *const bad[] = {"1",
                                      "\"x\"",
                                      "[]",
                                      "true",
                                      "{\"b64info\":1}",
                                      "{\"b64data\":{}}",
                                      "{\"b64info\":\"aGk\"}",
                                      "{\"b64data\":\"*\"}",
                                      "{\"override\":true}",
                                      "{\"override\":[]}",
                                      "{\"override\":\"x\"}",
                                      "{\"override\":{\"presence\":true}}",
                                      "{\"override\":{\"presence\":1}}",
                                      "{\"override\":{\"presence\":[]}}",
                                      "{\"override\":{\"join_leave\":{\"value\":1}}}",
                                      "{\"override\":{\"force_recovery\":{\"value\":\"true\"}}}",
                                      "{\"override\":{\"force_positioning\":{\"value\":{}}}}",
                                      "{\"override\":{\"force_push_join_leave\":false}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char json[200];

        snprintf(json, sizeof(json), "{\"subs\":{\"ok\":{},\"a\":%s}}", bad[i]);
        denied(json);
    }
}

static void the_later_of_equal_names_counts(void **state)
{
    struct verdict r =
        claims_of("{\"subs\":{\"a\\u0062\":{\"info\":1},\"ab\":{\"info\":2},\"ab\":{\"info\":3},"
                  "\"\\u0061b\":{\"info\":4}},\"sub\":\"x\",\"sub\":\"y\"}");

    (void)state;
    assert_int_equal(r.err, GUSH_OK);
    assert_int_equal(r.claims.subs_n, 1);
    assert_span(r.claims.subs[0].info, "4");
    assert_span(r.claims.user, "y");
    gush_claims_fini(&r.claims);
    fine("{\"subs\":{\"a\":{}},\"subs\":{\"b\":{}}}");
    denied("{\"sub\":1,\"sub\":\"y\"}");
}

/* --- claims: user --- */

static void a_custom_user_claim(void **state)
{
    char name[] = "uid";
    struct gush_token_config config = {.hmac_secret_key = secret, .user_id_claim = name};
    static const struct {
        const char *claims, *user;
    } cases[] = {
        {"{\"uid\":\"a\\u0062\"}", "ab"},
        {"{\"uid\":7}", "7"},
        {"{\"uid\":7.0}", "7"},
        {"{\"uid\":1e3}", "1000"},
        {"{\"uid\":-1.50}", "-1.5"},
        {"{\"uid\":0.001}", "0.001"},
        {"{\"uid\":1e23}", "100000000000000000000000"},
        {"{\"uid\":12.25}", "12.25"},
        {"{\"uid\":123456789012345678901234567890}", "123456789012345678901234567890"},
        {"{\"uid\":-9223372036854775809}", "-9223372036854775809"},
        {"{\"uid\":true}", "true"},
        {"{\"uid\":{\"a\": [1]}}", "{\"a\": [1]}"},
        {"{\"uid\":[1, 2]}", "[1, 2]"},
        {"{\"uid\":null}", ""},
        {"{}", ""},
        {"{\"sub\":\"not used\"}", ""},
        {"{\"UID\":\"another name\"}", ""},
        {"{\"uid\":\"first\",\"uid\":\"second\"}", "first"},
        {"{\"u\\u0069d\":\"x\"}", "x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct verdict r = with_config(&config, HS256, EVP_sha256(), secret, cases[i].claims);

        assert_int_equal(r.err, GUSH_OK);
        if (!gush_span_eq_str(r.claims.user, cases[i].user))
            fail_msg("%s: %.*s", cases[i].claims, (int)r.claims.user.n,
                     (const char *)r.claims.user.p);
        gush_claims_fini(&r.claims);
    }
    assert_int_equal(
        err_of(with_config(&config, HS256, EVP_sha256(), secret, "{\"uid\":\"x\",\"sub\":5}")),
        GUSH_EDENIED); /* "sub" keeps its type */
    assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), secret, "{\"uid\":1e999}")),
                     GUSH_EDENIED);
    assert_int_equal(err_of(with_config(&config, HS256, EVP_sha256(), secret, "{\"uid\":1e308}")),
                     GUSH_OK);
}

/* --- threads --- */

static void *verify_often(void *arg)
{
    struct gush_buf token;

    mint(&token, HS256, EVP_sha256(), secret, "{\"sub\":\"u\"}");
    for (int i = 0; i < 500; i++) {
        struct verdict r = {.why = NULL};

        r.err = gush_token_verify(arg, gush_buf_span(&token), NOW_MS, &r.claims, &r.why);
        if (r.err || !gush_span_eq_str(r.claims.user, "u"))
            return arg;
        gush_claims_fini(&r.claims);
    }
    gush_buf_fini(&token);
    return NULL;
}

static void one_verifier_on_many_threads(void **state)
{
    struct gush_token_config config = {.hmac_secret_key = secret};
    struct gush_token_verifier *v = verifier(&config, false);
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_often, v), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = v;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    gush_token_verifier_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_at_every_byte),
        cmocka_unit_test(any_byte_changed_is_denied),
        cmocka_unit_test(other_shapes_than_three_parts),
        cmocka_unit_test(headers_that_are_none),
        cmocka_unit_test(tokens_over_the_limits),
        cmocka_unit_test(nesting_bombs),
        cmocka_unit_test(the_three_hmac_algorithms),
        cmocka_unit_test(swapped_algorithms),
        cmocka_unit_test(none_with_an_empty_signature),
        cmocka_unit_test(the_wrong_key),
        cmocka_unit_test(without_a_key_every_token_is_denied),
        cmocka_unit_test(the_previous_key_until_it_ends),
        cmocka_unit_test(any_key_length),
        cmocka_unit_test(skipping_the_signature_skips_nothing_else),
        cmocka_unit_test(a_user_id_claim_that_is_no_name),
        cmocka_unit_test(every_claim_with_every_wrong_type),
        cmocka_unit_test(names_match_in_any_case),
        cmocka_unit_test(no_claims_at_all),
        cmocka_unit_test(payloads_that_are_not_json),
        cmocka_unit_test(exp_and_nbf),
        cmocka_unit_test(effective_expiry),
        cmocka_unit_test(audience_and_issuer),
        cmocka_unit_test(a_channel_claim),
        cmocka_unit_test(info_and_meta_keep_their_bytes),
        cmocka_unit_test(b64info_wins_unless_empty),
        cmocka_unit_test(channels),
        cmocka_unit_test(subs_put_channels_aside),
        cmocka_unit_test(options_of_a_sub),
        cmocka_unit_test(wrong_options_of_a_sub),
        cmocka_unit_test(the_later_of_equal_names_counts),
        cmocka_unit_test(a_custom_user_claim),
        cmocka_unit_test(one_verifier_on_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
