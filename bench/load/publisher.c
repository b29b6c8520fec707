#include "bench/load/publisher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/mem.h"

#include "bench/load/h2.h"
#include "bench/load/record.h"

#define PUBLISH_PATH "/centrifugal.centrifugo.api.CentrifugoApi/Publish"
#define CALLS_MAX    256 /* under way, all channels together; a power of two */
#define OUT_MAX      ((size_t)4 << 20)
#define READ_SIZE    65536
#define SECOND_NS    UINT64_C(1000000000)
/* No answer for so long: the server is given up. */
#define PATIENCE_NS (30 * SECOND_NS)

struct call {
    uint32_t stream; /* 0: free */
    uint32_t channel;
    uint64_t sent_ns;
    struct gush_buf message; /* the answer */
};

struct channel {
    uint64_t due;   /* publications whose moment has come */
    uint64_t begun; /* of these: sent */
    uint32_t calls; /* under way */
    bool listed;    /* waits in |ready| */
};

struct load_publisher {
    const struct load_options *options;
    struct load_published *published;
    pthread_t thread;
    int fd;
    struct load_h2 h2;
    uint32_t next_stream, calls_n;
    uint32_t oldest; /* floor: the call that is answered next */
    int64_t window;  /* bytes that the server still accepts on the connection */
    struct call calls[CALLS_MAX];
    struct channel *channels;
    uint32_t *ready; /* ring of channels that have something to send */
    uint32_t ready_head, ready_n;
    struct gush_buf out, scratch, data;
    uint64_t began_ns, until, next; /* of this phase: publications until |until|, |next| is next */
    uint64_t first;                 /* number of the phase's first publication */
    uint64_t heard_ns;
    bool broken;
    _Atomic bool done;
    uint64_t answered, failed;
    struct load_hist lateness, answering;
};

/* ---- answers -------------------------------------------------------------------------------- */

static struct call *call_of(struct load_publisher *p, uint32_t stream)
{
    struct call *call = &p->calls[stream / 2 % CALLS_MAX];

    return call->stream == stream ? call : NULL;
}

static void offer(struct load_publisher *p, uint32_t number)
{
    struct channel *c = &p->channels[number];

    if (c->listed || c->begun == c->due || c->calls == p->options->inflight)
        return;
    c->listed = true;
    p->ready[(p->ready_head + p->ready_n++) % p->options->channels] = number;
}

static void finish(struct load_publisher *p, struct call *call, bool well)
{
    uint32_t channel = call->channel;

    p->heard_ns = load_reader_now_ns();
    if (well)
        p->answered++;
    else
        p->failed++;
    load_hist_add(&p->answering, p->heard_ns - call->sent_ns);
    call->stream = 0;
    p->calls_n--;
    p->channels[channel].calls--;
    offer(p, channel);
}

static void on_data(void *arg, uint32_t stream, struct gush_span piece)
{
    struct call *call = call_of(arg, stream);

    if (call)
        gush_buf_put_span(&call->message, piece);
}

static void on_ended(void *arg, uint32_t stream, bool reset)
{
    struct call *call = call_of(arg, stream);

    if (call)
        finish(arg, call,
               !reset && call->message.n >= 5 &&
                   load_wire_published(gush_span_of(call->message.p + 5, call->message.n - 5)));
}

static void on_goaway(void *arg)
{
    (void)arg; /* the calls under way end first; then the connection does */
}

static void on_window(void *arg, uint32_t stream, uint32_t more)
{
    struct load_publisher *p = arg;

    if (stream == 0)
        p->window += more;
}

static void on_answer(void *arg, const struct gush_buf *bytes)
{
    struct load_publisher *p = arg;

    gush_buf_put(&p->out, bytes->p, bytes->n);
}

static const struct load_h2_events events = {on_data, on_ended, on_goaway, on_window, on_answer};

/* The floor answers each publication, in order, with one byte. */
static void floor_answers(struct load_publisher *p, size_t n)
{
    for (; n && p->calls_n; n--) {
        while (p->calls[p->oldest % CALLS_MAX].stream == 0)
            p->oldest++;
        finish(p, &p->calls[p->oldest % CALLS_MAX], true);
    }
}

