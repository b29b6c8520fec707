/* slot: the sockets of the reader. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/reader_priv.h"

#define CONSUME_PATH "/centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume"
/* A server that does not take a request within this time is not served any longer. */
#define WRITE_TIMEOUT_MS 10000
#define SMALL_BUFFER     4096
/* With 4 KiB, connections that several streams share were seen to fall to 20 KiB a second once they
 * had been stopped (the window is far below a segment of loopback, 64 KiB): too slow to catch up.
 */
#define SMALL_BUFFER_GRPC 65536
#define DROPS_TOLD        10
/* So many connections come from one address. With more than half of the ports taken connect()
 * searches for the next one: 18,000 from one address took ten seconds, from three under one. */
#define PORTS_AN_ADDRESS 8000
/* After a stall a reader reads for so many times as long before it stalls again. */
#define RESTS 3

/* ---- reading -------------------------------------------------------------------------------- */

static struct load_sub *sub_of(struct load_slot *slot, uint32_t stream)
{
    for (uint32_t i = 0; i < slot->count; i++) {
        uint32_t at = (slot->hint + i) % slot->count;
        struct load_sub *sub = &slot->reader->subs[slot->first + at];

        if (sub->stream == stream && sub->state != LOAD_AWAY) {
            slot->hint = at; /* its neighbour is the likely next one */
            return sub;
        }
    }
    return NULL; /* stopped by us meanwhile */
}

/* The first ones are told at once: with the server's log they say what happened. */
static void tell_drop(const struct load_sub *sub, const char *how)
{
    struct load_reader *r = sub->slot->reader;

    if (r->told_n++ < DROPS_TOLD)
        fprintf(stderr,
                "gush_load: %s subscriber %u, live for %.1f s, last heard %.1f s ago: ended, %s\n",
                sub->slot->wire == LOAD_GRPC ? "gRPC" : "SSE", sub->number,
                (double)(r->now_ns - sub->live_ns) / 1e9, (double)(r->now_ns - sub->heard_ns) / 1e9,
                how);
}

/* The server, or the wire, ended the stream of |sub|. */
static void ended(struct load_sub *sub, const char *how)
{
    struct load_reader *r = sub->slot->reader;

    if (sub->state == LOAD_CONNECTING)
        load__judge_refused(r, "ended while connecting:", gush_span_str(how));
    else if (sub->slot->was_stalled)
        LOAD_ADD(r->counts.dropped_slow, 1);
    else
        LOAD_ADD(r->counts.dropped, 1);
    if (sub->state == LOAD_LIVE && !sub->slot->was_stalled)
        tell_drop(sub, how);
    load__sub_end(sub);
}

static void on_data(void *arg, uint32_t stream, struct gush_span piece)
{
    struct load_slot *slot = arg;
    struct load_sub *sub = sub_of(slot, stream);

    if (sub && load_wire_framer_read(&sub->framer, piece, load__judge_message, sub, &sub->over) !=
                   GUSH_OK) {
        LOAD_ADD(slot->reader->counts.wrong, 1);
        load__slot_stop(slot, sub);
    }
}

static void on_ended(void *arg, uint32_t stream, bool reset)
{
    struct load_sub *sub = sub_of(arg, stream);

    if (sub)
        ended(sub, reset ? "reset" : "by the server");
}

static void on_goaway(void *arg)
{
    struct load_slot *slot = arg;

    slot->draining = true;
}

static void on_window(void *arg, uint32_t stream, uint32_t more)
{
    (void)arg; /* requests are small: the windows given at first are enough */
    (void)stream;
    (void)more;
}

