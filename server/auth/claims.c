#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/auth/auth_priv.h"

struct reader {
    struct gush_buf *text;
    struct gush__claims *out;
    const char *user_claim;
    bool user_found;
    struct gush_json_value user;
    struct gush_json_value subs, channels; /* raw.n 0: not given */
};

/* --- options of one entry in "subs" --- */

static gush_err read_flag(struct gush_json_value v, int8_t *out)
{
    struct gush_json_iter it;
    struct gush_json_value value;
    struct gush_span key;

    if (v.type == GUSH_JSON_NULL)
        return GUSH_OK;
    if (v.type != GUSH_JSON_OBJECT)
        return GUSH_ETYPE;
    *out = 0;
    it = gush_json_members(v);
    while (gush_json_member(&it, &key, &value)) {
        if (!gush_json_key_is(key, "value") || value.type == GUSH_JSON_NULL)
            continue;
        if (value.type != GUSH_JSON_BOOL)
            return GUSH_ETYPE;
        *out = value.raw.p[0] == 't';
    }
    return GUSH_OK;
}

static gush_err read_override(struct gush_json_value v, struct gush_token_override *out)
{
    const struct {
        const char *name;
        int8_t *flag;
    } flags[] = {
        {"presence", &out->presence},
        {"join_leave", &out->join_leave},
        {"force_push_join_leave", &out->force_push_join_leave},
        {"force_positioning", &out->force_positioning},
        {"force_recovery", &out->force_recovery},
    };
    struct gush_json_iter it;
    struct gush_json_value value;
    struct gush_span key;
    gush_err err = GUSH_OK;

    if (v.type == GUSH_JSON_NULL)
        return GUSH_OK;
    if (v.type != GUSH_JSON_OBJECT)
        return GUSH_ETYPE;
    it = gush_json_members(v);
    while (err == GUSH_OK && gush_json_member(&it, &key, &value)) {
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
            if (gush_json_key_is(key, flags[i].name))
                err = read_flag(value, flags[i].flag);
        }
        if (err)
            return err;
    }
    return GUSH_OK;
}

static gush_err read_text(struct gush_json_value v, struct gush_buf *text, struct gush_span *out)
{
    return v.type == GUSH_JSON_NULL ? GUSH_OK : gush__value_string(v, text, out);
}

static gush_err read_option(struct gush_span key, struct gush_json_value v, struct gush_buf *text,
                            struct gush__claims_sub *out)
{
    if (gush_json_key_is(key, "info"))
        out->sub.info = v.raw;
    else if (gush_json_key_is(key, "data"))
        out->sub.data = v.raw;
    else if (gush_json_key_is(key, "b64info"))
        return read_text(v, text, &out->b64info);
    else if (gush_json_key_is(key, "b64data"))
        return read_text(v, text, &out->b64data);
    else if (gush_json_key_is(key, "override"))
        return read_override(v, &out->sub.override);
    return GUSH_OK;
}

static gush_err read_options(struct gush_json_value v, struct gush_buf *text,
                             struct gush__claims_sub *out)
{
    struct gush_json_iter it;
    struct gush_json_value value;
    struct gush_span key;

    if (v.type == GUSH_JSON_NULL)
        return GUSH_OK;
    if (v.type != GUSH_JSON_OBJECT)
        return GUSH_ETYPE;
    it = gush_json_members(v);
    while (gush_json_member(&it, &key, &value)) {
        gush_err err = read_option(key, value, text, out);

        if (err)
            return err;
    }
    return GUSH_OK;
}

/* --- "subs" and "channels" --- */

static struct gush__claims_sub *add_sub(struct gush__claims *c)
{
    struct gush__claims_sub *sub = &c->subs[c->subs_n];

    *sub = (struct gush__claims_sub){.at = c->subs_n++, .sub.override = {-1, -1, -1, -1, -1}};
    return sub;
}

static gush_err read_subs(struct reader *r)
{
    struct gush_json_iter it;
    struct gush_json_value value;
    struct gush_span key;

    it = gush_json_members(r->subs);
    while (gush_json_member(&it, &key, &value)) {
        struct gush_json_value name = {GUSH_JSON_STRING, key};
        struct gush__claims_sub *sub = add_sub(r->out);
        gush_err err = gush__value_string(name, r->text, &sub->sub.channel);

        if (err == GUSH_OK)
            err = read_options(value, r->text, sub);
        if (err)
            return err;
    }
    return GUSH_OK;
}

