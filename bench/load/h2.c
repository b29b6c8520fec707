#include "bench/load/h2.h"

#include <stdio.h>
#include <string.h>

enum frame {
    DATA = 0,
    HEADERS = 1,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    WINDOW_UPDATE = 8
};

#define END_STREAM  1
#define ACK         1
#define END_HEADERS 4
#define PADDED      8

#define WINDOW_MAX   UINT32_C(0x7fffffff)
#define WINDOW_FIRST UINT32_C(65535)
/* Half of the window used up: time to give it back. */
#define WINDOW_REFILL (UINT32_C(1) << 29)

/* Places in the static table of HPACK. */
enum name {
    AUTHORITY = 1,
    METHOD_POST = 3,
    PATH = 4,
    SCHEME_HTTP = 6,
    AUTHORIZATION = 23,
    TYPE = 31
};

/* ---- writing -------------------------------------------------------------------------------- */

static void put_u32(struct gush_buf *out, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

    gush_buf_put(out, b, sizeof b);
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_head(struct gush_buf *out, size_t n, enum frame type, uint8_t flags,
                     uint32_t stream)
{
    uint8_t b[5] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, (uint8_t)type, flags};

    gush_buf_put(out, b, sizeof b);
    put_u32(out, stream);
}

static void put_window(struct gush_buf *out, uint32_t stream, uint32_t more)
{
    put_head(out, 4, WINDOW_UPDATE, 0, stream);
    put_u32(out, more);
}

