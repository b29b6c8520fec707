/* porch: where newcomers of one gate wait on one loop until their first bytes are there.
 *
 * They are watched by an epoll set of the porch's own, edge by edge: bytes are looked at without
 * being taken, so a level would report them again and again, and a library handle for each would
 * cost three times the memory. All wait equally long, so the order of arrival is the order of
 * deadlines, and one timer is enough. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/net/net_priv.h"

#define EVENTS_N 64

struct newcomer {
    GUSH_MAGIC_FIELD;
    int fd;
    struct newcomer *next, *prev;
    uint64_t due_ms;
    struct gush_peer peer;
};
#define newcomer_MAGIC    GUSH_MAGIC('n', 'e', 'w', 'c')
#define gush__porch_MAGIC GUSH_MAGIC('p', 'o', 'r', 'c')

struct gush__porch {
    GUSH_MAGIC_FIELD;
    int epoll_fd; /* -1: nobody waits here, or closing */
    bool closing;
    uv_poll_t poll;
    struct gush__item item;
    struct gush_timer deadline;
    struct newcomer *oldest, *newest;
    unsigned waiting_n;
    struct gush_loop *loop;
    struct gush_gate *gate;
    const struct gush_gate_options *options; /* the gate's */
    gush_listener_fn *pass;
    void *arg;
};

/* What the first bytes of somebody say about him. */
enum look { LOOK_PASS, LOOK_WAIT, LOOK_WRONG, LOOK_LEFT };

/* ---- those who wait ------------------------------------------------------------------------- */

static void arm(struct gush__porch *porch)
{
    struct gush_wheel *wheel = &gush_loop_lane(porch->loop)->wheel;

    if (porch->oldest == NULL)
        gush_wheel_disarm(wheel, &porch->deadline);
    else if (porch->options->first_ms > 0 && !gush_timer_armed(&porch->deadline))
        gush_wheel_arm(wheel, &porch->deadline, porch->oldest->due_ms);
}

/* Nobody's any more; its descriptor is the caller's. */
static void unlink_newcomer(struct gush__porch *porch, struct newcomer *n)
{
    /* Before the descriptor goes anywhere: what it is watched for is not ours any more. */
    int failed = epoll_ctl(porch->epoll_fd, EPOLL_CTL_DEL, n->fd, NULL);

    GUSH_ASSERT(failed == 0);
    *(n->prev ? &n->prev->next : &porch->oldest) = n->next;
    *(n->next ? &n->next->prev : &porch->newest) = n->prev;
    porch->waiting_n--;
    gush__gate_wait(porch->gate, -1);
    n->magic = GUSH_MAGIC_DEAD;
    gush_free(n);
}

static void send_away(struct gush__porch *porch, struct newcomer *n, enum gush_gate_reason reason)
{
    struct gush_peer peer = n->peer;
    int fd = n->fd;

    unlink_newcomer(porch, n);
    gush__gate_leave(porch->gate, fd);
    gush__gate_refuse(porch->gate, reason, &peer);
    gush__gate_close(fd);
}

/* True: there is one less now. */
static bool make_way(struct gush__porch *porch)
{
    if (porch->oldest == NULL)
        return false;
    send_away(porch, porch->oldest, GUSH_GATE_CROWD);
    return true;
}

static void on_deadline(void *arg, struct gush_timer *t)
{
    struct gush__porch *porch = GUSH_CONTAINER(t, struct gush__porch, deadline);
    uint64_t now_ms = gush_lane_now_ms(gush_loop_lane(porch->loop));

    (void)arg;
    GUSH_ASSERT(porch->magic == gush__porch_MAGIC);
    while (porch->oldest && porch->oldest->due_ms <= now_ms)
        send_away(porch, porch->oldest, GUSH_GATE_TIMEOUT);
    arm(porch);
}

/* ---- first bytes ---------------------------------------------------------------------------- */

static enum look look_at(const struct gush_gate_options *o, int fd)
{
    uint8_t bytes[GUSH_GATE_FIRST_MAX];
    ssize_t n;

