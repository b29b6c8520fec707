#include "server/http/gzip.h"

#include <string.h>
#include <zlib.h>

#include "server/base/mem.h"
#include "server/base/text.h"

#define LEVEL         1 /* most of the gain for a fraction of the time */
#define WINDOW_MIN    9
#define WINDOW_MAX    15
#define WRAPPING_GZIP 16

/* ---- what a request accepts ----------------------------------------------------------------- */

/* Cuts what stands before the next |separator| off |*s|. */
static struct gush_span cut(struct gush_span *s, char separator)
{
    const uint8_t *at = s->n ? memchr(s->p, separator, s->n) : NULL;
    size_t n = at ? (size_t)(at - s->p) : s->n, taken = at ? n + 1 : n;
    struct gush_span first = gush_span_of(s->p, n);

    *s = gush_span_of(s->p + taken, s->n - taken);
    return gush_http_trim(first);
}

/* "0.5" as 500; -1 if it is no weight. */
static int parse_weight(struct gush_span s)
{
    int weight, unit = 100;

    if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
        return -1;
    weight = (s.p[0] - '0') * 1000;
    for (size_t i = 2; i < s.n; i++, unit /= 10) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        weight += (s.p[i] - '0') * unit;
    }
    return weight <= 1000 ? weight : -1;
}

/* The weight of one element; what else its parameters say is nothing that we know. */
static int weight_of(struct gush_span parameters)
{
    int weight = 1000;

    while (parameters.n) {
        struct gush_span p = cut(&parameters, ';');
        if (p.n >= 2 && (p.p[0] == 'q' || p.p[0] == 'Q') && p.p[1] == '=')
            weight = parse_weight(gush_span_of(p.p + 2, p.n - 2));
        else
            weight = -1;
        if (weight < 0)
            return -1;
    }
    return weight;
}

struct weights {
    int gzip, any, identity; /* -1: not named */
};

/* False: not a list of codings. */
static bool read_codings(struct gush_span value, struct weights *w)
{
    while (value.n) {
        struct gush_span parameters = cut(&value, ',');
        struct gush_span coding = cut(&parameters, ';');
        int weight = weight_of(parameters);

        if (weight < 0)
            return false;
        if (gush_span_eq_nocase(coding, GUSH_SPAN_LIT("gzip")) ||
            gush_span_eq_nocase(coding, GUSH_SPAN_LIT("x-gzip")))
            w->gzip = weight;
        else if (gush_span_eq_nocase(coding, GUSH_SPAN_LIT("identity")))
            w->identity = weight;
        else if (gush_span_eq_str(coding, "*"))
            w->any = weight;
    }
    return true;
}

bool gush_gzip_accepted(const struct gush_http_request *request)
{
    struct weights w = {-1, -1, -1};

    for (size_t i = 0; i < request->fields_n; i++) {
        const struct gush_http_field *field = &request->fields[i];
        if (field->name.n == 15 &&
            gush_span_eq_nocase(field->name, GUSH_SPAN_LIT("accept-encoding")) &&
            !read_codings(field->value, &w))
            return false;
    }
    int weight = w.gzip >= 0 ? w.gzip : w.any;
    return weight > 0 && weight >= w.identity;
}

/* ---- packing -------------------------------------------------------------------------------- */

static void *zlib_alloc(void *opaque, uInt n, uInt size)
{
    (void)opaque;
    return gush_try_alloc((size_t)n * size);
}

static void zlib_free(void *opaque, void *p)
{
    (void)opaque;
    gush_free(p);
}

/* A window is no larger than the body: small ones need little memory. */
static int window_for(size_t n)
{
    int bits = WINDOW_MIN;

    while (bits < WINDOW_MAX && ((size_t)1 << bits) < n)
        bits++;
    return bits;
}

/* False: it would save less than an eighth, or there is no memory for it. */
static bool pack(struct gush_span body, struct gush_buf *out)
{
    size_t room = body.n - body.n / 8;
    int window = window_for(body.n), result;
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};

    if (deflateInit2(&z, LEVEL, Z_DEFLATED, window + WRAPPING_GZIP, window - 7,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    gush_buf_init(out, room);
    memcpy(&z.next_in, &body.p, sizeof(body.p)); /* not const in old zlib; it is only read */
    z.avail_in = (uInt)body.n;
    z.next_out = gush_buf_reserve(out, room);
    z.avail_out = (uInt)room;
    result = deflate(&z, Z_FINISH);
    out->n = room - z.avail_out;
    deflateEnd(&z);
    return result == Z_STREAM_END;
}

void gush_gzip_response(struct gush_gzip *z, bool accepted, const struct gush_http_response *r)
{
    size_t n = r->fields_n;

    z->response = *r;
    gush_buf_init(&z->packed, 0);
    if (!r->compress || r->body.n < GUSH_GZIP_BODY_MIN || r->body.n > GUSH_GZIP_BODY_MAX ||
        n + 2 > GUSH_GZIP_FIELDS_MAX)
        return;
    if (n)
        memcpy(z->fields, r->fields, n * sizeof(*r->fields));
    z->fields[n++] =
        (struct gush_http_field){GUSH_SPAN_LIT("Vary"), GUSH_SPAN_LIT("Accept-Encoding")};
    if (accepted && pack(r->body, &z->packed)) {
        z->fields[n++] =
            (struct gush_http_field){GUSH_SPAN_LIT("Content-Encoding"), GUSH_SPAN_LIT("gzip")};
        z->response.body = gush_buf_span(&z->packed);
    }
    z->response.fields = z->fields;
    z->response.fields_n = n;
}

void gush_gzip_done(struct gush_gzip *z)
{
    gush_buf_fini(&z->packed);
}
