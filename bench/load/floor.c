#include "bench/load/floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/mem.h"

#define CHANNELS_MAX 1000000
#define REQUEST_MAX  65536
#define DATA_MAX     ((size_t)65536)
#define EVENTS       512

enum role { UNKNOWN, READER, PUBLISHER };

struct peer {
    int fd;
    enum role role;
    uint32_t channel, at; /* READER: its place among the channel's readers */
    struct gush_buf in;
};

struct channel {
    struct peer **readers;
    uint32_t n, cap;
};

struct floor {
    int epoll, listener;
    struct channel *channels;
    uint32_t channels_n;
    struct gush_buf event, chunk;
};

static struct channel *channel_of(struct floor *f, uint32_t number)
{
    if (number >= f->channels_n) {
        uint32_t n = number + 64;

        f->channels = gush_realloc(f->channels, n * sizeof *f->channels);
        memset(f->channels + f->channels_n, 0, (n - f->channels_n) * sizeof *f->channels);
        f->channels_n = n;
    }
    return &f->channels[number];
}

static bool say(const struct peer *p, const char *text)
{
    return send(p->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static void publish(struct floor *f, uint32_t number, struct gush_span data)
{
    struct channel *c = channel_of(f, number);

    gush_buf_reset(&f->event);
    gush_buf_printf(&f->event, "data: {\"channel\":\"c_%u\",\"pub\":{\"data\":", number);
    gush_buf_put_span(&f->event, data);
    gush_buf_put_str(&f->event, "}}\n\n");
    gush_buf_reset(&f->chunk);
    gush_buf_printf(&f->chunk, "%zx\r\n", f->event.n);
    gush_buf_put_span(&f->chunk, gush_buf_span(&f->event));
    gush_buf_put_str(&f->chunk, "\r\n");
    for (uint32_t i = 0; i < c->n; i++)
        (void)send(c->readers[i]->fd, f->chunk.p, f->chunk.n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- peers ---------------------------------------------------------------------------------- */

static void drop(struct floor *f, struct peer *p)
{
    if (p->role == READER) {
        struct channel *c = channel_of(f, p->channel);

        c->readers[p->at] = c->readers[--c->n];
        c->readers[p->at]->at = p->at;
    }
    close(p->fd);
    gush_buf_fini(&p->in);
    gush_free(p);
}

/* A whole request is in |p->in|. */
static bool subscribe(struct floor *f, struct peer *p, const char *text)
{
    const char *name = strstr(text, "\"subs\":{\""), *number = name ? strchr(name, '_') : NULL;
    unsigned long at = number ? strtoul(number + 1, NULL, 10) : CHANNELS_MAX;
    struct channel *c;

    if (at >= CHANNELS_MAX)
        return false;
    c = channel_of(f, (uint32_t)at);
    if (c->n == c->cap) {
        c->cap = c->cap * 2 + 16;
        c->readers = gush_realloc(c->readers, c->cap * sizeof(struct peer *));
    }
    p->role = READER;
    p->channel = (uint32_t)at;
    p->at = c->n;
    c->readers[c->n++] = p;
    gush_buf_fini(&p->in);
    gush_buf_init(&p->in, REQUEST_MAX);
    return say(p, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"
                  "25\r\ndata: {\"connect\":{\"subs\":{\"c\":{}}}}\n\n\r\n");
}

static bool publications(struct floor *f, struct peer *p)
{
    size_t done = 0;
    uint32_t head[2];
    bool well = true;

    while (well && p->in.n - done >= sizeof head) {
        memcpy(head, p->in.p + done, sizeof head);
        if (head[0] >= CHANNELS_MAX || head[1] > DATA_MAX)
            return false;
        if (p->in.n - done < sizeof head + head[1])
            break;
        publish(f, head[0], gush_span_of(p->in.p + done + sizeof head, head[1]));
        done += sizeof head + head[1];
        well = say(p, "k");
    }
    gush_buf_consume(&p->in, done);
    return well;
}

/* Something came; false: the peer is to be dropped. */
static bool hear(struct floor *f, struct peer *p)
{
    uint8_t *room = gush_buf_reserve(&p->in, 4096);
    const char *text, *length, *end;
    ssize_t n = room ? recv(p->fd, room, 4096, 0) : 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    p->in.n += (size_t)n;
    if (p->role == UNKNOWN && p->in.n >= 8 && memcmp(p->in.p, "PUBLISH\n", 8) == 0) {
        p->role = PUBLISHER;
        gush_buf_consume(&p->in, 8);
    }
    if (p->role == PUBLISHER)
        return publications(f, p);
    if (p->role == READER)
        return true;
    gush_buf_put_u8(&p->in, 0);
    if (!gush_buf_ok(&p->in))
        return false;
    p->in.n--;
    text = (const char *)p->in.p;
    length = strstr(text, "Content-Length: ");
    end = strstr(text, "\r\n\r\n");
    if (length && end && strlen(end + 4) >= strtoul(length + 16, NULL, 10))
        return subscribe(f, p, text);
    return true;
}

static void welcome(struct floor *f)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd, on = 1;

    while ((fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *p = GUSH_NEW(struct peer);

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        p->fd = fd;
        gush_buf_init(&p->in, (size_t)4 << 20);
        event.data.ptr = p;
        if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            drop(f, p);
    }
}

static bool listen_on(struct floor *f, uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    socklen_t at_n = sizeof at;
    int on = 1;

    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (f->epoll < 0 || f->listener < 0)
        return false;
    (void)setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(f->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(f->listener, 4096) != 0 ||
        getsockname(f->listener, (struct sockaddr *)&at, &at_n) != 0 ||
        epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->listener, &event) != 0)
        return false;
    printf("listening on %u\n", (unsigned)ntohs(at.sin_port));
    fflush(stdout);
    return true;
}

int load_floor_run(uint16_t port)
{
    struct floor f = {.epoll = -1};
    struct epoll_event events[EVENTS];

    gush_buf_init(&f.event, 2 * DATA_MAX);
    gush_buf_init(&f.chunk, 2 * DATA_MAX);
    if (!listen_on(&f, port)) {
        fprintf(stderr, "gush_load: floor: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        int n = epoll_wait(f.epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;

            if (p == NULL)
                welcome(&f);
            else if (!hear(&f, p))
                drop(&f, p);
        }
    }
}
