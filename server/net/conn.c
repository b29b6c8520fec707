#include "server/net/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server/base/mem.h"

#include "server/net/conn_t.h"

static void on_poll(uv_poll_t *handle, int status, int events);
static void on_timer(void *arg, struct gush_timer *t);
static void on_item_stop(struct gush__item *item);
static void on_kick(void *arg, struct gush_timer *t);

void gush__conn_arm(struct gush_conn *conn, uint64_t ms)
{
    struct gush_lane *lane = gush_loop_lane(conn->loop);
    gush_wheel_arm(&lane->wheel, &conn->timer, gush_lane_now_ms(lane) + ms);
}

/* on_kick follows from the loop. */
static void kick(struct gush_conn *conn)
{
    struct gush_lane *lane = gush_loop_lane(conn->loop);
    gush_wheel_arm(&lane->wheel, &conn->extra->kick, gush_lane_now_ms(lane));
}

static int wanted_events(const struct gush_conn *conn)
{
    int events = conn->want_write ? UV_WRITABLE : 0;

    if (conn->opening)
        return events ? events : UV_READABLE;
    if (conn->read_mode == GUSH_CONN_READ_ON)
        events |= UV_READABLE;
    else if (conn->read_mode == GUSH_CONN_READ_ENDED)
        /* Over TLS the end may come as bytes; where others come before it, only a FIN shows. */
        events |= UV_DISCONNECT | (conn->extra && !conn->extra->kept ? UV_READABLE : 0);
    return events;
}

void gush__conn_watch(struct gush_conn *conn)
{
    int events = wanted_events(conn);

    if (conn->fd < 0 || events == conn->watched)
        return;
    conn->watched = (int8_t)events;
    if (events == 0)
        uv_poll_stop(&conn->poll);
    else
        uv_poll_start(&conn->poll, events, on_poll);
}

gush_err gush_conn_open_with(struct gush_loop *loop, int fd, const struct gush_peer *peer,
                             const struct gush_conn_setup *setup, struct gush_conn **out)
{
    if (gush__loop_stopping(loop)) {
        close(fd);
        return GUSH_EIO;
    }
    struct gush_conn *conn = GUSH_NEW(struct gush_conn);
    if (uv_poll_init(gush__loop_uv(loop), &conn->poll, fd) != 0) {
        close(fd);
        gush_free(conn);
        return GUSH_EIO;
    }
    conn->magic = gush_conn_MAGIC;
    conn->fd = fd;
    conn->poll.data = conn;
    conn->item.stop = on_item_stop;
    conn->loop = loop;
    conn->ops = setup->ops;
    conn->owner = setup->owner;
    conn->timer.fire = on_timer;
    conn->peer = *peer;
    conn->read_mode = GUSH_CONN_READ_ON;
    gush__item_join(loop, &conn->item);
    gush__conn_open_begin(conn, setup);
    if (conn->extra)
        conn->extra->kick.fire = on_kick;
    gush__conn_watch(conn);
    *out = conn;
    return GUSH_OK;
}

gush_err gush_conn_open(struct gush_loop *loop, int fd, const struct gush_peer *peer,
                        const struct gush_conn_ops *ops, void *owner, struct gush_conn **out)
{
    struct gush_conn_setup setup = {.ops = ops, .owner = owner};

    return gush_conn_open_with(loop, fd, peer, &setup, out);
}

void gush_conn_hand_over(struct gush_conn *conn, const struct gush_conn_ops *ops, void *owner)
{
    conn->ops = ops;
    conn->owner = owner;
}

void gush_conn_read(struct gush_conn *conn, enum gush_conn_read mode)
{
    const struct gush__conn_extra *x = conn->extra;

    if (gush_conn_closing(conn))
        return;
    GUSH_ASSERT(!conn->opening);
    conn->read_mode = (uint8_t)mode;
    gush__conn_watch(conn);
    if (x && ((x->ended && mode != GUSH_CONN_READ_OFF) || (x->kept && mode == GUSH_CONN_READ_ON)))
        kick(conn);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct gush_conn *conn = GUSH_CAST(gush_conn, handle->data);
    const struct gush_conn_ops *ops = conn->ops;
    void *owner = conn->owner;

    gush__item_leave(conn->loop, &conn->item);
    conn->magic = GUSH_MAGIC_DEAD;
    gush_free(conn);
    ops->on_closed(owner);
}

static void drop_extra(struct gush_conn *conn)
{
    struct gush__conn_extra *x = conn->extra;

    if (x == NULL)
        return;
    gush_wheel_disarm(&gush_loop_lane(conn->loop)->wheel, &x->kick);
    gush__tls_free(x->tls);
    gush_free(x->header);
    gush_free(x);
    conn->extra = NULL;
}

