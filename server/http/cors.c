#include "server/http/cors.h"

#include <string.h>

#include "server/base/mem.h"
#include "server/base/text.h"

#define ORIGIN_MAX 512 /* scheme, name of at most 253 characters, port: longer is no origin */

struct gush_cors {
    char **patterns; /* lower case */
    size_t n;
};

static void lower(char *to, const char *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + ('a' - 'A')) : from[i];
}

gush_err gush_cors_new(char *const *patterns, size_t patterns_n, struct gush_cors **out,
                       size_t *bad)
{
    for (size_t i = 0; i < patterns_n; i++) {
        if (gush_glob_valid(gush_span_str(patterns[i])) != GUSH_OK) {
            *bad = i;
            return GUSH_ESYNTAX;
        }
    }
    struct gush_cors *cors = GUSH_NEW(struct gush_cors);
    cors->patterns = (char **)gush_zalloc(patterns_n, sizeof(char *));
    cors->n = patterns_n;
    for (size_t i = 0; i < patterns_n; i++) {
        size_t n = strlen(patterns[i]);
        cors->patterns[i] = gush_strndup(patterns[i], n);
        lower(cors->patterns[i], patterns[i], n);
    }
    *out = cors;
    return GUSH_OK;
}

void gush_cors_free(struct gush_cors *cors)
{
    if (cors == NULL)
        return;
    for (size_t i = 0; i < cors->n; i++)
        gush_free(cors->patterns[i]);
    gush_free((void *)cors->patterns);
    gush_free(cors);
}

bool gush_cors_allows(const struct gush_cors *cors, struct gush_span origin)
{
    char text[ORIGIN_MAX];

    if (origin.n == 0)
        return true;
    if (origin.n > sizeof(text))
        return false;
    lower(text, (const char *)origin.p, origin.n);
    for (size_t i = 0; i < cors->n; i++) {
        if (gush_glob_match(gush_span_str(cors->patterns[i]), gush_span_of(text, origin.n)))
            return true;
    }
    return false;
}

size_t gush_cors_fields(const struct gush_cors *cors, const struct gush_http_request *request,
                        struct gush_http_field out[GUSH_CORS_FIELDS_MAX])
{
    bool asked;
    struct gush_span origin =
        gush_http_field_find(request->fields, request->fields_n, "Origin", NULL);
    struct gush_span headers = gush_http_field_find(request->fields, request->fields_n,
                                                    "Access-Control-Request-Headers", &asked);

    if (origin.n == 0 || !gush_cors_allows(cors, origin))
        return 0;
    out[0] = (struct gush_http_field){GUSH_SPAN_LIT("Access-Control-Allow-Origin"), origin};
    out[1] = (struct gush_http_field){GUSH_SPAN_LIT("Access-Control-Allow-Credentials"),
                                      GUSH_SPAN_LIT("true")};
    if (!asked || headers.n == 0 || gush_span_eq_str(headers, "null"))
        return 2;
    out[2] = (struct gush_http_field){GUSH_SPAN_LIT("Access-Control-Allow-Headers"), headers};
    return 3;
}