static gush_err read_channels(struct reader *r)
{
    struct gush_json_iter it = gush_json_elements(r->channels);
    struct gush_json_value value;
    bool wanted = r->out->subs_n == 0;

    while (gush_json_element(&it, &value)) {
        struct gush_span channel = GUSH_SPAN_EMPTY;
        gush_err err = read_text(value, r->text, &channel);

        if (err)
            return err;
        if (wanted && channel.n)
            add_sub(r->out)->sub.channel = channel;
    }
    return GUSH_OK;
}

static size_t count_members(struct gush_json_value v)
{
    struct gush_json_iter it = gush_json_members(v);
    struct gush_span key;
    size_t n = 0;

    while (gush_json_member(&it, &key, &v))
        n++;
    return n;
}

static size_t count_elements(struct gush_json_value v)
{
    struct gush_json_iter it = gush_json_elements(v);
    size_t n = 0;

    while (gush_json_element(&it, &v))
        n++;
    return n;
}

/* Both are checked; "subs" with an entry puts "channels" aside. */
static gush_err read_subscriptions(struct reader *r)
{
    size_t subs_n = r->subs.raw.n ? count_members(r->subs) : 0;
    size_t channels_n = r->channels.raw.n ? count_elements(r->channels) : 0;
    size_t most = subs_n > channels_n ? subs_n : channels_n;
    gush_err err = GUSH_OK;

    if (most > GUSH_TOKEN_SUBS_MAX)
        return GUSH_ELIMIT;
    if (most == 0)
        return GUSH_OK;
    r->out->subs = gush_zalloc(most, sizeof(*r->out->subs));
    if (subs_n)
        err = read_subs(r);
    if (err == GUSH_OK && channels_n)
        err = read_channels(r);
    return err;
}

/* --- the claims --- */

static gush_err read_audience(struct reader *r, struct gush_json_value v)
{
    struct gush_json_value one;
    struct gush_json_iter it;

    if (v.type != GUSH_JSON_STRING && v.type != GUSH_JSON_ARRAY)
        return GUSH_ETYPE;
    r->out->has_audience = true;
    r->out->audience = v;
    if (v.type == GUSH_JSON_STRING)
        return GUSH_OK;
    it = gush_json_elements(v);
    while (gush_json_element(&it, &one)) {
        if (one.type != GUSH_JSON_STRING)
            return GUSH_ETYPE;
    }
    return GUSH_OK;
}

static gush_err read_container(struct gush_json_value v, enum gush_json_type type,
                               struct gush_json_value *out)
{
    if (v.type != type && v.type != GUSH_JSON_NULL)
        return GUSH_ETYPE;
    *out = v.type == type ? v : (struct gush_json_value){GUSH_JSON_NULL, GUSH_SPAN_EMPTY};
    return GUSH_OK;
}

static gush_err read_date(struct reader *r, struct gush_json_value v, struct gush__date *out)
{
    out->given = v.type != GUSH_JSON_NULL;
    return out->given ? gush__value_date(v, r->text, &out->s) : GUSH_OK;
}

static gush_err read_integer(struct gush_json_value v, struct gush__integer *out)
{
    out->given = v.type != GUSH_JSON_NULL;
    return out->given ? gush_json_i64(v, &out->v) : GUSH_OK;
}

/* GUSH_EUNKNOWN: not a claim of this table. */
static gush_err read_simple(struct reader *r, struct gush_span key, struct gush_json_value v)
{
    struct gush__claims *c = r->out;
    const struct {
        const char *name;
        struct gush_span *text;
        struct gush__date *date;
    } simple[] = {
        {"sub", &c->user, NULL},        {"iss", &c->issuer, NULL},      {"jti", &c->ignored, NULL},
        {"channel", &c->channel, NULL}, {"b64info", &c->b64info, NULL}, {"exp", NULL, &c->exp},
        {"nbf", NULL, &c->nbf},         {"iat", NULL, &c->iat},
    };

    for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
        if (!gush_json_key_is(key, simple[i].name))
            continue;
        return simple[i].text ? read_text(v, r->text, simple[i].text)
                              : read_date(r, v, simple[i].date);
    }
    return GUSH_EUNKNOWN;
}