void gush__conn_close_now(struct gush_conn *conn, bool abort)
{
    if (conn->fd < 0)
        return;
    if (abort) {
        struct linger reset = {1, 0};
        /* Failing only means a FIN instead of a reset. */
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    } else if (conn->extra && conn->extra->tls) {
        (void)gush__tls_goodbye(conn->extra->tls); /* if there is room for it */
    }
    drop_extra(conn);
    gush_wheel_disarm(&gush_loop_lane(conn->loop)->wheel, &conn->timer);
    uv_close((uv_handle_t *)&conn->poll, on_handle_closed);
    close(conn->fd);
    conn->fd = -1;
}

/* As far as there is room: the rest when the socket is writable. */
static void say_goodbye(struct gush_conn *conn)
{
    conn->want_write =
        conn->extra && conn->extra->tls && gush__tls_goodbye(conn->extra->tls) == GUSH__TLS_FULL;
    if (!conn->want_write) {
        drop_extra(conn);
        if (shutdown(conn->fd, SHUT_WR) != 0) {
            gush__conn_close_now(conn, false);
            return;
        }
    }
    gush__conn_watch(conn);
}

void gush_conn_close(struct gush_conn *conn, enum gush_conn_end how)
{
    bool fresh = !gush_conn_closing(conn);

    if (how != GUSH_CONN_END_GRACEFUL || (fresh && gush__loop_stopping(conn->loop))) {
        gush__conn_close_now(conn, how == GUSH_CONN_END_ABORT);
        return;
    }
    if (!fresh)
        return;
    /* Closing with unread bytes would send a reset, and that may overtake our last answer. */
    conn->opening = false;
    conn->lingering = true;
    conn->read_mode = GUSH_CONN_READ_ON;
    gush__conn_arm(conn, GUSH_CONN_LINGER_MS);
    say_goodbye(conn);
}

bool gush_conn_closing(const struct gush_conn *conn)
{
    return conn->fd < 0 || conn->lingering || conn->broken;
}

static void on_item_stop(struct gush__item *item)
{
    struct gush_conn *conn = GUSH_CONTAINER(item, struct gush_conn, item);
    gush__conn_close_now(conn, false);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void tell_end(struct gush_conn *conn)
{
    gush_conn_read(conn, GUSH_CONN_READ_OFF);
    conn->ops->on_eof(conn->owner);
}

/* |kept_only|: what TLS has already, without asking the socket. */
static void read_tls(struct gush_conn *conn, bool kept_only)
{
    struct gush__conn_extra *x = conn->extra;
    enum gush__tls_said said;
    size_t n;

    x->kept = false;
    said = gush__tls_read(x->tls, kept_only, &n);
    x->ended = said == GUSH__TLS_ENDED;
    if (n > 0)
        conn->ops->on_bytes(conn->owner, gush_loop_read_buffer(conn->loop), n);
    if (gush_conn_closing(conn))
        return; /* by the owner; what |x| points to may be gone */
    if (said == GUSH__TLS_BROKEN)
        gush__conn_close_now(conn, false);
    else if (x->ended && conn->read_mode != GUSH_CONN_READ_OFF)
        tell_end(conn);
    else
        gush__conn_watch(conn);
}

/* Nobody wants bytes: is there the end? */
static void peek_tls(struct gush_conn *conn)
{
    struct gush__conn_extra *x = conn->extra;
    enum gush__tls_said said = gush__tls_peek(x->tls);

    x->kept = said == GUSH__TLS_DONE;
    x->ended = said == GUSH__TLS_ENDED;
    if (said == GUSH__TLS_BROKEN)
        gush__conn_close_now(conn, false);
    else if (x->ended)
        tell_end(conn);
    else
        gush__conn_watch(conn);
}

static void on_kick(void *arg, struct gush_timer *t)
{
    struct gush__conn_extra *x = GUSH_CONTAINER(t, struct gush__conn_extra, kick);
    struct gush_conn *conn = x->conn;

    (void)arg;
    GUSH_ASSERT(conn->magic == gush_conn_MAGIC);
    if (gush_conn_closing(conn))
        return;
    if (x->kept && conn->read_mode == GUSH_CONN_READ_ON)
        read_tls(conn, true);
    else if (x->ended && conn->read_mode != GUSH_CONN_READ_OFF)
        tell_end(conn);
}

static void on_readable(struct gush_conn *conn)
{
    uint8_t *buffer = gush_loop_read_buffer(conn->loop);
    ssize_t n;

    if (conn->extra && !conn->lingering) {
        read_tls(conn, false);
        return;
    }
    n = recv(conn->fd, buffer, GUSH_LOOP_READ_BYTES, 0);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            gush__conn_close_now(conn, false);
        return;
    }
    if (conn->lingering) {
        if (n == 0)
            gush__conn_close_now(conn, false);
        return;
    }
    if (n > 0)
        conn->ops->on_bytes(conn->owner, buffer, (size_t)n);
    else
        tell_end(conn);
}

