#include "server/rpc_http/reader.h"

#include "server/base/assert.h"

#define FLAG_PACKED 1

void gush_rpc_http_reader_init(struct gush_rpc_http_reader *r, size_t max_bytes)
{
    *r = (struct gush_rpc_http_reader){.prefix_n = 0};
    gush_buf_init(&r->body, max_bytes);
}

void gush_rpc_http_reader_fini(struct gush_rpc_http_reader *r)
{
    gush_buf_fini(&r->body);
}

static struct gush_span cut(struct gush_span *in, size_t n)
{
    struct gush_span out = gush_span_of(in->p, n < in->n ? n : in->n);

    *in = gush_span_of(in->p + out.n, in->n - out.n);
    return out;
}

/* Whole or not; when it becomes whole it is judged, before anything is allocated for what it says.
 */
static gush_err take_prefix(struct gush_rpc_http_reader *r, struct gush_span *in)
{
    struct gush_span got = cut(in, GUSH_RPC_HTTP_PREFIX_N - r->prefix_n);
    const uint8_t *p = r->prefix;

    memcpy(r->prefix + r->prefix_n, got.p, got.n);
    r->prefix_n += (uint8_t)got.n;
    if (r->prefix_n < GUSH_RPC_HTTP_PREFIX_N)
        return GUSH_EAGAIN;
    if (p[0] > FLAG_PACKED)
        return GUSH_ESYNTAX;
    r->length = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    return r->length > r->body.limit_bytes ? GUSH_ELIMIT : GUSH_OK;
}

gush_err gush_rpc_http_reader_take(struct gush_rpc_http_reader *r, struct gush_span *in,
                                   struct gush_rpc_http_message *message)
{
    gush_err err = GUSH_OK;

    if (r->whole) {
        gush_buf_reset(&r->body);
        r->prefix_n = 0;
        r->whole = false;
    }
    if (in->n == 0)
        return GUSH_EAGAIN;
    if (r->prefix_n < GUSH_RPC_HTTP_PREFIX_N)
        err = take_prefix(r, in);
    if (err != GUSH_OK)
        return err;
    gush_buf_put_span(&r->body, cut(in, r->length - r->body.n));
    GUSH_ASSERT(gush_buf_ok(&r->body));
    if (r->body.n < r->length)
        return GUSH_EAGAIN;
    r->whole = true;
    *message = (struct gush_rpc_http_message){gush_buf_span(&r->body), r->prefix[0] == FLAG_PACKED};
    return GUSH_OK;
}

bool gush_rpc_http_reader_amid(const struct gush_rpc_http_reader *r)
{
    return r->prefix_n > 0 && !r->whole;
}

void gush_rpc_http_reader_prefix(uint8_t prefix[GUSH_RPC_HTTP_PREFIX_N], bool packed, size_t length)
{
    GUSH_ASSERT(length <= UINT32_MAX);
    prefix[0] = packed ? FLAG_PACKED : 0;
    prefix[1] = (uint8_t)(length >> 24);
    prefix[2] = (uint8_t)(length >> 16);
    prefix[3] = (uint8_t)(length >> 8);
    prefix[4] = (uint8_t)length;
}
