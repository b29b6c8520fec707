#include "server/rpc/gzip.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#define WINDOW_GZIP (15 + 16) /* the largest window; gzip's wrapping and no other */
#define STEP_MIN    ((size_t)1024)
#define STEP_MAX    ((size_t)64 * 1024)
#define PACK_MIN    64 /* below that the wrapping alone eats what is won */
#define PACK_MEMORY 8  /* zlib's own default */

struct gush_rpc_gzip {
    z_stream z;
    struct gush_buf out; /* may grow to one byte over the limit, and is then over it */
    bool broken, end;
};

struct gush_rpc_gzip *gush_rpc_gzip_new(size_t max_bytes)
{
    struct gush_rpc_gzip *g = GUSH_NEW(struct gush_rpc_gzip);

    gush_buf_init(&g->out, max_bytes + 1);
    g->broken = inflateInit2(&g->z, WINDOW_GZIP) != Z_OK;
    return g;
}

void gush_rpc_gzip_free(struct gush_rpc_gzip *gzip)
{
    if (gzip == NULL)
        return;
    (void)inflateEnd(&gzip->z);
    gush_buf_fini(&gzip->out);
    gush_free(gzip);
}

/* Adds to |out| what |z| has to give, in steps that grow with it. */
static int inflate_some(z_stream *z, struct gush_buf *out)
{
    size_t room = out->limit_bytes - out->n, step = out->n < STEP_MIN ? STEP_MIN : out->n;
    int result;

    step = step < STEP_MAX ? step : STEP_MAX;
    step = step < room ? step : room;
    z->next_out = gush_buf_reserve(out, step);
    GUSH_ASSERT(z->next_out != NULL && step > 0);
    z->avail_out = (uInt)step;
    result = inflate(z, Z_NO_FLUSH);
    out->n += step - z->avail_out;
    return result;
}

/* zlib's pointer is not const in old versions; it is only read. */
static void give(z_stream *z, struct gush_span bytes)
{
    GUSH_ASSERT(bytes.n <= UINT_MAX);
    memcpy(&z->next_in, &bytes.p, sizeof(bytes.p));
    z->avail_in = (uInt)bytes.n;
}

gush_err gush_rpc_gzip_feed(struct gush_rpc_gzip *gzip, struct gush_span bytes)
{
    z_stream *z = &gzip->z;

    if (gzip->broken)
        return GUSH_ELIMIT; /* no memory for a window */
    if (bytes.n == 0)
        return GUSH_OK;
    give(z, bytes);
    do {
        int result;

        if (gzip->end)
            return GUSH_ESYNTAX; /* something behind the end */
        if (gzip->out.n == gzip->out.limit_bytes)
            return GUSH_ELIMIT;
        result = inflate_some(z, &gzip->out);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return GUSH_ESYNTAX;
        gzip->end = result == Z_STREAM_END;
    } while (z->avail_in > 0 || (z->avail_out == 0 && !gzip->end));
    return GUSH_OK;
}

gush_err gush_rpc_gzip_end(struct gush_rpc_gzip *gzip, struct gush_buf *out)
{
    if (!gzip->end)
        return GUSH_ESYNTAX;
    if (gzip->out.n == gzip->out.limit_bytes)
        return GUSH_ELIMIT;
    *out = gzip->out;
    gush_buf_init(&gzip->out, 0);
    return GUSH_OK;
}

struct gush_bytes *gush_rpc_gzip_pack(struct gush_span bytes)
{
    struct gush_bytes *out = NULL, *fitted = NULL;
    z_stream z = {0};

    if (bytes.n < PACK_MIN || bytes.n > INT_MAX)
        return NULL;
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_GZIP, PACK_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    out = gush_bytes_new(bytes.n);
    give(&z, bytes);
    z.next_out = out->data;
    z.avail_out = (uInt)(bytes.n - 1);
    if (deflate(&z, Z_FINISH) == Z_STREAM_END)
        fitted = gush_bytes_copy(gush_span_of(out->data, z.total_out));
    (void)deflateEnd(&z);
    gush_bytes_unref(out);
    return fitted;
}
