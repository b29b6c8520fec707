/* What comes before a connection's first byte: a PROXY header, then a handshake. */
#include <errno.h>
#include <sys/socket.h>

#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/net/conn_t.h"
#include "server/net/proxy.h"

static void say(const struct gush_conn *conn, const char *what, const char *why)
{
    char address[GUSH_PEER_TEXT_MAX];

    if (GUSH_LOG_DEBUG < gush_log_threshold)
        return;
    gush_peer_format(&conn->peer, address);
    gush_log(GUSH_LOG_DEBUG, what, GUSH_F("address", address), GUSH_F("error", why));
}

void gush__conn_open_begin(struct gush_conn *conn, const struct gush_conn_setup *setup)
{
    struct gush__conn_extra *x;

    if (setup->tls == NULL && !setup->proxy)
        return;
    x = GUSH_NEW(struct gush__conn_extra);
    x->conn = conn;
    x->server = setup->tls;
    if (setup->proxy)
        x->header = gush_alloc(GUSH_PROXY_MAX);
    conn->extra = x;
    conn->opening = true;
    conn->is_tls = setup->tls != NULL;
    gush__conn_arm(conn, setup->open_ms ? setup->open_ms : GUSH_CONN_OPEN_MS);
}

static void opened(struct gush_conn *conn)
{
    conn->opening = false;
    gush_wheel_disarm(&gush_loop_lane(conn->loop)->wheel, &conn->timer);
    if (!conn->is_tls) {
        gush_free(conn->extra);
        conn->extra = NULL;
    }
    gush__conn_watch(conn);
    if (conn->ops->on_open)
        conn->ops->on_open(conn->owner);
}

void gush__conn_open_failed(struct gush_conn *conn, bool timeout)
{
    struct gush__conn_extra *x = conn->extra;

    say(conn, x->header ? "no PROXY header came" : "no TLS handshake came about",
        timeout ? "time is over" : "the peer went away");
    if (x->header == NULL)
        gush__tls_server_count(x->server, timeout ? GUSH__TLS_TIMEOUT : GUSH__TLS_FAILURE);
    gush__conn_close_now(conn, true);
}

/* ---- the PROXY header -------------------------------------------------------------------------
 */

/* What follows the header is somebody else's: looked at, it stays in the socket. */
static void read_header(struct gush_conn *conn)
{
    struct gush__conn_extra *x = conn->extra;
    uint8_t *at = x->header + x->header_n;
    ssize_t n = recv(conn->fd, at, GUSH_PROXY_MAX - x->header_n, MSG_PEEK | MSG_DONTWAIT);
    struct gush_proxy proxy;
    const char *why = NULL;
    size_t ours;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        gush__conn_open_failed(conn, false);
        return;
    }
    gush_err err = gush_proxy_parse(gush_span_of(x->header, x->header_n + (size_t)n), &proxy, &why);
    if (err != GUSH_OK && err != GUSH_EMORE) {
        say(conn, "not a PROXY header", why);
        gush__conn_close_now(conn, true);
        return;
    }
    ours = err == GUSH_OK ? proxy.n - x->header_n : (size_t)n;
    if (recv(conn->fd, at, ours, MSG_DONTWAIT) != (ssize_t)ours) {
        gush__conn_open_failed(conn, false);
        return;
    }
    x->header_n += ours;
    if (err == GUSH_EMORE)
        return;
    if (proxy.named)
        conn->peer = proxy.peer;
    gush_free(x->header);
    x->header = NULL;
    if (!conn->is_tls)
        opened(conn);
}

/* ---- the handshake ----------------------------------------------------------------------------
 */

/* An alert may be on its way that tells the peer what is wrong. */
static void refuse(struct gush_conn *conn, const char *why)
{
    struct gush__conn_extra *x = conn->extra;

    say(conn, "TLS handshake failed", why ? why : "the peer went away");
    gush__tls_server_count(x->server, GUSH__TLS_FAILURE);
    gush__tls_free(x->tls);
    x->tls = NULL;
    gush_conn_close(conn, why ? GUSH_CONN_END_GRACEFUL : GUSH_CONN_END_NOW);
}

static void shake_hands(struct gush_conn *conn)
{
    struct gush__conn_extra *x = conn->extra;
    const char *why;

    /* Not before the first byte: silence costs no more than a connection in clear text. */
    if (x->tls == NULL)
        x->tls = gush__tls_open(x->server, conn->loop, conn->fd);
    if (x->tls == NULL) {
        gush__conn_open_failed(conn, false);
        return;
    }
    enum gush__tls_said said = gush__tls_handshake(x->tls, &why);
    if (said == GUSH__TLS_BROKEN) {
        refuse(conn, why);
        return;
    }
    conn->want_write = said == GUSH__TLS_FULL;
    if (said != GUSH__TLS_DONE) {
        gush__conn_watch(conn);
        return;
    }
    gush__tls_server_count(x->server, GUSH__TLS_HANDSHAKE);
    if (gush__tls_resumed(x->tls))
        gush__tls_server_count(x->server, GUSH__TLS_RESUMED);
    opened(conn);
}

void gush__conn_open_go_on(struct gush_conn *conn)
{
    if (conn->extra->header)
        read_header(conn);
    else
        shake_hands(conn);
}