static void on_writable(struct gush_conn *conn)
{
    if (conn->lingering) {
        say_goodbye(conn);
        return;
    }
    conn->want_write = false;
    gush__conn_watch(conn);
    conn->ops->on_writable(conn->owner);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct gush_conn *conn = GUSH_CAST(gush_conn, handle->data);

    gush__loop_refresh(conn->loop);
    if (conn->opening) {
        if (status < 0)
            gush__conn_open_failed(conn, false);
        else
            gush__conn_open_go_on(conn);
        return;
    }
    if (status < 0 || conn->broken) {
        gush__conn_close_now(conn, false);
        return;
    }
    if (events & UV_WRITABLE && conn->want_write)
        on_writable(conn);
    if (gush_conn_closing(conn) && (conn->fd < 0 || !conn->lingering))
        return;
    if (events & UV_READABLE && conn->read_mode == GUSH_CONN_READ_ON)
        on_readable(conn);
    else if (events & UV_DISCONNECT && conn->read_mode == GUSH_CONN_READ_ENDED)
        tell_end(conn);
    else if (events & UV_READABLE && conn->read_mode == GUSH_CONN_READ_ENDED && conn->extra)
        peek_tls(conn);
}

/* One buffer takes the cheaper call: this is the price of a delivery. */
static ssize_t send_parts(int fd, const struct gush_span *parts, size_t parts_n)
{
    struct iovec iov[GUSH_CONN_PARTS_MAX];
    struct msghdr msg = {0};

    if (parts_n == 1)
        return send(fd, parts[0].p, parts[0].n, MSG_NOSIGNAL | MSG_DONTWAIT);
    for (size_t i = 0; i < parts_n; i++) {
        union {
            const uint8_t *in;
            void *out;
        } p = {parts[i].p}; /* the kernel only reads it */
        iov[i].iov_base = p.out;
        iov[i].iov_len = parts[i].n;
    }
    msg.msg_iov = iov;
    msg.msg_iovlen = parts_n;
    return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static gush_err write_plain(struct gush_conn *conn, const struct gush_span *parts, size_t parts_n,
                            size_t *written)
{
    size_t total = 0;
    ssize_t n;

    do {
        n = send_parts(conn->fd, parts, parts_n);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        return GUSH_ECLOSED;
    if (n > 0)
        *written = (size_t)n;
    for (size_t i = 0; i < parts_n; i++)
        total += parts[i].n;
    return *written == total ? GUSH_OK : GUSH_EAGAIN;
}

gush_err gush_conn_write(struct gush_conn *conn, const struct gush_span *parts, size_t parts_n,
                         size_t *written)
{
    gush_err err;

    GUSH_ASSERT(parts_n > 0 && parts_n <= GUSH_CONN_PARTS_MAX);
    *written = 0;
    if (gush_conn_closing(conn))
        return GUSH_ECLOSED;
    GUSH_ASSERT(!conn->opening);
    err = conn->extra ? gush__tls_write(conn->extra->tls, parts, parts_n, written)
                      : write_plain(conn, parts, parts_n, written);
    if (err == GUSH_ECLOSED) {
        /* The end is told from the loop, not from in here. */
        conn->broken = true;
        gush__conn_arm(conn, 0);
    } else if (err == GUSH_EAGAIN) {
        conn->want_write = true;
        gush__conn_watch(conn);
    }
    return err;
}

/* ---- the timer ------------------------------------------------------------------------------ */

static void on_timer(void *arg, struct gush_timer *t)
{
    struct gush_conn *conn = GUSH_CONTAINER(t, struct gush_conn, timer);

    (void)arg;
    GUSH_ASSERT(conn->magic == gush_conn_MAGIC);
    if (conn->broken || conn->lingering)
        gush__conn_close_now(conn, conn->lingering);
    else if (conn->opening)
        gush__conn_open_failed(conn, true);
    else
        conn->ops->on_timer(conn->owner);
}

void gush_conn_timer_set(struct gush_conn *conn, uint64_t ms)
{
    GUSH_ASSERT(!conn->opening);
    if (!gush_conn_closing(conn))
        gush__conn_arm(conn, ms);
}

void gush_conn_timer_clear(struct gush_conn *conn)
{
    GUSH_ASSERT(!conn->opening);
    if (!gush_conn_closing(conn))
        gush_wheel_disarm(&gush_loop_lane(conn->loop)->wheel, &conn->timer);
}

struct gush_loop *gush_conn_loop(const struct gush_conn *conn)
{
    return conn->loop;
}

const struct gush_peer *gush_conn_peer(const struct gush_conn *conn)
{
    return &conn->peer;
}

bool gush_conn_is_tls(const struct gush_conn *conn)
{
    return conn->is_tls;
}

bool gush_conn_alpn_is(const struct gush_conn *conn, const char *protocol)
{
    return conn->extra && conn->extra->tls && gush__tls_alpn_is(conn->extra->tls, protocol);
}
