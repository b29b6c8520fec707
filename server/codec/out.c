#include "server/base/assert.h"

#include "server/codec/codec_priv.h"
#include "server/codec/json_scan.h"
#include "server/codec/json_write.h"

#define STACK_BYTES 2048
#define FRAME_MAX   40 /* more than any framing adds */

/* What framing puts in front of a message, and behind it. */
struct frame {
    uint8_t head[FRAME_MAX / 2];
    size_t head_n;
    struct gush_span tail;
};

static void head_put(struct frame *f, struct gush_span s)
{
    GUSH_ASSERT(s.n <= sizeof(f->head) - f->head_n);
    memcpy(f->head + f->head_n, s.p, s.n);
    f->head_n += s.n;
}

static void head_put_varint(struct frame *f, size_t v)
{
    for (; v >= 0x80; v >>= 7)
        f->head[f->head_n++] = (uint8_t)(v | 0x80);
    f->head[f->head_n++] = (uint8_t)v;
}

static void head_put_hex(struct frame *f, size_t v)
{
    unsigned shift = 0;

    while (v >> shift > 15)
        shift += 4;
    for (;; shift -= 4) {
        f->head[f->head_n++] = (uint8_t) "0123456789abcdef"[v >> shift & 15];
        if (shift == 0)
            return;
    }
}

/* A message of gRPC: not compressed, and so long. */
static void head_put_grpc(struct frame *f, size_t v)
{
    f->head[f->head_n++] = 0;
    for (unsigned shift = 32; shift > 0; shift -= 8)
        f->head[f->head_n++] = (uint8_t)(v >> (shift - 8));
}

static void head_put_chunk(struct frame *f, size_t v)
{
    head_put_hex(f, v);
    head_put(f, GUSH_SPAN_LIT("\r\n"));
}

static void frame_for(struct frame *f, enum gush_framing framing, size_t message_n)
{
    const struct gush_span data = GUSH_SPAN_LIT("data: ");

    f->head_n = 0;
    f->tail = GUSH_SPAN_EMPTY;
    switch (framing) {
    case GUSH_FRAMING_NONE:
        break;
    case GUSH_FRAMING_VARINT:
        head_put_varint(f, message_n);
        break;
    case GUSH_FRAMING_GRPC:
        head_put_grpc(f, message_n);
        break;
    case GUSH_FRAMING_SSE:
        head_put(f, data);
        f->tail = GUSH_SPAN_LIT("\n\n");
        break;
    case GUSH_FRAMING_SSE_CHUNKED:
        head_put_chunk(f, data.n + message_n + 2);
        head_put(f, data);
        f->tail = GUSH_SPAN_LIT("\n\n\r\n");
        break;
    case GUSH_FRAMING_LINE:
        f->tail = GUSH_SPAN_LIT("\n");
        break;
    case GUSH_FRAMING_LINE_CHUNKED:
        head_put_chunk(f, message_n + 1);
        f->tail = GUSH_SPAN_LIT("\n\r\n");
        break;
    }
}

/* A CR ends a line of an event stream as LF does. In valid JSON it can only be white space between
 * tokens, so a space says the same. */
static void hide_cr(uint8_t *p, size_t n)
{
    uint8_t *end = p + n;

    while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL)
        *p = ' ';
}

static struct gush_bytes *framed(struct gush_span message, enum gush_framing framing)
{
    struct frame f;
    struct gush_bytes *b;
    uint8_t *p;

    frame_for(&f, framing, message.n);
    b = gush_bytes_new(f.head_n + message.n + f.tail.n);
    p = b->data;
    if (f.head_n > 0)
        memcpy(p, f.head, f.head_n);
    p += f.head_n;
    if (message.n > 0)
        memcpy(p, message.p, message.n);
    if (framing == GUSH_FRAMING_SSE || framing == GUSH_FRAMING_SSE_CHUNKED)
        hide_cr(p, message.n);
    p += message.n;
    if (f.tail.n > 0)
        memcpy(p, f.tail.p, f.tail.n);
    return b;
}

