#include "server/net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/net/net_priv.h"

#define gush_listener_MAGIC GUSH_MAGIC('l', 'i', 's', 't')

struct gush_listener {
    GUSH_MAGIC_FIELD;
    int fd;    /* -1: closing */
    int spare; /* a descriptor to give up when there are none; -1: given up */
    uv_poll_t poll;
    struct gush__item item;
    struct gush_timer resume;
    struct gush_loop *loop;
    struct gush__porch *porch; /* NULL: no gate, or the porch went with the loop */
    gush_listener_fn *on_accept;
    void *arg;
    struct gush_listener_seat *seats; /* to deal to in turn; NULL: on_accept is for |loop| */
    size_t seats_n, seat;             /* |seat|: whose turn it is */
    struct gush__unix_file file;
};

/* Somebody on the way to the loop of his seat. */
struct dealt {
    struct gush_letter letter;
    gush_listener_fn *on_accept;
    struct gush_listener_seat seat;
    int fd;
    struct gush_peer peer;
};

static void on_poll(uv_poll_t *handle, int status, int events);

static void on_handle_closed(uv_handle_t *handle)
{
    struct gush_listener *l = GUSH_CAST(gush_listener, handle->data);
    gush__item_leave(l->loop, &l->item);
    l->magic = GUSH_MAGIC_DEAD;
    gush_free(l->seats);
    gush_free(l);
}

void gush_listener_close(struct gush_listener *l)
{
    GUSH_ASSERT(l->magic == gush_listener_MAGIC);
    if (l->fd < 0)
        return;
    gush_wheel_disarm(&gush_loop_lane(l->loop)->wheel, &l->resume);
    uv_close((uv_handle_t *)&l->poll, on_handle_closed);
    gush__unix_remove(l->fd, &l->file);
    close(l->fd);
    l->fd = -1;
    if (l->spare >= 0)
        close(l->spare);
    /* When the loop stops, it tells the porch itself, before or after us. */
    if (l->porch && !gush__loop_stopping(l->loop))
        gush__porch_close(l->porch);
    l->porch = NULL;
}

static void on_item_stop(struct gush__item *item)
{
    gush_listener_close(GUSH_CONTAINER(item, struct gush_listener, item));
}

/* ---- dealing --------------------------------------------------------------------------------- */

static void dealt_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct dealt *d = GUSH_CONTAINER(letter, struct dealt, letter);

    (void)lane;
    d->on_accept(d->seat.arg, d->seat.loop, d->fd, &d->peer);
    gush_free(d);
}

static void dealt_drop(struct gush_letter *letter)
{
    struct dealt *d = GUSH_CONTAINER(letter, struct dealt, letter);

    close(d->fd);
    gush_free(d);
}

static const struct gush_letter_kind dealt_kind = {"dealt connection", dealt_open, dealt_drop};

/* A gush_listener_fn, of the listener itself or of its porch. */
static void deal(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    struct gush_listener *l = GUSH_CAST(gush_listener, arg);
    const struct gush_listener_seat *seat = &l->seats[l->seat];
    struct dealt *d;

    l->seat = (l->seat + 1) % l->seats_n;
    if (seat->loop == loop) {
        l->on_accept(seat->arg, loop, fd, peer);
        return;
    }
    d = GUSH_NEW(struct dealt);
    d->letter.kind = &dealt_kind;
    d->on_accept = l->on_accept;
    d->seat = *seat;
    d->fd = fd;
    d->peer = *peer;
    (void)gush_lane_post(gush_loop_lane(seat->loop), &d->letter); /* failed: it was dropped */
}

