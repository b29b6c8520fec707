/* Commands that make and check tokens. libjwt makes them; the server's own verifier checks them, so
 * that the answer is the one that a client would get. */
#include <errno.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/text.h"

#include "server/codec/json_scan.h"

#include "server/auth/token.h"

#include "server/app/cli_priv.h"

#define TTL_DEFAULT_S     INT64_C(604800)
#define TTL_MAX_S         (INT64_MAX / 1000000000) /* the longest that is a duration */
#define DURATION_TEXT_MAX 64
#define NO_KEY            "client.token.hmac_secret_key is not set"

/* ---- making ---------------------------------------------------------------------------------- */

/* What a new token says. */
struct order {
    const char *key;
    const char *user;       /* "": the anonymous one */
    const char *user_claim; /* a further claim that holds the user, or "" */
    const char *channel;    /* NULL: a connection token */
    int64_t now_s, ttl_s;   /* ttl 0: it never expires */
};

static bool add_text(jwt_t *jwt, const char *claim, const char *text)
{
    int failed = jwt_add_grant(jwt, claim, text);

    if (failed)
        printf("error: claim %s: %s\n", claim, strerror(failed));
    return failed == 0;
}

static bool add_number(jwt_t *jwt, const char *claim, int64_t number)
{
    int failed = jwt_add_grant_int(jwt, claim, number);

    if (failed)
        printf("error: claim %s: %s\n", claim, strerror(failed));
    return failed == 0;
}

/* libjwt would let the user replace them. */
static bool is_taken(const struct order *o)
{
    return strcmp(o->user_claim, "exp") == 0 || strcmp(o->user_claim, "iat") == 0 ||
           (o->channel != NULL && strcmp(o->user_claim, "channel") == 0);
}

static bool add_claims(jwt_t *jwt, const struct order *o)
{
    bool named = *o->user != '\0';

    if (named && !add_text(jwt, "sub", o->user))
        return false;
    if (o->ttl_s > 0 && !add_number(jwt, "exp", o->now_s + o->ttl_s))
        return false;
    if (!add_number(jwt, "iat", o->now_s))
        return false;
    if (o->channel != NULL && !add_text(jwt, "channel", o->channel))
        return false;
    if (!named || *o->user_claim == '\0' || strcmp(o->user_claim, "sub") == 0)
        return true;
    if (is_taken(o)) {
        printf("error: client.token.user_id_claim: %s has another meaning\n", o->user_claim);
        return false;
    }
    return add_text(jwt, o->user_claim, o->user);
}

/* NULL after having said why not; else to be given to free(). */
static char *mint(const struct order *o)
{
    jwt_t *jwt = NULL;
    char *token = NULL;
    int failed = jwt_new(&jwt);

    if (failed == 0)
        failed =
            jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)o->key, (int)strlen(o->key));
    if (failed) {
        printf("error: %s\n", strerror(failed));
        goto out;
    }
    if (!add_claims(jwt, o))
        goto out;
    token = jwt_encode_str(jwt);
    if (token == NULL)
        printf("error: %s\n", strerror(errno));
out:
    jwt_free(jwt);
    return token;
}

static bool parse_ttl(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    uint64_t n = 0;

    if (gush_parse_u64(gush_span_str(text + negative), &n) != GUSH_OK || n > TTL_MAX_S)
        return false;
    *out = negative ? 0 : (int64_t)n;
    return true;
}

static void print_heading(const struct order *o)
{
    struct gush_buf ttl;

    fputs("HMAC SHA-256 JWT for ", stdout);
    if (*o->user) {
        fputs("user \"", stdout);
        gush__cli_print_foreign(gush_span_str(o->user));
        putchar('"');
    } else {
        fputs("anonymous user", stdout);
    }
    if (o->channel) {
        fputs(" and channel \"", stdout);
        gush__cli_print_foreign(gush_span_str(o->channel));
        putchar('"');
    }
    if (o->ttl_s == 0) {
        puts(" without expiration:");
        return;
    }
    gush_buf_init(&ttl, DURATION_TEXT_MAX);
    gush_format_duration(o->ttl_s * 1000000000, &ttl);
    printf(" with expiration TTL %.*s:\n", (int)ttl.n, (const char *)ttl.p);
    gush_buf_fini(&ttl);
}

static void refuse_without_key(const struct gush__cli *cli)
{
    const char *file = gush__cli_value(cli, GUSH__CLI_CONFIG, GUSH__CLI_CONFIG_FILE);

    if (gush__cli_is_missing(file))
        printf("error: " NO_KEY ": config file not found: %s\n", file);
    else
        puts("error: " NO_KEY);
}

static int make(const struct gush__cli *cli, const char *channel)
{
    struct order o = {.user = gush__cli_value(cli, GUSH__CLI_USER, ""), .channel = channel};
    const char *ttl = cli->value[GUSH__CLI_TTL];
    bool quiet = cli->value[GUSH__CLI_QUIET] != NULL;
    struct gush_config *config;
    char *token = NULL;

    o.ttl_s = TTL_DEFAULT_S;
    if (ttl && !parse_ttl(ttl, &o.ttl_s)) {
        printf("error: --ttl: not a number of seconds (accepted: up to %lld; 0: no expiration)\n",
               (long long)TTL_MAX_S);
        return 1;
    }
    if (!gush_utf8_valid(gush_span_str(o.user)) || !gush_utf8_valid(gush_span_str(channel))) {
        puts("error: a user or channel that is not UTF-8 cannot stand in a token");
        return 1;
    }
    config = gush__cli_load(cli);
    if (config == NULL)
        return 1;
    o.key = config->client.token.hmac_secret_key;
    o.user_claim = config->client.token.user_id_claim;
    o.now_s = gush_clock_wall_ms() / 1000;
    if (*o.key)
        token = mint(&o);
    else
        refuse_without_key(cli);
    if (token) {
        if (!quiet)
            print_heading(&o);
        printf("%s%s", token, quiet ? "" : "\n");
    }
    gush_config_free(config);
    free(token); /* allow heap: libjwt's */
    return token ? 0 : 1;
}

