#include "bench/load/http.h"

#include <string.h>

#define HEAD_MAX 16384

void load_http_init(struct load_http *h)
{
    h->state = LOAD_HTTP_HEAD;
    h->left = 0;
    gush_buf_init(&h->head, HEAD_MAX);
}

void load_http_fini(struct load_http *h)
{
    gush_buf_fini(&h->head);
}

void load_http_put_request(struct gush_buf *out, const char *path, struct gush_span body)
{
    gush_buf_printf(out,
                    "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    "Content-Length: %zu\r\n\r\n",
                    path, body.n);
    gush_buf_put_span(out, body);
}

/* The head is complete in |h->head|. */
static gush_err judge_head(struct load_http *h)
{
    static const char status[] = "HTTP/1.1 200 ";
    char text[HEAD_MAX + 1];

    if (h->head.n < sizeof status - 1 || memcmp(h->head.p, "HTTP/1.1 ", 9) != 0)
        return GUSH_ESYNTAX;
    if (memcmp(h->head.p, status, sizeof status - 1) != 0)
        return GUSH_EDENIED;
    memcpy(text, h->head.p, h->head.n);
    text[h->head.n] = '\0';
    return strcasestr(text, "transfer-encoding: chunked") ? GUSH_OK : GUSH_ESYNTAX;
}

/* One byte of a chunk's size line. */
static gush_err size_byte(struct load_http *h, uint8_t c)
{
    if (c == '\n') {
        h->state = h->left ? LOAD_HTTP_DATA : LOAD_HTTP_END;
        return h->left ? GUSH_OK : GUSH_ECLOSED;
    }
    if (c == '\r')
        return GUSH_OK;
    if (c >= '0' && c <= '9')
        h->left = h->left << 4 | (uint64_t)(c - '0');
    else if ((c | 32) >= 'a' && (c | 32) <= 'f')
        h->left = h->left << 4 | (uint64_t)((c | 32) - 'a' + 10);
    else
        return GUSH_ESYNTAX;
    return h->left >> 48 ? GUSH_ESYNTAX : GUSH_OK;
}

/* Takes bytes of the head, |*used| of them. */
static gush_err read_head(struct load_http *h, struct gush_span bytes, size_t *used)
{
    gush_err err;

    for (*used = 0; *used < bytes.n;) {
        gush_buf_put_u8(&h->head, bytes.p[(*used)++]);
        if (!gush_buf_ok(&h->head))
            return GUSH_ELIMIT;
        if (h->head.n >= 4 && memcmp(h->head.p + h->head.n - 4, "\r\n\r\n", 4) == 0) {
            err = judge_head(h);
            gush_buf_fini(&h->head);
            gush_buf_init(&h->head, HEAD_MAX);
            h->state = LOAD_HTTP_SIZE;
            return err;
        }
    }
    return GUSH_OK;
}

gush_err load_http_read(struct load_http *h, struct gush_span bytes, load_on_body *on_body,
                        void *arg, const bool *stop)
{
    gush_err err = GUSH_OK;

    while (err == GUSH_OK && bytes.n && !*stop) {
        size_t n = 1;

        switch (h->state) {
        case LOAD_HTTP_HEAD:
            err = read_head(h, bytes, &n);
            break;
        case LOAD_HTTP_SIZE:
            err = size_byte(h, *bytes.p);
            break;
        case LOAD_HTTP_DATA:
            n = h->left < bytes.n ? (size_t)h->left : bytes.n;
            h->left -= n;
            if (h->left == 0)
                h->state = LOAD_HTTP_CRLF;
            err = on_body(arg, gush_span_of(bytes.p, n));
            break;
        case LOAD_HTTP_CRLF:
            if (*bytes.p == '\n')
                h->state = LOAD_HTTP_SIZE;
            break;
        case LOAD_HTTP_END:
        default:
            return GUSH_ECLOSED;
        }
        bytes = gush_span_of(bytes.p + n, bytes.n - n);
    }
    return err;
}