static void hear(struct load_publisher *p)
{
    uint8_t bytes[READ_SIZE];
    const bool stop = false;
    ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        p->broken = true;
    else if (p->options->floor)
        floor_answers(p, (size_t)n);
    else if (load_h2_read(&p->h2, &events, p, gush_span_of(bytes, (size_t)n), &stop) != GUSH_OK)
        p->broken = true;
}

/* ---- sending -------------------------------------------------------------------------------- */

static void put_floor(struct load_publisher *p, uint32_t channel)
{
    uint32_t head[2] = {channel, (uint32_t)p->data.n};

    gush_buf_put(&p->out, head, sizeof head);
    gush_buf_put_span(&p->out, gush_buf_span(&p->data));
}

static void put_grpc(struct load_publisher *p, uint32_t channel, uint32_t stream)
{
    char name[64];

    load_wire_channel(name, sizeof name, p->options->history, p->options->run, channel);
    gush_buf_reset(&p->scratch);
    load_wire_publish_proto(&p->scratch, name, gush_buf_span(&p->data));
    load_h2_put_call(&p->out, stream, PUBLISH_PATH, p->options->key, gush_buf_span(&p->scratch));
    p->window -= (int64_t)p->scratch.n + 5;
}

/* The next publication of |channel|. */
static void send_one(struct load_publisher *p, uint32_t channel)
{
    const struct load_options *o = p->options;
    struct channel *c = &p->channels[channel];
    uint32_t stream = p->next_stream;
    struct call *call = &p->calls[stream / 2 % CALLS_MAX];
    /* Its place in the whole schedule, in which channels take turns. */
    uint64_t k = c->begun * o->channels + channel - p->first;
    struct load_record record = {.channel = channel, .seq = ++c->begun};
    uint64_t now_ns = load_reader_now_ns();

    record.intended_ns = p->began_ns + (uint64_t)((double)k * 1e9 / o->rate);
    gush_buf_reset(&p->data);
    load_record_write(&p->data, &record, o->size);
    if (o->floor)
        put_floor(p, channel);
    else
        put_grpc(p, channel, stream);
    p->next_stream += 2;
    p->calls_n++;
    c->calls++;
    call->stream = stream;
    call->channel = channel;
    call->sent_ns = now_ns;
    gush_buf_reset(&call->message);
    load_hist_add(&p->lateness, now_ns > record.intended_ns ? now_ns - record.intended_ns : 0);
    atomic_fetch_add(&p->published->sent[channel], 1);
}

/* What is due and may go, goes into |out|. */
static void compose(struct load_publisher *p)
{
    const struct load_options *o = p->options;
    uint64_t now_ns = load_reader_now_ns();

    while (p->next < p->until &&
           p->began_ns + (uint64_t)((double)p->next * 1e9 / o->rate) <= now_ns) {
        uint32_t channel = (uint32_t)((p->first + p->next++) % o->channels);

        p->channels[channel].due++;
        offer(p, channel);
    }
    while (p->ready_n && p->window > (int64_t)o->size + 512 &&
           p->calls[p->next_stream / 2 % CALLS_MAX].stream == 0 && p->out.n < OUT_MAX / 2) {
        uint32_t channel = p->ready[p->ready_head];

        p->ready_head = (p->ready_head + 1) % (uint32_t)o->channels;
        p->ready_n--;
        p->channels[channel].listed = false;
        send_one(p, channel);
        offer(p, channel);
    }
}

