/* h2_peer: the client's side of HTTP/2 tests: nghttp2 as a client over a plain blocking socket.
 * Every wait ends after WIRE_PATIENCE_S at the latest, as a failure. */
#ifndef GUSH_TESTS_UNIT_HTTP_H2_PEER_H
#define GUSH_TESTS_UNIT_HTTP_H2_PEER_H

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "tests/unit/net/wire.h"

#define PEER_STREAMS 64

struct peer_stream {
    int32_t id;
    char status[4];
    char fields[48000], trailers[1024]; /* "name: value\n" each */
    char *body;
    size_t body_n, body_cap;
    bool has_head, ended, closed; /* END_STREAM was seen; the stream is over */
    uint32_t code;                /* closed: with what */
    unsigned informational;
    /* what is to be sent */
    const char *out;
    size_t out_n;
    bool out_ends;
};

struct peer {
    struct wire wire; /* only its descriptor is used */
    nghttp2_session *ng;
    struct peer_stream streams[PEER_STREAMS];
    size_t streams_n;
    unsigned goaways;
    uint32_t goaway_code;
    int32_t goaway_last;
    bool over; /* the server closed the connection */
    nghttp2_option *option;
};

static inline struct peer_stream *peer_stream(struct peer *p, int32_t id)
{
    size_t i = 0;

    while (i < p->streams_n && p->streams[i].id != id)
        i++;
    if (i == p->streams_n)
        fail_msg("no stream %d", id);
    return &p->streams[i];
}

/* ---- callbacks ------------------------------------------------------------------------------ */

// NOLINTNEXTLINE(readability-function-size): as many parameters as nghttp2 gives
static inline int peer_on_header(nghttp2_session *ng, const nghttp2_frame *frame,
                                 const uint8_t *name, size_t name_n, const uint8_t *value,
                                 size_t value_n, uint8_t flags, void *arg)
{
    struct peer_stream *s = peer_stream((struct peer *)arg, frame->hd.stream_id);
    char *to = s->has_head ? s->trailers : s->fields;
    size_t n = strlen(to), size = s->has_head ? sizeof(s->trailers) : sizeof(s->fields);

    (void)ng;
    (void)flags;
    if (name_n == 7 && memcmp(name, ":status", 7) == 0)
        memcpy(s->status, value, 3);
    snprintf(to + n, size - n, "%.*s: %.*s\n", (int)name_n, (const char *)name, (int)value_n,
             (const char *)value);
    return 0;
}

static inline int peer_on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct peer *p = (struct peer *)arg;

    (void)ng;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        p->goaways++;
        p->goaway_code = frame->goaway.error_code;
        p->goaway_last = frame->goaway.last_stream_id;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct peer_stream *s = peer_stream(p, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_HEADERS && s->status[0] == '1') {
        s->informational++;
        memset(s->status, 0, sizeof(s->status));
        s->fields[0] = '\0';
    } else if (frame->hd.type == NGHTTP2_HEADERS) {
        s->has_head = true;
    }
    s->ended |= frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    return 0;
}

static inline int peer_on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data,
                               size_t n, void *arg)
{
    struct peer_stream *s = peer_stream((struct peer *)arg, id);

    (void)ng;
    (void)flags;
    if (s->body_n + n >= s->body_cap) {
        s->body_cap = 2 * (s->body_n + n) + 1;
        s->body = (char *)realloc(s->body, s->body_cap);
        assert_non_null(s->body);
    }
    memcpy(s->body + s->body_n, data, n);
    s->body_n += n;
    s->body[s->body_n] = '\0';
    return 0;
}

static inline int peer_on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct peer_stream *s = peer_stream((struct peer *)arg, id);

    (void)ng;
    s->closed = true;
    s->code = code;
    return 0;
}

// NOLINTNEXTLINE(readability-function-size): as many parameters as nghttp2 gives
static inline ssize_t peer_read_data(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n,
                                     uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct peer_stream *s = peer_stream((struct peer *)arg, id);

    (void)ng;
    (void)source;
    n = s->out_n < n ? s->out_n : n;
    if (n)
        memcpy(buf, s->out, n);
    s->out += n;
    s->out_n -= n;
    if (s->out_n == 0 && s->out_ends)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return n == 0 && !s->out_ends ? NGHTTP2_ERR_DEFERRED : (ssize_t)n;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Sends what is to be sent; not more than the socket takes at once. */
static inline void peer_flush(struct peer *p)
{
    const uint8_t *bytes;
    ssize_t n;

    while (!p->over && (n = nghttp2_session_mem_send(p->ng, &bytes)) > 0) {
        while (n) {
            ssize_t k = send(p->wire.fd, bytes, (size_t)n, MSG_NOSIGNAL);
            if (k < 0 && (errno == EPIPE || errno == ECONNRESET))
                return; /* what the server said before may still be read */
            assert_true(k > 0);
            bytes += k;
            n -= k;
        }
    }
}

/* |window|: of the streams; 0: the usual one. |manual|: windows open by peer_grant only. */
static inline void peer_open_with(struct peer *p, uint16_t port, int window, bool manual)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)window};

    memset(p, 0, sizeof(*p));
    wire_open(&p->wire, port);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, peer_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, peer_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, peer_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, peer_on_close);
    nghttp2_option_new(&p->option);
    nghttp2_option_set_no_auto_window_update(p->option, manual);
    assert_int_equal(nghttp2_session_client_new2(&p->ng, callbacks, p, p->option), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(p->ng, 0, &entry, window >= 0);
    if (window > 65535)
        nghttp2_session_set_local_window_size(p->ng, 0, 0, window);
    peer_flush(p);
}