/* ---- accepting ------------------------------------------------------------------------------- */

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_resume(void *arg, struct gush_timer *t)
{
    struct gush_listener *l = GUSH_CONTAINER(t, struct gush_listener, resume);

    (void)arg;
    GUSH_ASSERT(l->magic == gush_listener_MAGIC);
    if (l->spare < 0)
        l->spare = open_spare();
    uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* Turns one newcomer away, so that it learns of it now and not by its own timeout. */
static void refuse_and_pause(struct gush_listener *l, int why)
{
    struct gush_lane *lane = gush_loop_lane(l->loop);

    if ((why == EMFILE || why == ENFILE) && l->spare >= 0) {
        close(l->spare);
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        l->spare = open_spare();
    }
    gush_log(GUSH_LOG_WARN, "cannot accept connections, pausing", GUSH_F("error", strerror(why)),
             GUSH_FU("pause_ms", GUSH_LISTENER_PAUSE_MS));
    uv_poll_stop(&l->poll);
    gush_wheel_arm(&lane->wheel, &l->resume, gush_lane_now_ms(lane) + GUSH_LISTENER_PAUSE_MS);
}

/* False when there is nothing more to accept now. */
static bool accept_one(struct gush_listener *l)
{
    struct sockaddr_storage storage;
    socklen_t n = sizeof(storage);
    int fd = accept4(l->fd, (struct sockaddr *)&storage, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        struct gush_peer peer = gush_peer_from((struct sockaddr *)&storage);
        if (l->porch)
            gush__porch_take(l->porch, fd, &peer);
        else if (l->seats)
            deal(l, l->loop, fd, &peer);
        else
            l->on_accept(l->arg, l->loop, fd, &peer);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        refuse_and_pause(l, errno);
        return false;
    default:
        return true; /* this newcomer went away before we looked; the next may be fine */
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct gush_listener *l = GUSH_CAST(gush_listener, handle->data);

    (void)events;
    gush__loop_refresh(l->loop);
    if (status < 0) {
        gush_log(GUSH_LOG_ERROR, "listening socket failed", GUSH_F("error", uv_strerror(status)));
        gush_listener_close(l);
        return;
    }
    for (int i = 0; i < GUSH_LISTENER_BATCH && l->fd >= 0 && accept_one(l); i++)
        continue;
}

gush_err gush_listener_open(struct gush_loop *loop, int fd, gush_listener_fn *on_accept, void *arg,
                            struct gush_listener **out)
{
    if (gush__loop_stopping(loop)) {
        close(fd);
        return GUSH_EIO;
    }
    struct gush_listener *l = GUSH_NEW(struct gush_listener);
    if (uv_poll_init(gush__loop_uv(loop), &l->poll, fd) != 0) {
        close(fd);
        gush_free(l);
        return GUSH_EIO;
    }
    l->magic = gush_listener_MAGIC;
    l->fd = fd;
    l->file = gush__unix_file_of(fd);
    l->spare = open_spare();
    l->poll.data = l;
    l->item.stop = on_item_stop;
    l->resume.fire = on_resume;
    l->loop = loop;
    l->on_accept = on_accept;
    l->arg = arg;
    gush__item_join(loop, &l->item);
    uv_poll_start(&l->poll, UV_READABLE, on_poll);
    *out = l;
    return GUSH_OK;
}

gush_err gush_listener_open_gated(struct gush_loop *loop, int fd, struct gush_gate *gate,
                                  gush_listener_fn *on_accept, void *arg,
                                  struct gush_listener **out)
{
    struct gush__porch *porch;
    gush_err err = gush__porch_open(loop, gate, on_accept, arg, &porch);

    if (err != GUSH_OK) {
        close(fd);
        return err;
    }
    err = gush_listener_open(loop, fd, on_accept, arg, out);
    if (err == GUSH_OK)
        (*out)->porch = porch;
    else
        gush__porch_close(porch);
    return err;
}

/* NOLINTNEXTLINE(readability-function-size): the seventh only says how many seats there are */
gush_err gush_listener_open_dealing(struct gush_loop *loop, int fd, struct gush_gate *gate,
                                    gush_listener_fn *on_accept,
                                    const struct gush_listener_seat *seats, size_t seats_n,
                                    struct gush_listener **out)
{
    gush_err err = gush_listener_open(loop, fd, on_accept, NULL, out);
    struct gush_listener *l;

    GUSH_ASSERT(seats_n > 0);
    if (err != GUSH_OK)
        return err;
    l = *out;
    l->seats = gush_zalloc(seats_n, sizeof(*seats));
    memcpy(l->seats, seats, seats_n * sizeof(*seats));
    l->seats_n = seats_n;
    if (gate != NULL)
        err = gush__porch_open(loop, gate, deal, l, &l->porch);
    if (err != GUSH_OK)
        gush_listener_close(l);
    return err;
}
