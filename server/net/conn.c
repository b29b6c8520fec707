#include "server/net/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/net/net_priv.h"

#define gush_conn_MAGIC GUSH_MAGIC('c', 'o', 'n', 'n')

struct gush_conn {
    GUSH_MAGIC_FIELD;
    /* What a write looks at is one cache line. */
    int fd;            /* -1: closed, only the handle's farewell is missing */
    uint8_t read_mode; /* enum gush_conn_read */
    bool want_write;   /* a write met a full socket */
    bool broken;       /* a write failed: the end is on its way */
    bool lingering;    /* FIN sent, discarding */
    int8_t watched;    /* events the poll has now */
    uv_poll_t poll;
    struct gush__item item;
    struct gush_loop *loop;
    const struct gush_conn_ops *ops;
    void *owner;
    struct gush_timer timer;
    struct gush_peer peer;
};

static void on_poll(uv_poll_t *handle, int status, int events);
static void on_timer(void *arg, struct gush_timer *t);
static void on_item_stop(struct gush__item *item);

static void arm_timer(struct gush_conn *conn, uint64_t ms)
{
    struct gush_lane *lane = gush_loop_lane(conn->loop);
    gush_wheel_arm(&lane->wheel, &conn->timer, gush_lane_now_ms(lane) + ms);
}

static void watch(struct gush_conn *conn)
{
    int events = conn->want_write ? UV_WRITABLE : 0;

    if (conn->fd < 0)
        return;
    if (conn->read_mode == GUSH_CONN_READ_ON)
        events |= UV_READABLE;
    else if (conn->read_mode == GUSH_CONN_READ_ENDED)
        events |= UV_DISCONNECT;
    if (events == conn->watched)
        return;
    conn->watched = (int8_t)events;
    if (events == 0)
        uv_poll_stop(&conn->poll);
    else
        uv_poll_start(&conn->poll, events, on_poll);
}

gush_err gush_conn_open(struct gush_loop *loop, int fd, const struct gush_peer *peer,
                        const struct gush_conn_ops *ops, void *owner, struct gush_conn **out)
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
    conn->ops = ops;
    conn->owner = owner;
    conn->timer.fire = on_timer;
    conn->peer = *peer;
    conn->read_mode = GUSH_CONN_READ_ON;
    gush__item_join(loop, &conn->item);
    watch(conn);
    *out = conn;
    return GUSH_OK;
}

void gush_conn_read(struct gush_conn *conn, enum gush_conn_read mode)
{
    if (gush_conn_closing(conn))
        return;
    conn->read_mode = (uint8_t)mode;
    watch(conn);
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

static void close_now(struct gush_conn *conn, bool abort)
{
    if (conn->fd < 0)
        return;
    if (abort) {
        struct linger reset = {1, 0};
        /* Failing only means a FIN instead of a reset. */
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    gush_wheel_disarm(&gush_loop_lane(conn->loop)->wheel, &conn->timer);
    uv_close((uv_handle_t *)&conn->poll, on_handle_closed);
    close(conn->fd);
    conn->fd = -1;
}

void gush_conn_close(struct gush_conn *conn, enum gush_conn_end how)
{
    bool fresh = !gush_conn_closing(conn);

    if (how != GUSH_CONN_END_GRACEFUL || (fresh && gush__loop_stopping(conn->loop))) {
        close_now(conn, how == GUSH_CONN_END_ABORT);
        return;
    }
    if (!fresh)
        return;
    /* Closing with unread bytes would send a reset, and that may overtake our last answer. */
    if (shutdown(conn->fd, SHUT_WR) != 0) {
        close_now(conn, false);
        return;
    }
    conn->lingering = true;
    conn->want_write = false;
    conn->read_mode = GUSH_CONN_READ_ON;
    watch(conn);
    arm_timer(conn, GUSH_CONN_LINGER_MS);
}

bool gush_conn_closing(const struct gush_conn *conn)
{
    return conn->fd < 0 || conn->lingering || conn->broken;
}

static void on_item_stop(struct gush__item *item)
{
    struct gush_conn *conn = GUSH_CONTAINER(item, struct gush_conn, item);
    close_now(conn, false);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void on_readable(struct gush_conn *conn)
{
    uint8_t *buffer = gush_loop_read_buffer(conn->loop);
    ssize_t n = recv(conn->fd, buffer, GUSH_LOOP_READ_BYTES, 0);

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            close_now(conn, false);
        return;
    }
    if (conn->lingering) {
        if (n == 0)
            close_now(conn, false);
        return;
    }
    if (n > 0) {
        conn->ops->on_bytes(conn->owner, buffer, (size_t)n);
        return;
    }
    gush_conn_read(conn, GUSH_CONN_READ_OFF);
    conn->ops->on_eof(conn->owner);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct gush_conn *conn = GUSH_CAST(gush_conn, handle->data);

    gush__loop_refresh(conn->loop);
    if (status < 0 || conn->broken) {
        close_now(conn, false);
        return;
    }
    if (events & UV_WRITABLE && conn->want_write) {
        conn->want_write = false;
        watch(conn);
        conn->ops->on_writable(conn->owner);
    }
    if (gush_conn_closing(conn) && !conn->lingering)
        return;
    if (events & UV_READABLE && conn->read_mode == GUSH_CONN_READ_ON) {
        on_readable(conn);
    } else if (events & UV_DISCONNECT && conn->read_mode == GUSH_CONN_READ_ENDED) {
        gush_conn_read(conn, GUSH_CONN_READ_OFF);
        conn->ops->on_eof(conn->owner);
    }
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

gush_err gush_conn_write(struct gush_conn *conn, const struct gush_span *parts, size_t parts_n,
                         size_t *written)
{
    size_t total = 0;
    ssize_t n;

    GUSH_ASSERT(parts_n > 0 && parts_n <= GUSH_CONN_PARTS_MAX);
    *written = 0;
    if (gush_conn_closing(conn))
        return GUSH_ECLOSED;
    do {
        n = send_parts(conn->fd, parts, parts_n);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        /* The end is told from the loop, not from in here. */
        conn->broken = true;
        arm_timer(conn, 0);
        return GUSH_ECLOSED;
    }
    if (n > 0)
        *written = (size_t)n;
    for (size_t i = 0; i < parts_n; i++)
        total += parts[i].n;
    if (*written == total)
        return GUSH_OK;
    conn->want_write = true;
    watch(conn);
    return GUSH_EAGAIN;
}

/* ---- the timer ------------------------------------------------------------------------------ */

static void on_timer(void *arg, struct gush_timer *t)
{
    struct gush_conn *conn = GUSH_CONTAINER(t, struct gush_conn, timer);

    (void)arg;
    GUSH_ASSERT(conn->magic == gush_conn_MAGIC);
    if (conn->broken || conn->lingering)
        close_now(conn, conn->lingering);
    else
        conn->ops->on_timer(conn->owner);
}

void gush_conn_timer_set(struct gush_conn *conn, uint64_t ms)
{
    if (!gush_conn_closing(conn))
        arm_timer(conn, ms);
}

void gush_conn_timer_clear(struct gush_conn *conn)
{
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