static inline void peer_open(struct peer *p, uint16_t port)
{
    peer_open_with(p, port, -1, false);
}

static inline void peer_free(struct peer *p)
{
    for (size_t i = 0; i < p->streams_n; i++)
        free(p->streams[i].body);
    nghttp2_session_del(p->ng);
    nghttp2_option_del(p->option);
    p->ng = NULL;
}

static inline void peer_close(struct peer *p)
{
    wire_close(&p->wire);
    peer_free(p);
}

/* ---- talking -------------------------------------------------------------------------------- */

/* One more piece of what the server says. */
static inline void peer_read(struct peer *p)
{
    static uint8_t bytes[1 << 16];
    ssize_t n = recv(p->wire.fd, bytes, sizeof(bytes), 0);

    if (n < 0 && errno != ECONNRESET)
        fail_msg("nothing came: %s", strerror(errno));
    if (n <= 0) {
        p->over = true;
        return;
    }
    assert_int_equal(nghttp2_session_mem_recv(p->ng, bytes, (size_t)n), n);
    peer_flush(p);
}

#define peer_await(p, condition)                                                                   \
    do {                                                                                           \
        peer_flush(p);                                                                             \
        while (!(condition)) {                                                                     \
            if ((p)->over)                                                                         \
                fail_msg("ended before " #condition);                                              \
            peer_read(p);                                                                          \
        }                                                                                          \
    } while (0)

static inline void peer_await_end(struct peer *p)
{
    peer_flush(p);
    while (!p->over)
        peer_read(p);
}

static inline nghttp2_nv peer_nv(const char *name, const char *value)
{
    union {
        const char *in;
        uint8_t *out;
    } n = {name}, v = {value};
    return (nghttp2_nv){n.out, v.out, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* |more|: names and values of fields, ended by NULL; NULL: none. |body| NULL: no body. */
// NOLINTNEXTLINE(readability-function-size): the seventh only says whether more will follow
static inline struct peer_stream *peer_request(struct peer *p, const char *method, const char *path,
                                               const char *const *more, const char *body,
                                               size_t body_n, bool ends)
{
    nghttp2_nv nv[40];
    size_t n = 0;
    nghttp2_data_provider provider = {.read_callback = peer_read_data};
    struct peer_stream *s = &p->streams[p->streams_n++];

    assert_true(p->streams_n <= PEER_STREAMS);
    nv[n++] = peer_nv(":method", method);
    nv[n++] = peer_nv(":scheme", "http");
    nv[n++] = peer_nv(":authority", "h");
    nv[n++] = peer_nv(":path", path);
    for (; more && *more; more += 2)
        nv[n++] = peer_nv(more[0], more[1]);
    s->out = body;
    s->out_n = body_n;
    s->out_ends = ends;
    s->id = nghttp2_submit_request(p->ng, NULL, nv, n, body ? &provider : NULL, NULL);
    assert_true(s->id > 0);
    peer_flush(p);
    return s;
}

static inline struct peer_stream *peer_get(struct peer *p, const char *path)
{
    return peer_request(p, "GET", path, NULL, NULL, 0, true);
}

static inline struct peer_stream *peer_post(struct peer *p, const char *path, const char *body)
{
    return peer_request(p, "POST", path, NULL, body, strlen(body), true);
}

/* More of a body. */
static inline void peer_send_body(struct peer *p, struct peer_stream *s, const char *body, size_t n,
                                  bool ends)
{
    s->out = body;
    s->out_n = n;
    s->out_ends = ends;
    (void)nghttp2_session_resume_data(p->ng, s->id);
    peer_flush(p);
}

/* The connection's window and the stream's are |n| larger. */
static inline void peer_grant(struct peer *p, struct peer_stream *s, int n)
{
    nghttp2_submit_window_update(p->ng, 0, 0, n);
    nghttp2_submit_window_update(p->ng, 0, s->id, n);
    peer_flush(p);
}

static inline void peer_reset(struct peer *p, struct peer_stream *s, uint32_t code)
{
    nghttp2_submit_rst_stream(p->ng, 0, s->id, code);
    peer_flush(p);
}

/* A round trip: what was said before has been heard. */
static inline void peer_ping(struct peer *p)
{
    struct peer_stream *s = peer_get(p, "/health");
    peer_await(p, s->closed);
    assert_string_equal(s->status, "200");
    p->streams_n--;
    free(s->body);
    memset(s, 0, sizeof(*s));
}

#endif