static gush_err read_claim(struct reader *r, struct gush_span key, struct gush_json_value v)
{
    gush_err err = read_simple(r, key, v);

    if (err != GUSH_EUNKNOWN)
        return err;
    if (gush_json_key_is(key, "aud"))
        return read_audience(r, v);
    if (gush_json_key_is(key, "expire_at"))
        return read_integer(v, &r->out->expire_at);
    if (gush_json_key_is(key, "subs"))
        return read_container(v, GUSH_JSON_OBJECT, &r->subs);
    if (gush_json_key_is(key, "channels"))
        return read_container(v, GUSH_JSON_ARRAY, &r->channels);
    if (gush_json_key_is(key, "info"))
        r->out->info = v.raw;
    else if (gush_json_key_is(key, "meta"))
        r->out->meta = v.raw;
    return GUSH_OK;
}

/* The configured user claim is found by its exact name, the first one if there are several. */
static gush_err note_user(struct reader *r, struct gush_span key, struct gush_json_value v)
{
    struct gush_json_value quoted = {GUSH_JSON_STRING, key};
    struct gush_span name;
    size_t start = r->text->n;
    gush_err err;

    if (r->user_claim[0] == '\0' || r->user_found)
        return GUSH_OK;
    err = gush__value_string(quoted, r->text, &name);
    if (err)
        return err;
    r->user_found = gush_span_eq_str(name, r->user_claim);
    r->text->n = start;
    if (r->user_found)
        r->user = v;
    return GUSH_OK;
}

static gush_err read_all(struct reader *r, struct gush_json_value object)
{
    struct gush_json_iter it = gush_json_members(object);
    struct gush_json_value v;
    struct gush_span key;
    gush_err err;

    while (gush_json_member(&it, &key, &v)) {
        err = note_user(r, key, v);
        if (err == GUSH_OK)
            err = read_claim(r, key, v);
        if (err)
            return err;
    }
    err = read_subscriptions(r);
    if (err || r->user_claim[0] == '\0')
        return err;
    r->out->user = GUSH_SPAN_EMPTY;
    return r->user_found ? gush__value_user(r->user, r->text, &r->out->user) : GUSH_OK;
}

gush_err gush__claims_decode(struct gush_span json, struct gush_buf *text, const char *user_claim,
                             struct gush__claims *out, const char **why)
{
    struct reader r = {.text = text, .out = out, .user_claim = user_claim};
    struct gush_json_scan scan;
    struct gush_json_value object;
    gush_err err;

    *out = (struct gush__claims){0};
    gush_json_scan_init(&scan, json);
    if (!gush_json_next(&scan, &object) || !gush_json_at_end(&scan) ||
        object.type != GUSH_JSON_OBJECT)
        return gush_fail(why, GUSH_EDENIED, "token claims are not a JSON object");
    err = read_all(&r, object);
    if (err == GUSH_ELIMIT)
        return gush_fail(why, GUSH_EDENIED, "too many channels in the token");
    if (err)
        return gush_fail(why, GUSH_EDENIED, "a token claim has the wrong type");
    return GUSH_OK;
}

void gush__claims_fini(struct gush__claims *c)
{
    gush_free(c->subs);
    c->subs = NULL;
    c->subs_n = 0;
}

static bool is_audience(struct gush_json_value v, struct gush_buf *text, struct gush_span wanted)
{
    struct gush_span audience;
    size_t start = text->n;
    bool same =
        gush__value_string(v, text, &audience) == GUSH_OK && gush_span_eq_secret(audience, wanted);

    text->n = start;
    return same;
}

bool gush__claims_has_audience(const struct gush__claims *c, struct gush_buf *text,
                               struct gush_span wanted)
{
    struct gush_json_value one;
    struct gush_json_iter it;
    bool found = false;

    if (!c->has_audience)
        return false;
    if (c->audience.type == GUSH_JSON_STRING)
        return is_audience(c->audience, text, wanted);
    it = gush_json_elements(c->audience);
    while (gush_json_element(&it, &one))
        found |= is_audience(one, text, wanted);
    return found;
}

void gush_claims_fini(struct gush_claims *claims)
{
    gush_free(claims->subs);
    gush_free(claims->memory);
    *claims = (struct gush_claims){0};
}
