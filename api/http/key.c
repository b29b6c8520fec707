/* key: who may call. */
#include "server/base/buf.h"
#include "server/base/text.h"

#include "server/http/query.h"

#include "api/http/http_priv.h"

static bool fits(struct gush_span key, struct gush_span offered)
{
    return gush_span_eq_secret(key, offered);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes the next word off |s|; empty: there is none. */
static struct gush_span next_word(struct gush_span *s)
{
    struct gush_span word;

    while (s->n > 0 && is_space(s->p[0]))
        *s = gush_span_of(s->p + 1, s->n - 1);
    word = gush_span_of(s->p, 0);
    while (s->n > 0 && !is_space(s->p[0])) {
        word.n++;
        *s = gush_span_of(s->p + 1, s->n - 1);
    }
    return word;
}

/* "apikey KEY", two words. */
static bool authorization_fits(struct gush_span key, struct gush_span value)
{
    struct gush_span scheme = next_word(&value), offered = next_word(&value);

    return offered.n > 0 && next_word(&value).n == 0 &&
           gush_span_eq_nocase(scheme, GUSH_SPAN_LIT("apikey")) && fits(key, offered);
}

static bool query_fits(struct gush_span key, struct gush_span query)
{
    struct gush_buf offered;
    bool found, ok;

    if (query.n == 0)
        return false;
    gush_buf_init(&offered, query.n);
    ok = gush_query_find(query, "api_key", &offered, &found) == GUSH_OK && found &&
         fits(key, gush_buf_span(&offered));
    gush_buf_fini(&offered);
    return ok;
}

bool gush__api_key_fits(struct gush_span key, const struct gush_http_request *request)
{
    struct gush_span value;

    if (key.n == 0)
        return false;
    value = gush_http_field_find(request->fields, request->fields_n, "X-API-Key", NULL);
    if (value.n > 0) {
        if (fits(key, value))
            return true;
    } else {
        value = gush_http_field_find(request->fields, request->fields_n, "Authorization", NULL);
        if (authorization_fits(key, value))
            return true;
    }
    return query_fits(key, request->query); /* also behind a wrong field */
}
