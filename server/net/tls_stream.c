/* tls_stream: one connection's TLS, an OpenSSL object on the connection's descriptor.
 *
 * OpenSSL reads and writes through a BIO of ours. When application bytes are expected, what the
 * socket has is received first, into memory that the loop's connections share, and OpenSSL is fed
 * from there until it wants more: one recv for many records, as without TLS, and afterwards nothing
 * is left over that no poll would tell of. What is received at once is so much less than the read
 * buffer that all of it fits in there decrypted, with the record that OpenSSL may hold already.
 * During the handshake, and when only the end is looked for, OpenSSL receives by itself, exactly
 * what it needs, and only so often at a time: it would go through key updates for as long as a peer
 * sends them. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/net/net_priv.h"

#define gush__tls_MAGIC GUSH_MAGIC('t', 'l', 's', 'c')

/* A record takes two. What is left over is told by the next poll. */
#define RECEIVES_OF_HANDSHAKE 64
#define RECEIVES_OF_PEEK      8

struct gush__tls {
    GUSH_MAGIC_FIELD;
    int fd;
    SSL *ssl;
    struct gush_loop *loop;
    struct gush_span raw; /* received and not fed yet: empty between calls */
    size_t half;          /* plain bytes of a record that is not all sent */
    unsigned receives;    /* so often may OpenSSL receive by itself */
    bool fin;             /* seen on the socket */
    bool broken;          /* OpenSSL must not be asked any more */
};

/* ---- the BIO -------------------------------------------------------------------------------- */

static pthread_once_t bio_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *bio_method; /* frozen by bio_once */

static ssize_t receive(int fd, void *out, size_t n)
{
    ssize_t k;

    do {
        k = recv(fd, out, n, MSG_DONTWAIT);
    } while (k < 0 && errno == EINTR);
    return k;
}

