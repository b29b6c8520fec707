/* head: the responses of an endpoint, without the pushes. */
#include <string.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "transports/http_push/http_push_priv.h"

#define STREAM_FIELDS 5

struct gush_http_push_later {
    struct gush_http_field fields[GUSH_CORS_FIELDS_MAX];
    size_t fields_n;
    uint8_t text[]; /* what their values point to */
};

struct gush_http_push_later *gush__http_push_later(const struct gush_cors *cors,
                                                   const struct gush_http_request *request)
{
    struct gush_http_field fields[GUSH_CORS_FIELDS_MAX];
    size_t n = gush_cors_fields(cors, request, fields), text_n = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        text_n += fields[i].value.n;
    struct gush_http_push_later *later = gush_alloc(sizeof *later + text_n);
    later->fields_n = n;
    for (size_t i = 0; i < n; i++) {
        struct gush_span value = fields[i].value;

        if (value.n)
            memcpy(later->text + at, value.p, value.n);
        later->fields[i] = (struct gush_http_field){
            fields[i].name, gush_span_of(later->text + at, value.n)}; /* names are static */
        at += value.n;
    }
    return later;
}

void gush__http_push_later_free(struct gush_http_push_later *later)
{
    gush_free(later);
}

void gush__http_push_start(const struct gush_http_push_options *o, struct gush_exchange *s,
                           const struct gush_http_field *cors, size_t cors_n)
{
    struct gush_http_field fields[STREAM_FIELDS + GUSH_CORS_FIELDS_MAX] = {
        {GUSH_SPAN_LIT("Content-Type"), o->content_type},
        {GUSH_SPAN_LIT("Cache-Control"),
         GUSH_SPAN_LIT("private, no-cache, no-store, must-revalidate, max-age=0")},
        {GUSH_SPAN_LIT("Pragma"), GUSH_SPAN_LIT("no-cache")},
        {GUSH_SPAN_LIT("Expire"), GUSH_SPAN_LIT("0")}, /* sic */
        {GUSH_SPAN_LIT("X-Accel-Buffering"), GUSH_SPAN_LIT("no")},
    };
    struct gush_http_response r = {
        .status = 200, .fields = fields, .fields_n = STREAM_FIELDS + cors_n, .body = o->first};

    GUSH_ASSERT(cors_n <= GUSH_CORS_FIELDS_MAX);
    for (size_t i = 0; i < cors_n; i++)
        fields[STREAM_FIELDS + i] = cors[i];
    gush_exchange_start(s, &r);
}

void gush__http_push_start_later(const struct gush_http_push_options *o, struct gush_exchange *s,
                                 const struct gush_http_push_later *later)
{
    gush__http_push_start(o, s, later->fields, later->fields_n);
}

void gush__http_push_refuse(const struct gush_http_push_options *o, struct gush_exchange *s,
                            const struct gush_http_request *request, unsigned status)
{
    struct gush_http_field fields[GUSH_CORS_FIELDS_MAX];
    struct gush_http_response r = {.status = status, .fields = fields};

    if (request)
        r.fields_n = gush_cors_fields(o->cors, request, fields);
    gush_exchange_respond(s, &r);
}

void gush__http_push_preflight(const struct gush_http_push_options *o, struct gush_exchange *s,
                               const struct gush_http_request *request)
{
    struct gush_http_field fields[2 + GUSH_CORS_FIELDS_MAX] = {
        {GUSH_SPAN_LIT("Access-Control-Allow-Methods"), GUSH_SPAN_LIT("POST, OPTIONS")},
        {GUSH_SPAN_LIT("Access-Control-Max-Age"), GUSH_SPAN_LIT("300")},
    };
    struct gush_http_response r = {.status = 204, .fields = fields, .fields_n = 2};

    r.fields_n += gush_cors_fields(o->cors, request, fields + 2);
    gush_exchange_respond(s, &r);
}

void gush__http_push_failed(const struct gush_http_push_options *o, struct gush_exchange *s,
                            const struct gush_http_push_later *later, uint32_t code,
                            const char *text)
{
    struct gush_http_field fields[1 + GUSH_CORS_FIELDS_MAX] = {
        {GUSH_SPAN_LIT("Content-Type"), GUSH_SPAN_LIT("text/plain; charset=utf-8")},
    };
    struct gush_http_response r = {.status = 500,
                                   .fields = fields,
                                   .fields_n = 1 + later->fields_n,
                                   .body = GUSH_SPAN_LIT("Internal Server Error")};

    for (size_t i = 0; i < later->fields_n; i++)
        fields[1 + i] = later->fields[i];
    for (size_t i = 0; i < o->responses->transforms_n; i++) {
        const struct gush_connect_response *t = &o->responses->transforms[i];

        if (t->code != code)
            continue;
        r.status = (unsigned)t->to_status_code;
        r.body = gush_span_str(t->to_body && *t->to_body ? t->to_body : text);
        break;
    }
    gush_exchange_respond(s, &r);
}