/* Sends all of |bytes|, waiting where it must: requests are small, and servers read. */
static bool write_all(struct load_slot *slot, const struct gush_buf *bytes)
{
    size_t done = 0;

    while (done < bytes->n) {
        ssize_t n = send(slot->fd, bytes->p + done, bytes->n - done, MSG_NOSIGNAL);
        struct pollfd p = {.fd = slot->fd, .events = POLLOUT};

        if (n > 0)
            done += (size_t)n;
        else if (errno == EAGAIN && poll(&p, 1, WRITE_TIMEOUT_MS) == 1)
            continue;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static void on_answer(void *arg, const struct gush_buf *bytes)
{
    struct load_slot *slot = arg;

    if (!slot->closed && !write_all(slot, bytes))
        slot->draining = true; /* the next read tells */
}

static const struct load_h2_events h2_events = {on_data, on_ended, on_goaway, on_window, on_answer};

static gush_err on_body(void *arg, struct gush_span piece)
{
    struct load_slot *slot = arg;
    struct load_sub *sub = &slot->reader->subs[slot->first];

    return load_wire_framer_read(&sub->framer, piece, load__judge_message, sub, &sub->over);
}

/* The connection is gone, for whatever reason that is not ours. */
static void gone(struct load_slot *slot, const char *how)
{
    for (uint32_t i = 0; i < slot->count; i++) {
        struct load_sub *sub = &slot->reader->subs[slot->first + i];

        if (sub->state != LOAD_AWAY)
            ended(sub, how);
    }
    load__slot_close(slot, true);
}

void load__slot_readable(struct load_slot *slot)
{
    struct load_reader *r = slot->reader;
    uint64_t before = atomic_load(&r->counts.received);
    struct gush_span bytes;
    gush_err err;
    ssize_t n;

    if (slot->closed || slot->stalled)
        return;
    n = recv(slot->fd, r->bytes, LOAD_READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        gone(slot, n == 0 ? "connection closed" : strerror(errno));
        return;
    }
    r->now_ns = load_reader_now_ns();
    bytes = gush_span_of(r->bytes, (size_t)n);
    if (slot->wire == LOAD_GRPC)
        err = load_h2_read(&slot->h2, &h2_events, slot, bytes, &slot->closed);
    else
        err = load_http_read(&slot->http, bytes, on_body, slot, &slot->closed);
    if (err != GUSH_OK && !slot->closed) {
        if (err == GUSH_EDENIED)
            load__judge_refused(r, "answered", bytes);
        else if (err != GUSH_ECLOSED)
            LOAD_ADD(r->counts.wrong, 1);
        gone(slot, gush_err_text(err));
    }
    if (atomic_load(&r->counts.received) != before)
        LOAD_ADD(r->counts.reads, 1);
}

/* ---- opening and closing -------------------------------------------------------------------- */

void load__slot_init(struct load_slot *slot, struct load_reader *r, enum load_wire wire)
{
    slot->reader = r;
    slot->wire = wire;
    slot->fd = -1;
    slot->closed = true;
    load_h2_init(&slot->h2);
    load_http_init(&slot->http);
}

void load__slot_fini(struct load_slot *slot)
{
    load__slot_close(slot, true);
    load_h2_fini(&slot->h2);
    load_http_fini(&slot->http);
}

/* Every address of 127.0.0.0/8 is this machine. */
static bool come_from(const struct load_slot *slot)
{
    uint32_t host = (uint32_t)(slot - slot->reader->slots) / PORTS_AN_ADDRESS;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + host)};
    int on = 1;

    if (host == 0)
        return true;
    /* The port is chosen by connect(), which knows that the other side makes a difference. */
    (void)setsockopt(slot->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(slot->fd, (struct sockaddr *)&from, sizeof from) == 0;
}

static bool dial(struct load_slot *slot)
{
    const struct load_options *o = slot->reader->options;
    uint64_t port = slot->wire == LOAD_GRPC ? o->uni_port : o->http_port;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};
    int small = slot->wire == LOAD_GRPC ? SMALL_BUFFER_GRPC : SMALL_BUFFER, on = 1;

    slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (slot->fd < 0)
        return false;
    slot->closed = false;
    if (slot->small)
        (void)setsockopt(slot->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    (void)setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* On loopback this is done at once, or the server's queue of connections is full. */
    if (!come_from(slot) || connect(slot->fd, (struct sockaddr *)&to, sizeof to) != 0)
        return false;
    if (epoll_ctl(slot->reader->epoll, EPOLL_CTL_ADD, slot->fd, &event) != 0)
        return false;
    on = 1;
    if (ioctl(slot->fd, FIONBIO, &on) != 0)
        return false;
    load_h2_fini(&slot->h2);
    load_h2_init(&slot->h2);
    load_http_fini(&slot->http);
    load_http_init(&slot->http);
    slot->next_stream = 1;
    slot->draining = slot->stalled = slot->was_stalled = false;
    return true;
}

static void put_request(struct load_slot *slot, struct load_sub *sub, struct gush_buf *out)
{
    const struct load_options *o = slot->reader->options;
    struct gush_buf request;
    char channel[64];

    load_wire_channel(channel, sizeof channel, o->history, o->run, sub->channel);
    gush_buf_init(&request, 4096);
    if (slot->wire == LOAD_GRPC) {
        load_wire_connect_proto(&request, channel, &sub->position);
        sub->stream = slot->next_stream;
        slot->next_stream += 2;
        load_h2_put_call(out, sub->stream, CONSUME_PATH, NULL, gush_buf_span(&request));
    } else {
        load_wire_connect_json(&request, channel, &sub->position);
        load_http_put_request(out, o->path, gush_buf_span(&request));
    }
    gush_buf_fini(&request);
}

void load__slot_open(struct load_slot *slot, struct load_sub *sub)
{
    struct load_reader *r = slot->reader;
    struct gush_buf out;
    bool fresh = slot->closed;

    sub->state = LOAD_CONNECTING;
    sub->over = false;
    r->connecting++;
    load_wire_framer_fini(&sub->framer);
    load_wire_framer_init(&sub->framer, slot->wire);
    if (slot->draining && !fresh) {
        load__sub_end(sub); /* when the server has closed, a new connection will do */
        return;
    }
    if (fresh && !dial(slot)) {
        load__judge_refused(r, "connect:", gush_span_str(strerror(errno)));
        load__sub_end(sub);
        load__slot_close(slot, true);
        return;
    }
    gush_buf_init(&out, 65536);
    if (fresh && slot->wire == LOAD_GRPC)
        load_h2_put_preface(&out);
    put_request(slot, sub, &out);
    if (!write_all(slot, &out))
        gone(slot, strerror(errno));
    gush_buf_fini(&out);
}

void load__slot_close(struct load_slot *slot, bool reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (slot->fd < 0)
        return;
    slot->closed = true;
    for (uint32_t i = 0; i < slot->count; i++) {
        struct load_sub *sub = &slot->reader->subs[slot->first + i];

        if (sub->state != LOAD_AWAY)
            load__sub_end(sub);
    }
    if (reset)
        (void)setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(slot->fd);
    slot->fd = -1;
}

void load__slot_stop(struct load_slot *slot, struct load_sub *sub)
{
    struct gush_buf out;
    bool others = false;

    load__sub_end(sub);
    for (uint32_t i = 0; i < slot->count && !others; i++)
        others = slot->reader->subs[slot->first + i].state != LOAD_AWAY;
    if (slot->wire == LOAD_GRPC) {
        gush_buf_init(&out, 64);
        load_h2_put_reset(&out, sub->stream);
        if (!others)
            load_h2_put_goaway(&out);
        on_answer(slot, &out);
        gush_buf_fini(&out);
    }
    if (!others)
        load__slot_close(slot, false);
}

void load__slot_stall(struct load_slot *slot, bool stall)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};

    slot->stalled = stall;
    slot->was_stalled = true;
    slot->rested_us = load_reader_now_ns() / 1000 + RESTS * slot->reader->options->stall_ms * 1000;
    if (!slot->closed)
        (void)epoll_ctl(slot->reader->epoll, stall ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, slot->fd,
                        &event);
}