    do {
        n = recv(fd, bytes, o->first.n, MSG_PEEK | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return LOOK_WAIT;
    if (n <= 0)
        return LOOK_LEFT;
    if (memcmp(bytes, o->first.p, (size_t)n) != 0)
        return LOOK_WRONG;
    return (size_t)n == o->first.n ? LOOK_PASS : LOOK_WAIT;
}

/* Whoever speaks a text protocol may be able to show the answer to a human. */
static void answer(const struct gush__porch *porch, int fd)
{
    const struct gush_span *text = &porch->options->answer;
    uint8_t *buffer = gush_loop_read_buffer(porch->loop);
    /* Taken: closing with unread bytes is a reset, which would overtake the answer. */
    ssize_t n = recv(fd, buffer, GUSH_LOOP_READ_BYTES, MSG_DONTWAIT);

    if (text->n > 0 && n > 0 && buffer[0] >= 'A' && buffer[0] <= 'Z' &&
        send(fd, text->p, text->n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)text->n) {
        close(fd);
        return;
    }
    gush__gate_close(fd);
}

static void turn_away(const struct gush__porch *porch, int fd, const struct gush_peer *peer,
                      enum look why)
{
    gush__gate_leave(porch->gate, fd);
    gush__gate_refuse(porch->gate, why == LOOK_WRONG ? GUSH_GATE_FIRST_BYTES : GUSH_GATE_LEFT,
                      peer);
    if (why == LOOK_WRONG)
        answer(porch, fd);
    else
        gush__gate_close(fd);
}

static void let_in(const struct gush__porch *porch, int fd, const struct gush_peer *peer)
{
    gush__gate_admit(porch->gate);
    porch->pass(porch->arg, porch->loop, fd, peer);
}

/* |events|: of the epoll set. */
static void settle(struct gush__porch *porch, struct newcomer *n, uint32_t events)
{
    enum look what = look_at(porch->options, n->fd);
    struct gush_peer peer = n->peer;
    int fd = n->fd;

    /* Half of it and then the end: the rest will not come. */
    if (what == LOOK_WAIT && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        what = LOOK_LEFT;
    if (what == LOOK_WAIT)
        return;
    unlink_newcomer(porch, n);
    if (what == LOOK_PASS)
        let_in(porch, fd, &peer);
    else
        turn_away(porch, fd, &peer, what);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct gush__porch *porch = GUSH_CAST(gush__porch, handle->data);
    struct epoll_event ready[EVENTS_N];
    int n;

    (void)events;
    gush__loop_refresh(porch->loop);
    if (status < 0)
        return;
    n = epoll_wait(porch->epoll_fd, ready, EVENTS_N, 0);
    /* Settling one touches no other; a close from within would. */
    for (int i = 0; i < n && !porch->closing; i++)
        settle(porch, GUSH_CAST(newcomer, ready[i].data.ptr), ready[i].events);
    arm(porch);
}

/* ---- arriving ------------------------------------------------------------------------------- */

static void wait_for_first(struct gush__porch *porch, int fd, const struct gush_peer *peer)
{
    uint64_t now_ms = gush_lane_now_ms(gush_loop_lane(porch->loop));
    struct newcomer *n = GUSH_NEW(struct newcomer);
    struct epoll_event watch = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = n};

    if (porch->waiting_n >= porch->options->waiting_max)
        (void)make_way(porch);
    n->magic = newcomer_MAGIC;
    n->fd = fd;
    n->peer = *peer;
    n->due_ms = now_ms + porch->options->first_ms;
    n->prev = porch->newest;
    *(porch->newest ? &porch->newest->next : &porch->oldest) = n;
    porch->newest = n;
    porch->waiting_n++;
    gush__gate_wait(porch->gate, 1);
    if (epoll_ctl(porch->epoll_fd, EPOLL_CTL_ADD, fd, &watch) != 0) {
        /* The user's limit of watched descriptors: as good as none left. */
        GUSH_ASSERT(errno == ENOSPC || errno == ENOMEM);
        porch->newest = n->prev;
        *(n->prev ? &n->prev->next : &porch->oldest) = NULL;
        porch->waiting_n--;
        gush__gate_wait(porch->gate, -1);
        gush_free(n);
        gush__gate_leave(porch->gate, fd);
        gush__gate_refuse(porch->gate, GUSH_GATE_DESCRIPTORS, peer);
        gush__gate_close(fd);
    }
    arm(porch);
}

/* One who waited has left his lower number behind: |fd| moves there, if it can. */
static int move_down(int fd)
{
    int lower = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (lower < 0)
        return fd;
    close(fd);
    return lower;
}

void gush__porch_take(struct gush__porch *porch, int fd, const struct gush_peer *peer)
{
    enum gush_gate_reason reason = GUSH_GATE_LIMIT;
    bool in;

    gush__gate_arrive(porch->gate);
    in = gush__gate_enter(porch->gate, fd, peer, &reason);
    if (!in && reason != GUSH_GATE_ADDRESS && make_way(porch)) {
        if (reason == GUSH_GATE_DESCRIPTORS)
            fd = move_down(fd);
        in = gush__gate_enter(porch->gate, fd, peer, &reason);
    }
    if (!in) {
        gush__gate_refuse(porch->gate, reason, peer);
        gush__gate_close(fd);
        return;
    }
    if (porch->options->first.n == 0) {
        let_in(porch, fd, peer);
        return;
    }
    switch (look_at(porch->options, fd)) {
    case LOOK_PASS:
        let_in(porch, fd, peer);
        break;
    case LOOK_WAIT:
        wait_for_first(porch, fd, peer);
        break;
    case LOOK_WRONG:
        turn_away(porch, fd, peer, LOOK_WRONG);
        break;
    case LOOK_LEFT:
        turn_away(porch, fd, peer, LOOK_LEFT);
        break;
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct gush__porch *porch = GUSH_CAST(gush__porch, handle->data);

    gush__item_leave(porch->loop, &porch->item);
    porch->magic = GUSH_MAGIC_DEAD;
    gush_free(porch);
}

void gush__porch_close(struct gush__porch *porch)
{
    struct newcomer *n;

    GUSH_ASSERT(porch->magic == gush__porch_MAGIC);
    if (porch->closing)
        return;
    porch->closing = true;
    while ((n = porch->oldest) != NULL) {
        int fd = n->fd;
        unlink_newcomer(porch, n);
        gush__gate_leave(porch->gate, fd);
        gush__gate_close(fd);
    }
    arm(porch);
    uv_close((uv_handle_t *)&porch->poll, on_handle_closed);
    close(porch->epoll_fd);
    porch->epoll_fd = -1;
}

static void on_item_stop(struct gush__item *item)
{
    gush__porch_close(GUSH_CONTAINER(item, struct gush__porch, item));
}

gush_err gush__porch_open(struct gush_loop *loop, struct gush_gate *gate, gush_listener_fn *pass,
                          void *arg, struct gush__porch **out)
{
    struct gush__porch *porch;
    int fd;

    if (gush__loop_stopping(loop))
        return GUSH_EIO;
    fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return GUSH_EIO;
    porch = GUSH_NEW(struct gush__porch);
    if (uv_poll_init(gush__loop_uv(loop), &porch->poll, fd) != 0) {
        close(fd);
        gush_free(porch);
        return GUSH_EIO;
    }
    porch->magic = gush__porch_MAGIC;
    porch->epoll_fd = fd;
    porch->poll.data = porch;
    porch->item.stop = on_item_stop;
    porch->deadline.fire = on_deadline;
    porch->loop = loop;
    porch->gate = gate;
    porch->options = gush__gate_options(gate);
    porch->pass = pass;
    porch->arg = arg;
    gush__item_join(loop, &porch->item);
    uv_poll_start(&porch->poll, UV_READABLE, on_poll);
    *out = porch;
    return GUSH_OK;
}