static gush_err finish(const struct gush__out *o, enum gush_form form, struct gush_bytes **out)
{
    if (!gush_buf_ok(&o->buf))
        return GUSH_ELIMIT;
    if (o->bad_raw)
        return GUSH_ESYNTAX;
    *out = framed(gush_buf_span(&o->buf), gush_form_framing(form));
    return GUSH_OK;
}

gush_err gush__encode(gush__write_fn *write, const void *message, enum gush_form form,
                      size_t size_hint, struct gush_bytes **out)
{
    enum gush_format format = gush_form_format(form);
    enum gush_dialect dialect = gush_form_dialect(form);
    gush_err err;

    if (size_hint <= STACK_BYTES) {
        uint8_t stack[STACK_BYTES];
        /* The limit is the capacity, so the buffer never asks the heap about this memory. */
        struct gush__out small = {
            .buf = {.p = stack, .cap = STACK_BYTES, .limit_bytes = STACK_BYTES}};

        write(&small, message, format, dialect);
        if (gush_buf_ok(&small.buf))
            return finish(&small, form, out);
    }

    struct gush__out large = {.bad_raw = false};
    gush_buf_init(&large.buf, UINT32_MAX - FRAME_MAX);
    (void)gush_buf_reserve(&large.buf, size_hint); /* too much is found out when it is written */
    write(&large, message, format, dialect);
    err = finish(&large, form, out);
    gush_buf_fini(&large.buf);
    return err;
}

void gush__json_comma(struct gush__out *o)
{
    const struct gush_buf *b = &o->buf;

    /* No JSON value ends with an opening bracket. */
    if (b->n > 0 && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[')
        gush_buf_put_u8(&o->buf, ',');
}

void gush__json_key(struct gush__out *o, struct gush_span key)
{
    gush__json_comma(o);
    gush_buf_put_span(&o->buf, key);
}

void gush__json_open(struct gush__out *o, struct gush_span key)
{
    gush__json_key(o, key);
    gush_buf_put_u8(&o->buf, '{');
}

void gush__json_open_entry(struct gush__out *o, struct gush_span key)
{
    gush__json_comma(o);
    gush_json_write_string(&o->buf, key);
    gush_buf_put(&o->buf, ":{", 2);
}

void gush__json_close(struct gush__out *o)
{
    gush_buf_put_u8(&o->buf, '}');
}

void gush__json_bool(struct gush__out *o, struct gush_span key, bool v)
{
    if (!v)
        return;
    gush__json_key(o, key);
    gush_buf_put(&o->buf, "true", 4);
}

void gush__json_u64(struct gush__out *o, struct gush_span key, uint64_t v)
{
    if (v != 0)
        gush__json_u64_always(o, key, v);
}

void gush__json_u64_always(struct gush__out *o, struct gush_span key, uint64_t v)
{
    gush__json_key(o, key);
    gush_buf_put_u64(&o->buf, v);
}

void gush__json_i64(struct gush__out *o, struct gush_span key, int64_t v)
{
    if (v == 0)
        return;
    gush__json_key(o, key);
    gush_buf_put_i64(&o->buf, v);
}

void gush__json_str(struct gush__out *o, struct gush_span key, struct gush_span v)
{
    if (v.n > 0)
        gush__json_str_always(o, key, v);
}

void gush__json_str_always(struct gush__out *o, struct gush_span key, struct gush_span v)
{
    gush__json_key(o, key);
    gush_json_write_string(&o->buf, v);
}

void gush__json_raw(struct gush__out *o, struct gush_span key, struct gush_span raw)
{
    size_t start;

    if (raw.n == 0)
        return;
    gush__json_key(o, key);
    start = o->buf.n;
    gush_json_write_raw(&o->buf, raw);
    /* Judged as it is sent, that is without its LF bytes. */
    if (gush_buf_ok(&o->buf) && !gush_json_valid(gush_span_of(o->buf.p + start, o->buf.n - start)))
        o->bad_raw = true;
}