static void speak(struct load_publisher *p)
{
    ssize_t n;

    if (p->out.n == 0)
        return;
    n = send(p->fd, p->out.p, p->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        gush_buf_consume(&p->out, (size_t)n);
    else if (errno != EAGAIN && errno != EINTR)
        p->broken = true;
}

/* Nanoseconds until the next publication is due; at most a tenth of a second. */
static int64_t nap_ns(const struct load_publisher *p)
{
    uint64_t now_ns = load_reader_now_ns(), at;

    if (p->next == p->until)
        return (int64_t)(SECOND_NS / 10);
    at = p->began_ns + (uint64_t)((double)p->next * 1e9 / p->options->rate);
    return at > now_ns
               ? (at - now_ns < SECOND_NS / 10 ? (int64_t)(at - now_ns) : (int64_t)(SECOND_NS / 10))
               : 0;
}

static void *run(void *arg)
{
    struct load_publisher *p = arg;

    (void)prctl(PR_SET_TIMERSLACK, 1);
    p->heard_ns = load_reader_now_ns();
    while (!p->broken && (p->next < p->until || p->ready_n || p->calls_n)) {
        struct pollfd fd = {.fd = p->fd, .events = POLLIN};
        struct timespec nap;

        compose(p);
        speak(p);
        if (p->out.n)
            fd.events |= POLLOUT;
        nap = (struct timespec){.tv_nsec = nap_ns(p)};
        if (ppoll(&fd, 1, &nap, NULL) == 1 && (fd.revents & (POLLIN | POLLERR | POLLHUP)))
            hear(p);
        if (p->calls_n && load_reader_now_ns() - p->heard_ns > PATIENCE_NS &&
            load_reader_now_ns() - p->began_ns > PATIENCE_NS)
            p->broken = true;
    }
    if (p->broken) {
        fprintf(stderr, "gush_load: the publisher's connection broke, %u calls open\n", p->calls_n);
        p->failed += p->calls_n + (p->until - p->next);
        p->calls_n = 0;
    }
    atomic_store(&p->done, true);
    return NULL;
}

/* ---- for main ------------------------------------------------------------------------------- */

static bool dial(struct load_publisher *p)
{
    uint64_t port = p->options->floor ? p->options->http_port : p->options->api_port;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        fprintf(stderr, "gush_load: 127.0.0.1:%u: %s\n", (unsigned)port, strerror(errno));
        return false;
    }
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

struct load_publisher *load_publisher_new(const struct load_options *o,
                                          struct load_published *shared)
{
    struct load_publisher *p = GUSH_NEW(struct load_publisher);

    p->options = o;
    p->published = shared;
    p->next_stream = 1;
    p->window = 65535;
    p->channels = gush_zalloc(o->channels, sizeof *p->channels);
    p->ready = gush_zalloc(o->channels, sizeof *p->ready);
    load_h2_init(&p->h2);
    gush_buf_init(&p->out, OUT_MAX);
    gush_buf_init(&p->scratch, LOAD_H2_FRAME_MAX);
    gush_buf_init(&p->data, LOAD_H2_FRAME_MAX);
    for (size_t i = 0; i < CALLS_MAX; i++)
        gush_buf_init(&p->calls[i].message, LOAD_H2_FRAME_MAX);
    if (!dial(p)) {
        load_publisher_free(p);
        return NULL;
    }
    if (o->floor) {
        p->window = INT64_MAX / 2;
        gush_buf_put_str(&p->out, "PUBLISH\n");
    } else {
        load_h2_put_preface(&p->out);
    }
    return p;
}

/* A server closes a connection that says nothing, and nothing was said while subscribers came. */
static bool dial_again(struct load_publisher *p)
{
    close(p->fd);
    return dial(p);
}

gush_err load_publisher_begin(struct load_publisher *p, double seconds)
{
    if (p->next_stream == 1 && !dial_again(p))
        return GUSH_EIO;
    p->first += p->next;
    p->next = 0;
    p->until = (uint64_t)(seconds * p->options->rate);
    p->began_ns = load_reader_now_ns();
    atomic_store(&p->done, false);
    return pthread_create(&p->thread, NULL, run, p) == 0 ? GUSH_OK : GUSH_EIO;
}

bool load_publisher_done(const struct load_publisher *p)
{
    return atomic_load(&p->done);
}

void load_publisher_end(struct load_publisher *p)
{
    pthread_join(p->thread, NULL);
}

uint64_t load_publisher_answered(const struct load_publisher *p)
{
    return p->answered;
}

uint64_t load_publisher_failed(const struct load_publisher *p)
{
    return p->failed;
}

const struct load_hist *load_publisher_lateness(const struct load_publisher *p)
{
    return &p->lateness;
}

const struct load_hist *load_publisher_answering(const struct load_publisher *p)
{
    return &p->answering;
}

void load_publisher_forget(struct load_publisher *p)
{
    p->lateness = p->answering = (struct load_hist){.count = 0};
}

void load_publisher_free(struct load_publisher *p)
{
    if (p->fd >= 0)
        close(p->fd);
    load_h2_fini(&p->h2);
    gush_buf_fini(&p->out);
    gush_buf_fini(&p->scratch);
    gush_buf_fini(&p->data);
    for (size_t i = 0; i < CALLS_MAX; i++)
        gush_buf_fini(&p->calls[i].message);
    gush_free(p->channels);
    gush_free(p->ready);
    gush_free(p);
}