void load_h2_put_preface(struct gush_buf *out)
{
    /* No dynamic table, no pushes, the largest window for each stream. */
    static const uint8_t settings[] = {0, 1, 0, 0, 0, 0,    0,   2,   0,
                                       0, 0, 0, 0, 4, 0x7f, 255, 255, 255};

    gush_buf_put_str(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    put_head(out, sizeof settings, SETTINGS, 0, 0);
    gush_buf_put(out, settings, sizeof settings);
    put_window(out, 0, WINDOW_MAX - WINDOW_FIRST);
}

/* A string literal of HPACK, not Huffman coded. */
static void put_text(struct gush_buf *out, const char *s)
{
    size_t n = strlen(s);

    if (n < 127) {
        gush_buf_put_u8(out, (uint8_t)n);
    } else {
        gush_buf_put_u8(out, 127);
        for (n -= 127; n >= 128; n >>= 7)
            gush_buf_put_u8(out, (uint8_t)(n | 128));
        gush_buf_put_u8(out, (uint8_t)n);
    }
    gush_buf_put_str(out, s);
}

/* A field that enters no table, its name taken from the static one. */
static void put_field(struct gush_buf *out, enum name name, const char *value)
{
    if (name < 15) {
        gush_buf_put_u8(out, (uint8_t)name);
    } else {
        gush_buf_put_u8(out, 15);
        gush_buf_put_u8(out, (uint8_t)(name - 15));
    }
    put_text(out, value);
}

void load_h2_put_call(struct gush_buf *out, uint32_t stream, const char *path, const char *key,
                      struct gush_span message)
{
    struct gush_buf block;

    gush_buf_init(&block, LOAD_H2_FRAME_MAX);
    gush_buf_put_u8(&block, 0x80 | METHOD_POST);
    gush_buf_put_u8(&block, 0x80 | SCHEME_HTTP);
    put_field(&block, PATH, path);
    put_field(&block, AUTHORITY, "localhost");
    put_field(&block, TYPE, "application/grpc");
    gush_buf_put_u8(&block, 0);
    put_text(&block, "te");
    put_text(&block, "trailers");
    if (key) {
        char value[256];
        snprintf(value, sizeof value, "apikey %s", key);
        put_field(&block, AUTHORIZATION, value);
    }
    put_head(out, block.n, HEADERS, END_HEADERS, stream);
    gush_buf_put(out, block.p, block.n);
    gush_buf_fini(&block);

    put_head(out, message.n + 5, DATA, END_STREAM, stream);
    gush_buf_put_u8(out, 0);
    put_u32(out, (uint32_t)message.n);
    gush_buf_put_span(out, message);
}

void load_h2_put_reset(struct gush_buf *out, uint32_t stream)
{
    put_head(out, 4, RST_STREAM, 0, stream);
    put_u32(out, LOAD_H2_CANCEL);
}

void load_h2_put_goaway(struct gush_buf *out)
{
    put_head(out, 8, GOAWAY, 0, 0);
    put_u32(out, 0);
    put_u32(out, 0);
}

/* ---- reading -------------------------------------------------------------------------------- */

void load_h2_init(struct load_h2 *h)
{
    memset(h, 0, sizeof *h);
    gush_buf_init(&h->body, LOAD_H2_FRAME_MAX);
}

void load_h2_fini(struct load_h2 *h)
{
    gush_buf_fini(&h->body);
}

static gush_err open_frame(struct load_h2 *h)
{
    h->left = (uint32_t)h->head[0] << 16 | (uint32_t)h->head[1] << 8 | h->head[2];
    if (h->left > LOAD_H2_FRAME_MAX || (h->head[3] == DATA && (h->head[4] & PADDED)))
        return GUSH_ESYNTAX;
    gush_buf_reset(&h->body);
    return GUSH_OK;
}

/* The frame in |h| is complete. */
static gush_err close_frame(struct load_h2 *h, const struct load_h2_events *events, void *arg)
{
    uint8_t flags = h->head[4];
    uint32_t stream = get_u32(h->head + 5) & WINDOW_MAX;
    struct gush_buf answer;

    gush_buf_init(&answer, 256); /* no heap until something is put */
    switch (h->head[3]) {
    case DATA:
    case HEADERS:
        if (flags & END_STREAM)
            events->ended(arg, stream, false);
        break;
    case RST_STREAM:
        events->ended(arg, stream, true);
        break;
    case SETTINGS:
        if (!(flags & ACK))
            put_head(&answer, 0, SETTINGS, ACK, 0);
        break;
    case PING:
        if (!(flags & ACK)) {
            put_head(&answer, h->body.n, PING, ACK, 0);
            gush_buf_put(&answer, h->body.p, h->body.n);
        }
        break;
    case GOAWAY:
        events->goaway(arg);
        break;
    case WINDOW_UPDATE:
        if (h->body.n != 4)
            return GUSH_ESYNTAX;
        events->window(arg, stream, get_u32(h->body.p) & WINDOW_MAX);
        break;
    default:
        break; /* CONTINUATION, PRIORITY, unknown ones: nothing of interest */
    }
    if (h->unacknowledged > WINDOW_REFILL) {
        put_window(&answer, 0, h->unacknowledged);
        h->unacknowledged = 0;
    }
    if (answer.n)
        events->answer(arg, &answer);
    gush_buf_fini(&answer);
    return GUSH_OK;
}

/* Takes what |*bytes| has of a frame's head; false: there is more to come. */
static bool take_head(struct load_h2 *h, struct gush_span *bytes)
{
    size_t n = sizeof h->head - h->head_n < bytes->n ? sizeof h->head - h->head_n : bytes->n;

    memcpy(h->head + h->head_n, bytes->p, n);
    h->head_n += (unsigned)n;
    *bytes = gush_span_of(bytes->p + n, bytes->n - n);
    return h->head_n == sizeof h->head;
}

/* Takes what |*bytes| has of a frame's body. */
static void take_body(struct load_h2 *h, const struct load_h2_events *events, void *arg,
                      struct gush_span *bytes)
{
    size_t n = h->left < bytes->n ? h->left : bytes->n;
    struct gush_span piece = gush_span_of(bytes->p, n);

    *bytes = gush_span_of(bytes->p + n, bytes->n - n);
    h->left -= (uint32_t)n;
    if (h->head[3] != DATA) {
        gush_buf_put_span(&h->body, piece);
        return;
    }
    h->unacknowledged += (uint32_t)n;
    if (n)
        events->data(arg, get_u32(h->head + 5) & WINDOW_MAX, piece);
}

gush_err load_h2_read(struct load_h2 *h, const struct load_h2_events *events, void *arg,
                      struct gush_span bytes, const bool *stop)
{
    gush_err err = GUSH_OK;

    while (err == GUSH_OK && bytes.n && !*stop) {
        if (h->head_n < sizeof h->head) {
            if (!take_head(h, &bytes))
                return GUSH_OK;
            if ((err = open_frame(h)) != GUSH_OK)
                return err;
        }
        take_body(h, events, arg, &bytes);
        if (h->left == 0 && !*stop) {
            h->head_n = 0;
            err = close_frame(h, events, arg);
        }
    }
    return err;
}