int gush__cli_gentoken(const struct gush__cli *cli)
{
    return make(cli, NULL);
}

int gush__cli_gensubtoken(const struct gush__cli *cli)
{
    const char *channel = gush__cli_value(cli, GUSH__CLI_CHANNEL, "");

    if (*channel == '\0') {
        puts("channel is required");
        return 1;
    }
    return make(cli, channel);
}

/* ---- checking -------------------------------------------------------------------------------- */

/* A token, looked into without trusting it. Spans point into |text|. */
struct look {
    struct gush_buf text;
    struct gush_span algorithm; /* between its quotes, escapes unresolved */
    struct gush_span claims;    /* one JSON object */
};

/* The JSON object that |part| spells in base64url: appended to |text|, which does not move. */
static bool look_object(struct gush_span part, struct gush_buf *text, struct gush_json_value *out)
{
    struct gush_json_scan scan;
    size_t start = text->n;

    if (gush_base64url_decode(part, text) != GUSH_OK)
        return false;
    gush_json_scan_init(&scan, gush_span_of(text->p + start, text->n - start));
    return gush_json_next(&scan, out) && out->type == GUSH_JSON_OBJECT && gush_json_at_end(&scan);
}

/* The piece up to the next dot, which |*rest| loses; false if there is no dot. */
static bool take_part(struct gush_span *rest, struct gush_span *part)
{
    const uint8_t *dot = rest->n ? memchr(rest->p, '.', rest->n) : NULL;

    if (dot == NULL)
        return false;
    *part = gush_span_of(rest->p, (size_t)(dot - rest->p));
    *rest = gush_span_of(dot + 1, rest->n - part->n - 1);
    return true;
}

static bool look_into(struct gush_span token, struct look *look)
{
    struct gush_span rest = token, header, payload;
    struct gush_json_value head, claims, value;
    struct gush_json_iter it;
    struct gush_span key;

    if (!take_part(&rest, &header) || !take_part(&rest, &payload) ||
        (rest.n && memchr(rest.p, '.', rest.n)))
        return false;
    gush_buf_init(&look->text, token.n);
    if (gush_buf_reserve(&look->text, token.n) == NULL ||
        !look_object(header, &look->text, &head) || !look_object(payload, &look->text, &claims))
        return false;
    look->claims = claims.raw;
    it = gush_json_members(head);
    while (gush_json_member(&it, &key, &value))
        if (gush_json_key_is(key, "alg") && value.type == GUSH_JSON_STRING)
            look->algorithm = gush_span_of(value.raw.p + 1, value.raw.n - 2);
    return true;
}

static bool has_key(const struct gush_config *config)
{
    return *config->client.token.hmac_secret_key != '\0' ||
           *config->client.token.hmac_previous_secret_key != '\0';
}

static int judge(const struct gush_config *config, const struct gush_token_verifier *verifier,
                 struct gush_span token, const struct look *look)
{
    bool skip = config->client.insecure_skip_token_signature_verify;
    const char *why = "unknown";
    struct gush_claims claims = {.memory = NULL};
    gush_err err = gush_token_verify(verifier, token, gush_clock_wall_ms(), &claims, &why);

    if (err == GUSH_OK) {
        fputs(claims.user.n ? "valid token for user " : "valid token for anonymous user", stdout);
        gush__cli_print_foreign(claims.user);
        fputs("\npayload: ", stdout);
        gush__cli_print_foreign(look->claims);
        putchar('\n');
        gush_claims_fini(&claims);
        return 0;
    }
    if (!has_key(config) && !skip)
        why = NO_KEY;
    fputs("error: token with algorithm ", stdout);
    gush__cli_print_foreign(look->algorithm);
    fputs(" and claims ", stdout);
    gush__cli_print_foreign(look->claims);
    printf(" has error: %s\n", why);
    return 1;
}

static int check(const struct gush_config *config, struct gush_span token)
{
    struct gush_token_verifier *verifier = NULL;
    struct look look = {.algorithm = GUSH_SPAN_EMPTY};
    const char *why = "unknown";
    int status = 1;

    if (gush_token_verifier_new(&config->client.token,
                                config->client.insecure_skip_token_signature_verify, &verifier,
                                &why) != GUSH_OK) {
        printf("error: %s\n", why);
        return 1;
    }
    if (has_key(config))
        gush_log(GUSH_LOG_INFO, "enabled JWT verifiers",
                 GUSH_F("algorithms", "HS256, HS384, HS512"));
    if (look_into(token, &look))
        status = judge(config, verifier, token, &look);
    else
        puts("error: token format is not valid");
    gush_buf_fini(&look.text);
    gush_token_verifier_free(verifier);
    return status;
}

int gush__cli_checktoken(const struct gush__cli *cli)
{
    struct gush_config *config = gush__cli_load(cli);
    int status = 1;

    GUSH_ASSERT(cli->operand != NULL);
    if (config == NULL)
        return 1;
    if (gush_log_open(config->log.level, NULL) == GUSH_OK) {
        status = check(config, gush_span_str(cli->operand));
        gush_log_close();
    }
    gush_config_free(config);
    return status;
}
