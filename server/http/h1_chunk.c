#include "server/http/h1_chunk.h"

#include <string.h>

#include "server/http/h1_head.h"

enum state {
    SIZE,          /* hex digits */
    EXTENSION,     /* behind a ';' */
    SIZE_LF,       /* the LF of the size line */
    DATA,          /* left bytes */
    DATA_CR,       /* the line end behind them */
    DATA_LF,       /* */
    TRAILER_START, /* of a line; an empty one ends the body */
    TRAILER_NAME,  /* up to the colon */
    TRAILER_VALUE, /* up to the CR */
    TRAILER_LF,    /* */
    END_LF,        /* of the last, empty line */
    DONE
};

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_text(uint8_t c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static gush_err size_digit(struct gush_h1_chunk *d, uint8_t c, const char **why)
{
    int v = hex_value(c);

    if (v < 0) {
        if (d->digits_n == 0 || (c != ';' && c != '\r'))
            return gush_fail(why, GUSH_ESYNTAX, "malformed chunk size");
        d->state = c == ';' ? EXTENSION : SIZE_LF;
        return GUSH_OK;
    }
    if (d->digits_n == 15) /* below 2^60: sums cannot overflow */
        return gush_fail(why, GUSH_ELIMIT, "chunk size too large");
    d->digits_n++;
    d->left = d->left << 4 | (uint64_t)v;
    return GUSH_OK;
}

static gush_err size_line_end(struct gush_h1_chunk *d, uint8_t c, const char **why)
{
    if (c != '\n')
        return gush_fail(why, GUSH_ESYNTAX, "CR without LF in a chunk line");
    d->state = d->left ? DATA : TRAILER_START;
    d->line_n = 0;
    d->digits_n = 0;
    return GUSH_OK;
}

static gush_err trailer_byte(struct gush_h1_chunk *d, uint8_t c, const char **why)
{
    bool start = d->state == TRAILER_START;

    if (start && c == '\r') {
        d->state = END_LF;
    } else if (d->state == TRAILER_VALUE) {
        if (c == '\r')
            d->state = TRAILER_LF;
        else if (!is_text(c))
            return gush_fail(why, GUSH_ESYNTAX, "control character in a trailer");
    } else if (!start && c == ':') {
        d->state = TRAILER_VALUE;
    } else if (gush_h1_head_is_token(gush_span_of(&c, 1))) {
        d->state = TRAILER_NAME;
    } else {
        return gush_fail(why, GUSH_ESYNTAX, "malformed trailer");
    }
    return GUSH_OK;
}

/* Any byte but data. */
static gush_err step(struct gush_h1_chunk *d, uint8_t c, const char **why)
{
    if ((d->state == SIZE || d->state == EXTENSION) && ++d->line_n > GUSH_H1_CHUNK_LINE_MAX)
        return gush_fail(why, GUSH_ELIMIT, "chunk line too long");
    /* of all trailers: not reset between lines */
    if (d->state >= TRAILER_START && ++d->line_n > GUSH_H1_CHUNK_TRAILER_MAX)
        return gush_fail(why, GUSH_ELIMIT, "trailers too long");
    switch ((enum state)d->state) {
    case SIZE:
        return size_digit(d, c, why);
    case EXTENSION:
        if (c == '\r')
            d->state = SIZE_LF;
        else if (!is_text(c))
            return gush_fail(why, GUSH_ESYNTAX, "control character in a chunk extension");
        return GUSH_OK;
    case SIZE_LF:
        return size_line_end(d, c, why);
    case DATA_CR:
    case DATA_LF:
        if (c != (d->state == DATA_CR ? '\r' : '\n'))
            return gush_fail(why, GUSH_ESYNTAX, "chunk longer than its size");
        d->state = d->state == DATA_CR ? DATA_LF : SIZE;
        return GUSH_OK;
    case TRAILER_START:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return trailer_byte(d, c, why);
    case TRAILER_LF:
    case END_LF:
        if (c != '\n')
            return gush_fail(why, GUSH_ESYNTAX, "CR without LF in a trailer");
        d->state = d->state == END_LF ? DONE : TRAILER_START;
        return GUSH_OK;
    case DATA:
    case DONE:
        break;
    }
    return gush_fail(why, GUSH_ESYNTAX, "bytes behind the body");
}

gush_err gush_h1_chunk_feed(struct gush_h1_chunk *d, struct gush_cursor *in, uint8_t *out,
                            size_t *out_n, uint64_t limit_bytes, const char **why)
{
    size_t put = 0;

    while (d->state != DONE) {
        size_t there = gush_cursor_left(in);
        gush_err err = GUSH_OK;

        if (there == 0)
            return gush_fail(why, GUSH_EMORE, "the body goes on");
        if (d->state == DATA) {
            if (d->left > limit_bytes || *out_n > limit_bytes - d->left)
                return gush_fail(why, GUSH_ELIMIT, "body too large");
            size_t n = there < d->left ? there : (size_t)d->left;
            struct gush_span data = gush_cursor_take(in, n);
            memmove(out + put, data.p, n);
            put += n;
            *out_n += n;
            d->left -= n;
            if (d->left == 0)
                d->state = DATA_CR;
        } else {
            err = step(d, gush_cursor_u8(in), why);
        }
        if (err)
            return err;
    }
    return GUSH_OK;
}
