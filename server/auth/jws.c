#include "server/base/text.h"

#include "server/auth/auth_priv.h"

gush_err gush__jws_split(struct gush_span token, struct gush__jws *out, const char **why)
{
    const uint8_t *dot1, *dot2, *end = token.p + token.n;

    /* base64url of {" : no leading white space either. */
    if (token.n < 3 || memcmp(token.p, "eyJ", 3) != 0)
        return gush_fail(why, GUSH_EDENIED, "token does not begin with eyJ");
    dot1 = memchr(token.p, '.', token.n);
    dot2 = dot1 ? memchr(dot1 + 1, '.', (size_t)(end - dot1 - 1)) : NULL;
    if (dot2 == NULL || memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1)) != NULL)
        return gush_fail(why, GUSH_EDENIED, "token does not have three parts");
    out->signed_part = gush_span_of(token.p, (size_t)(dot2 - token.p));
    out->header = gush_span_of(token.p, (size_t)(dot1 - token.p));
    out->payload = gush_span_of(dot1 + 1, (size_t)(dot2 - dot1 - 1));
    out->signature = gush_span_of(dot2 + 1, (size_t)(end - dot2 - 1));
    return GUSH_OK;
}

/* The two members we use; "typ" and "crit" are not ours to check. */
static gush_err read_member(struct gush_span key, struct gush_json_value v, struct gush_buf *text,
                            struct gush__jws_header *out)
{
    struct gush_span *field = gush_json_key_is(key, "alg")   ? &out->alg
                              : gush_json_key_is(key, "kid") ? &out->kid
                                                             : NULL;

    if (field == NULL || v.type == GUSH_JSON_NULL)
        return GUSH_OK;
    return gush__value_string(v, text, field);
}

gush_err gush__jws_header(const struct gush__jws *jws, struct gush_buf *text,
                          struct gush__jws_header *out, const char **why)
{
    struct gush_json_scan scan;
    struct gush_json_value header, v;
    struct gush_json_iter it;
    struct gush_span json, key;
    size_t start = text->n;

    *out = (struct gush__jws_header){GUSH_SPAN_EMPTY, GUSH_SPAN_EMPTY};
    if (gush_base64url_decode(jws->header, text) != GUSH_OK)
        return gush_fail(why, GUSH_EDENIED, "token header is not base64url");
    json = gush_span_of(text->p + start, text->n - start);
    gush_json_scan_init(&scan, json);
    if (!gush_json_next(&scan, &header) || !gush_json_at_end(&scan) ||
        header.type != GUSH_JSON_OBJECT)
        return gush_fail(why, GUSH_EDENIED, "token header is not a JSON object");
    it = gush_json_members(header);
    while (gush_json_member(&it, &key, &v)) {
        if (read_member(key, v, text, out) != GUSH_OK)
            return gush_fail(why, GUSH_EDENIED, "alg or kid in the token header is not a string");
    }
    return GUSH_OK;
}