static int bio_read(BIO *bio, char *out, int n)
{
    struct gush__tls *t = GUSH_CAST(gush__tls, BIO_get_data(bio));
    size_t k = n > 0 && (size_t)n < t->raw.n ? (size_t)n : t->raw.n;
    ssize_t got;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    if (k > 0) {
        memcpy(out, t->raw.p, k);
        t->raw = gush_span_of(t->raw.p + k, t->raw.n - k);
        return (int)k;
    }
    if (t->receives == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    t->receives--;
    got = receive(t->fd, out, (size_t)n);
    if (got < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    t->fin = t->fin || got == 0;
    return (int)got;
}

static int bio_write(BIO *bio, const char *p, int n)
{
    const struct gush__tls *t = GUSH_CAST(gush__tls, BIO_get_data(bio));
    ssize_t sent;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    do {
        sent = send(t->fd, p, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    return (int)sent;
}

static long bio_ctrl(BIO *bio, int what, long n, void *p)
{
    (void)bio;
    (void)n;
    (void)p;
    return what == BIO_CTRL_FLUSH; /* nothing is kept back */
}

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gush connection");
    if (bio_method == NULL)
        return;
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

/* ---- life ----------------------------------------------------------------------------------- */

struct gush__tls *gush__tls_open(struct gush_tls_server *server, struct gush_loop *loop, int fd)
{
    struct gush__tls *t;
    BIO *bio;
    SSL *ssl;

    pthread_once(&bio_once, make_bio_method);
    ssl = gush__tls_server_begin(server);
    bio = bio_method ? BIO_new(bio_method) : NULL;
    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        return NULL;
    }
    t = GUSH_NEW(struct gush__tls);
    t->magic = gush__tls_MAGIC;
    t->fd = fd;
    t->ssl = ssl;
    t->loop = loop;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return t;
}

void gush__tls_free(struct gush__tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    t->magic = GUSH_MAGIC_DEAD;
    gush_free(t);
}

/* What a call of OpenSSL that returned |result| means. */
static enum gush__tls_said judge(struct gush__tls *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_NONE:
        return GUSH__TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return GUSH__TLS_MORE;
    case SSL_ERROR_WANT_WRITE:
        return GUSH__TLS_FULL;
    case SSL_ERROR_ZERO_RETURN:
        return GUSH__TLS_ENDED;
    default:
        t->broken = true;
        return GUSH__TLS_BROKEN;
    }
}

enum gush__tls_said gush__tls_handshake(struct gush__tls *t, const char **why)
{
    enum gush__tls_said said;

    ERR_clear_error();
    t->receives = RECEIVES_OF_HANDSHAKE;
    said = judge(t, SSL_do_handshake(t->ssl));
    t->receives = 0;
    if (said == GUSH__TLS_ENDED)
        said = GUSH__TLS_BROKEN; /* closed before it was open */
    *why = said == GUSH__TLS_BROKEN ? ERR_reason_error_string(ERR_peek_error()) : NULL;
    ERR_clear_error();
    return said;
}

bool gush__tls_resumed(const struct gush__tls *t)
{
    return SSL_session_reused(t->ssl) == 1;
}

bool gush__tls_alpn_is(const struct gush__tls *t, const char *protocol)
{
    const unsigned char *p = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(t->ssl, &p, &n);
    return gush_span_eq_str(gush_span_of(p, n), protocol);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* False: the socket failed. */
static bool fill(struct gush__tls *t)
{
    uint8_t *room = gush__loop_tls_room(t->loop);
    ssize_t n = receive(t->fd, room, GUSH__TLS_RAW_BYTES);

    t->fin = t->fin || n == 0;
    if (n > 0)
        t->raw = gush_span_of(room, (size_t)n);
    return n >= 0 || errno == EAGAIN;
}

enum gush__tls_said gush__tls_read(struct gush__tls *t, bool kept_only, size_t *n)
{
    uint8_t *out = gush_loop_read_buffer(t->loop);
    enum gush__tls_said said;
    int got;

    *n = 0;
    if (t->broken || (!kept_only && !fill(t)))
        return GUSH__TLS_BROKEN;
    do {
        size_t room = GUSH_LOOP_READ_BYTES - *n;
        ERR_clear_error();
        got = SSL_read(t->ssl, out + *n, (int)room);
        if (got > 0)
            *n += (size_t)got;
        GUSH_ASSERT(*n < GUSH_LOOP_READ_BYTES);
    } while (got > 0);
    said = judge(t, got);
    ERR_clear_error();
    if (said == GUSH__TLS_MORE)
        said = t->fin ? GUSH__TLS_ENDED : GUSH__TLS_MORE;
    else if (said != GUSH__TLS_ENDED)
        said = GUSH__TLS_BROKEN; /* also FULL: reading never has anything to send */
    GUSH_ASSERT(said != GUSH__TLS_MORE || t->raw.n == 0);
    t->broken = t->broken || said == GUSH__TLS_BROKEN;
    t->raw = GUSH_SPAN_EMPTY;
    return said;
}

enum gush__tls_said gush__tls_peek(struct gush__tls *t)
{
    enum gush__tls_said said;
    uint8_t first;
    int got;

    if (t->broken)
        return GUSH__TLS_BROKEN;
    ERR_clear_error();
    t->receives = RECEIVES_OF_PEEK;
    got = SSL_peek(t->ssl, &first, 1);
    t->receives = 0;
    if (got <= 0 && t->fin) {
        ERR_clear_error();
        return GUSH__TLS_ENDED;
    }
    said = judge(t, got);
    ERR_clear_error();
    /* An answer to a key update waits for room: until it is out nothing can be read, and a poll for
     * what is in the socket would come back at once. */
    return said == GUSH__TLS_FULL ? GUSH__TLS_DONE : said;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Where in the parts of a write the next byte is. */
struct place {
    const struct gush_span *parts;
    size_t parts_n, at, offset;
};

static void advance(struct place *p, size_t n)
{
    for (; p->at < p->parts_n; p->at++) {
        size_t left = p->parts[p->at].n - p->offset;
        if (n < left) {
            p->offset += n;
            return;
        }
        n -= left;
        p->offset = 0;
    }
    GUSH_ASSERT(n == 0);
}

/* The next |most| bytes, or what is left: where they lie if they lie together, else gathered. */
static struct gush_span next_bytes(const struct gush__tls *t, struct place p, size_t most)
{
    uint8_t *room = gush__loop_tls_room(t->loop) + GUSH__TLS_RAW_BYTES;
    size_t n = 0;

    advance(&p, 0); /* past empty parts */
    if (p.at < p.parts_n) {
        size_t left = p.parts[p.at].n - p.offset;
        if (left >= most || p.at + 1 == p.parts_n)
            return gush_span_of(p.parts[p.at].p + p.offset, left < most ? left : most);
    }
    for (; p.at < p.parts_n && n < most; p.at++, p.offset = 0) {
        size_t left = p.parts[p.at].n - p.offset;
        size_t k = left < most - n ? left : most - n;
        if (k > 0)
            memcpy(room + n, p.parts[p.at].p + p.offset, k);
        n += k;
    }
    return gush_span_of(room, n);
}

gush_err gush__tls_write(struct gush__tls *t, const struct gush_span *parts, size_t parts_n,
                         size_t *written)
{
    struct place place = {parts, parts_n, 0, 0};

    if (t->broken)
        return GUSH_ECLOSED;
    for (;;) {
        /* A record that is half sent is encrypted already: OpenSSL wants to see it again. */
        struct gush_span bytes = next_bytes(t, place, t->half ? t->half : GUSH__TLS_RECORD);
        size_t sent = 0;

        GUSH_ASSERT(bytes.n >= t->half);
        if (bytes.n == 0)
            return GUSH_OK;
        ERR_clear_error();
        if (SSL_write_ex(t->ssl, bytes.p, bytes.n, &sent) != 1) {
            enum gush__tls_said said = judge(t, 0);
            ERR_clear_error();
            t->half = bytes.n;
            t->broken = said != GUSH__TLS_FULL;
            return said == GUSH__TLS_FULL ? GUSH_EAGAIN : GUSH_ECLOSED;
        }
        t->half = 0;
        *written += sent;
        advance(&place, sent);
    }
}

enum gush__tls_said gush__tls_goodbye(struct gush__tls *t)
{
    enum gush__tls_said said;

    if (t->broken || t->half > 0 || SSL_in_init(t->ssl))
        return GUSH__TLS_BROKEN;
    ERR_clear_error();
    int result = SSL_shutdown(t->ssl);
    said = result >= 0 ? GUSH__TLS_DONE : judge(t, result);
    ERR_clear_error();
    return said == GUSH__TLS_DONE || said == GUSH__TLS_FULL ? said : GUSH__TLS_BROKEN;
}
