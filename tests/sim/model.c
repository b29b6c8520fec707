#include "tests/sim/model.h"

#include <stdio.h>
#include <string.h>

#include "server/base/mem.h"

#define CHANNELS ORACLE_CHANNELS_MAX

enum packet_kind { SUBSCRIBE, UNSUBSCRIBE, ACK, MESSAGE };
enum command_kind { PUBLISH, HISTORY, REMOVE };

/* On the PUB/SUB connection, either way. */
struct packet {
    struct packet *next;
    enum packet_kind kind;
    uint64_t due_us, generation;
    uint32_t channel;
    bool ok;
    struct gush_publication *publication; /* MESSAGE */
    struct gush_epoch epoch;
};

struct line {
    struct packet *head, *tail;
};

/* A request on the command connection: applied at one time, answered at a later one. */
struct command {
    struct command *next;
    enum command_kind kind;
    uint64_t due_us;
    uint32_t channel;
    bool applied, lost;
    uint64_t generation; /* on which SUBSCRIBE was acknowledged when it was asked; 0: on none */
    struct gush_broker_request *request;
    /* PUBLISH */
    struct gush_publication *publication;
    int64_t size;
    uint64_t ttl_us;
    /* HISTORY */
    bool since, reverse;
    uint64_t offset;
    int64_t limit;
    /* the answer */
    struct gush_publication **publications;
    size_t publications_n;
    uint64_t top;
    struct gush_epoch epoch;
};

struct topic {
    bool subscribed; /* on the connection of now */
    uint64_t acked;  /* generation of the newest acknowledgement that was delivered */
    bool spoilt;
    struct gush_epoch epoch;
    uint32_t renewed_n; /* epochs before this one */
    uint64_t top;
    struct gush_publication **kept; /* oldest first */
    size_t kept_n, kept_cap;
    uint64_t expires_us;
};

struct model {
    struct gush_broker broker;
    struct oracle *oracle;
    struct model_faults faults;
    void (*leaving)(void *arg);
    void *leaving_arg;
    struct gush_node *node;
    struct gush_bytes *names[CHANNELS];
    struct stage_signal pubsub_signal, command_signal;
    struct stage_lock lock;
    /* lock */
    struct gush_rng rng;
    struct topic topics[CHANNELS];
    struct line up, down;  /* the PUB/SUB connection */
    struct packet *strays; /* acknowledgements of broken connections, in no order */
    struct command *commands;
    bool connected, stopping, pubsub_over;
    uint32_t busy;                         /* calls into the node under way */
    uint64_t generation, known_generation; /* known: the node was told, and has taken it in */
    uint64_t turn_us;                      /* when the connection breaks, or comes back */
    uint32_t breaks_left, epochs_n;
};

/* ---- Small things, lock held ----------------------------------------------------------------- */

static uint64_t below(struct model *m, uint64_t n)
{
    return gush_rng_below(&m->rng, n);
}

static uint64_t soon(struct model *m)
{
    uint64_t at = stage_now_us();

    switch (below(m, 4)) {
    case 0:
        return at;
    case 1:
        return at + below(m, 20);
    default:
        return at + below(m, m->faults.delay_us + 1);
    }
}

static void fresh_epoch(struct model *m, struct topic *t)
{
    static const char letters[] = "abcdefgh";
    uint32_t n = ++m->epochs_n;

    t->renewed_n++;
    t->epoch.n = 8;
    memset(t->epoch.s, 'M', 8);
    for (int i = 7; i > 3; i--, n /= 8)
        t->epoch.s[i] = letters[n % 8];
}

static void forget_kept(struct topic *t)
{
    for (size_t i = 0; i < t->kept_n; i++)
        gush_publication_unref(t->kept[i]);
    t->kept_n = 0;
}

static void expire(struct topic *t)
{
    if (t->kept_n && stage_now_us() >= t->expires_us)
        forget_kept(t);
}

static void append(struct line *line, struct packet *p)
{
    /* In order: nothing overtakes on one connection. */
    if (line->tail && p->due_us < line->tail->due_us)
        p->due_us = line->tail->due_us;
    p->next = NULL;
    if (line->tail)
        line->tail->next = p;
    else
        line->head = p;
    line->tail = p;
}

static struct packet *take(struct line *line)
{
    struct packet *p = line->head;

    line->head = p->next;
    if (line->head == NULL)
        line->tail = NULL;
    return p;
}

static void packet_free(struct packet *p)
{
    gush_publication_unref(p->publication);
    gush_free(p);
}

static struct packet *packet_new(struct model *m, enum packet_kind kind, uint32_t channel)
{
    struct packet *p = GUSH_NEW(struct packet);

    p->kind = kind;
    p->channel = channel;
    p->generation = m->generation;
    p->due_us = soon(m);
    p->ok = true;
    return p;
}

static uint32_t channel_of(const struct model *m, struct gush_span name)
{
    for (uint32_t i = 0; i < m->oracle->channels_n; i++)
        if (gush_span_eq(m->oracle->channels[i].name, name))
            return i;
    stage_fail("the broker is asked about channel '%.*s'", (int)name.n, (const char *)name.p);
}

static struct gush_publication *copy_of(struct model *m, uint32_t channel,
                                        const struct gush_publication *publication, uint64_t offset)
{
    struct gush_pub pub = gush_publication_view(publication, GUSH_SPAN_EMPTY);

    pub.offset = offset;
    return gush_publication_new(m->names[channel], &pub);
}

/* ---- The streams, lock held ------------------------------------------------------------------ */

static void keep(struct topic *t, struct gush_publication *p, int64_t size)
{
    while (t->kept_n && (int64_t)t->kept_n >= size) {
        gush_publication_unref(t->kept[0]);
        memmove(t->kept, t->kept + 1, --t->kept_n * sizeof(t->kept[0]));
    }
    if (t->kept_n == t->kept_cap) {
        t->kept_cap = t->kept_cap ? t->kept_cap * 2 : 8;
        t->kept = gush_realloc(t->kept, t->kept_cap * sizeof(t->kept[0]));
    }
    t->kept[t->kept_n++] = p;
}

/* Stores it, and sends it down if the node listens. */
static void apply_publish(struct model *m, uint32_t channel,
                          const struct gush_publication *publication, int64_t size, uint64_t ttl_us,
                          struct gush_epoch *epoch, uint64_t *offset)
{
    struct topic *t = &m->topics[channel];
    struct gush_pub pub = gush_publication_view(publication, GUSH_SPAN_EMPTY);
    uint32_t id = oracle_identify(m->oracle, channel, pub.data);
    bool stream = size > 0;

    *offset = 0;
    epoch->n = 0;
    if (stream) {
        expire(t);
        if (below(m, 256) < m->faults.forgets_of_256) {
            forget_kept(t);
            fresh_epoch(m, t);
            t->top = 0;
            atomic_store(&m->oracle->channels[channel].holes, true);
        }
        *offset = ++t->top;
        *epoch = t->epoch;
        keep(t, copy_of(m, channel, publication, *offset), size);
        t->expires_us = stage_now_us() + ttl_us;
    }
    oracle_applied(m->oracle, id, gush_epoch_span(epoch), *offset);
    stage_trace("broker: %u in %u at %llu", id, channel, (unsigned long long)*offset);
    if (!m->connected || !t->subscribed) {
        if (!m->connected)
            atomic_store(&m->oracle->channels[channel].holes, true);
        return;
    }
    struct packet *p = packet_new(m, MESSAGE, channel);
    p->publication = copy_of(m, channel, publication, *offset);
    p->epoch = *epoch;
    append(&m->down, p);
}

static void apply_history(struct model *m, struct command *c)
{
    struct topic *t = &m->topics[c->channel];
    size_t n = 0;

    expire(t);
    c->epoch = t->epoch;
    c->top = t->top;
    if (t->kept_n == 0 || c->limit == 0)
        return;
    c->publications = gush_zalloc(t->kept_n, sizeof(c->publications[0]));
    for (size_t i = 0; i < t->kept_n; i++) {
        struct gush_publication *p = t->kept[c->reverse ? t->kept_n - 1 - i : i];
        uint64_t offset = gush_publication_offset(p);

        if (c->since && (c->reverse ? offset >= c->offset : offset <= c->offset))
            continue;
        if (c->limit > 0 && (int64_t)n == c->limit)
            break;
        c->publications[n++] = gush_publication_ref(p);
    }
    c->publications_n = n;
}

static void apply(struct model *m, struct command *c)
{
    if (c->kind == PUBLISH && m->topics[c->channel].spoilt)
        c->lost = true;
    /* What is lost was done, or not. */
    if (c->lost && (below(m, 2) || m->topics[c->channel].spoilt))
        return;
    switch (c->kind) {
    case PUBLISH:
        apply_publish(m, c->channel, c->publication, c->size, c->ttl_us, &c->epoch, &c->top);
        break;
    case HISTORY:
        apply_history(m, c);
        break;
    case REMOVE:
        forget_kept(&m->topics[c->channel]);
        break;
    }
}

/* ---- The port: called by the engine ---------------------------------------------------------- */

static void enter_port(const char *what)
{
    if (stage_locks_held())
        stage_fail("the broker's %s is called with a lock held", what);
    stage_point(what);
}

static void port_pubsub(struct model *m, struct gush_span name, enum packet_kind kind)
{
    stage_lock(&m->lock);
    uint32_t channel = channel_of(m, name);

    stage_trace("broker: %s %u asked%s", kind == SUBSCRIBE ? "subscribe" : "unsubscribe", channel,
                m->connected ? "" : " in vain");
    if (m->connected)
        append(&m->up, packet_new(m, kind, channel));
    stage_unlock(&m->lock);
    stage_raise(&m->pubsub_signal);
}

static void port_subscribe(void *broker, struct gush_span channel)
{
    enter_port("subscribe");
    port_pubsub(broker, channel, SUBSCRIBE);
}

static void port_unsubscribe(void *broker, struct gush_span channel)
{
    struct model *m = broker;

    enter_port("unsubscribe");
    m->leaving(m->leaving_arg);
    port_pubsub(m, channel, UNSUBSCRIBE);
}

/* Lock held. */
static struct command *command_new(struct model *m, enum command_kind kind, struct gush_span name,
                                   struct gush_broker_request *request)
{
    struct command *c = GUSH_NEW(struct command);

    c->kind = kind;
    c->channel = channel_of(m, name);
    c->request = request;
    c->generation = m->topics[c->channel].acked;
    c->due_us = soon(m);
    c->lost = below(m, 256) < m->faults.lost_of_256;
    return c;
}

static void send_command(struct model *m, struct command *c)
{
    c->next = m->commands;
    m->commands = c;
    stage_unlock(&m->lock);
    stage_raise(&m->command_signal);
}

static void port_publish(void *broker, const struct gush_broker_publish *publish,
                         struct gush_broker_request *request)
{
    struct model *m = broker;

    enter_port("publish");
    stage_lock(&m->lock);
    struct command *c = command_new(m, PUBLISH, publish->channel, request);
    c->publication = gush_publication_ref(publish->publication);
    c->size = publish->history_ttl_s > 0 ? publish->history_size : 0;
    c->ttl_us = (uint64_t)publish->history_ttl_s * 1000000;
    send_command(m, c);
}

static void port_history(void *broker, struct gush_span channel, bool since, uint64_t offset,
                         bool reverse, int64_t limit, int64_t meta_ttl_s,
                         struct gush_broker_request *request)
{
    struct model *m = broker;

    (void)meta_ttl_s;
    enter_port("history");
    stage_lock(&m->lock);
    struct command *c = command_new(m, HISTORY, channel, request);
    stage_trace("broker: history of %u asked, %s%llu, limit %lld", c->channel,
                since ? "since " : "", (unsigned long long)offset, (long long)limit);
    c->since = since;
    c->offset = offset;
    c->reverse = reverse;
    c->limit = limit;
    send_command(m, c);
}

static void port_history_remove(void *broker, struct gush_span channel,
                                struct gush_broker_request *request)
{
    struct model *m = broker;

    enter_port("history_remove");
    stage_lock(&m->lock);
    send_command(m, command_new(m, REMOVE, channel, request));
}

/* ---- The PUB/SUB connection ------------------------------------------------------------------ */

static void spoil_streams(struct model *m)
{
    for (uint32_t i = 0; i < m->oracle->channels_n; i++) {
        struct topic *t = &m->topics[i];

        if (m->faults.new_epochs && below(m, 2)) {
            forget_kept(t);
            fresh_epoch(m, t);
            t->top = 0;
        } else if (m->faults.rewinds && t->kept_n && below(m, 2)) {
            uint64_t lost = 1 + below(m, t->kept_n);

            for (uint64_t k = 0; k < lost; k++)
                gush_publication_unref(t->kept[--t->kept_n]);
            t->top -= lost;
            t->spoilt = true;
            stage_trace("broker: %u rewound to %llu", i, (unsigned long long)t->top);
        }
    }
}

static void break_connection(struct model *m)
{
    stage_trace("broker: connection %llu breaks", (unsigned long long)m->generation);
    m->connected = false;
    m->breaks_left--;
    m->turn_us = stage_now_us() + below(m, m->faults.delay_us * 4 + 1);
    while (m->up.head)
        packet_free(take(&m->up));
    while (m->down.head) {
        struct packet *p = take(&m->down);

        if (p->kind == MESSAGE)
            atomic_store(&m->oracle->channels[p->channel].holes, true);
        if (p->kind != ACK || below(m, 2)) {
            packet_free(p);
            continue;
        }
        p->due_us = stage_now_us() + below(m, m->faults.delay_us * 8 + 1);
        p->next = m->strays;
        m->strays = p;
    }
    for (uint32_t i = 0; i < m->oracle->channels_n; i++) {
        m->topics[i].subscribed = false;
        oracle_broken(m->oracle, i);
    }
    spoil_streams(m);
}

static void plan_break(struct model *m)
{
    m->turn_us =
        m->breaks_left ? stage_now_us() + below(m, m->faults.delay_us * 20 + 1) : STAGE_NEVER;
}

/* Lock held; released around each call into the node. */
static void call_node(struct model *m)
{
    m->busy++;
    stage_unlock(&m->lock);
}

static void called_node(struct model *m)
{
    stage_lock(&m->lock);
    m->busy--;
}

static void turn_connection(struct model *m)
{
    if (m->connected) {
        break_connection(m);
        call_node(m);
        gush_broker_on_disconnected(m->node);
        called_node(m);
        return;
    }
    m->connected = true;
    uint64_t generation = ++m->generation;
    plan_break(m);
    stage_trace("broker: connection %llu", (unsigned long long)generation);
    call_node(m);
    gush_broker_on_connected(m->node, generation);
    called_node(m);
    m->known_generation = generation;
}

/* The broker's side of subscribe and unsubscribe. */
static void receive(struct model *m, struct packet *p)
{
    struct topic *t = &m->topics[p->channel];

    if (p->kind == SUBSCRIBE) {
        struct packet *ack = packet_new(m, ACK, p->channel);

        ack->generation = p->generation;
        ack->ok = t->subscribed || below(m, 256) >= m->faults.lost_of_256 / 2;
        t->subscribed = ack->ok;
        append(&m->down, ack);
    } else {
        t->subscribed = false;
    }
    stage_trace("broker: %u is %s", p->channel, t->subscribed ? "subscribed" : "not subscribed");
    packet_free(p);
}

static void deliver(struct model *m, struct packet *p)
{
    struct gush_span name = m->oracle->channels[p->channel].name;

    if (p->kind == ACK && p->ok) {
        if (p->generation > m->topics[p->channel].acked)
            m->topics[p->channel].acked = p->generation;
        if (p->generation == m->generation)
            oracle_whole(m->oracle, p->channel);
    }
    call_node(m);
    if (p->kind == ACK) {
        stage_trace("broker: ack of %u, generation %llu, ok %d", p->channel,
                    (unsigned long long)p->generation, p->ok);
        gush_broker_on_subscribed(m->node, name, p->generation, p->ok);
    } else {
        stage_trace("broker: %u delivers offset %llu", p->channel,
                    (unsigned long long)gush_publication_offset(p->publication));
        gush_broker_on_publication(m->node, name, p->publication, gush_epoch_span(&p->epoch));
    }
    called_node(m);
    packet_free(p);
}

static struct packet *take_stray(struct model *m, uint64_t now_us, uint64_t *next_us)
{
    for (struct packet **at = &m->strays; *at; at = &(*at)->next) {
        struct packet *p = *at;

        if (p->due_us <= now_us) {
            *at = p->next;
            return p;
        }
        if (p->due_us < *next_us)
            *next_us = p->due_us;
    }
    return NULL;
}

/* One thing that is due; when the next one is, if none was. */
static uint64_t pubsub_step(struct model *m)
{
    uint64_t now_us = stage_now_us(), next_us = m->turn_us;
    struct packet *stray = take_stray(m, now_us, &next_us);

    if (stray) {
        deliver(m, stray);
        return 0;
    }
    if (m->turn_us <= now_us) {
        turn_connection(m);
        return 0;
    }
    if (m->up.head && m->up.head->due_us <= now_us) {
        receive(m, take(&m->up));
        return 0;
    }
    if (m->down.head && m->down.head->due_us <= now_us) {
        deliver(m, take(&m->down));
        return 0;
    }
    if (m->up.head && m->up.head->due_us < next_us)
        next_us = m->up.head->due_us;
    if (m->down.head && m->down.head->due_us < next_us)
        next_us = m->down.head->due_us;
    return next_us;
}

static void pubsub_run(void *arg)
{
    struct model *m = arg;

    stage_lock(&m->lock);
    while (!m->stopping) {
        uint64_t next_us = pubsub_step(m);

        stage_unlock(&m->lock);
        if (next_us)
            (void)stage_wait(&m->pubsub_signal, next_us);
        else
            stage_point("pubsub");
        stage_lock(&m->lock);
    }
    m->pubsub_over = true;
    stage_unlock(&m->lock);
    stage_raise(&m->command_signal);
}

/* ---- The command connection ------------------------------------------------------------------ */

static void answer(struct model *m, struct command *c)
{
    bool ok = !c->lost;

    /* Of an older connection, or asked before SUBSCRIBE had taken effect: whoever waits for it must
     * be made to ask again. */
    if (c->kind == HISTORY && ok && c->generation >= m->known_generation)
        oracle_read(m->oracle, c->channel, gush_epoch_span(&c->epoch), c->top, c->since, c->offset);
    call_node(m);
    if (c->kind == HISTORY)
        gush_broker_on_history(
            m->node, c->request,
            &(struct gush_broker_history){.ok = ok,
                                          .publications = c->publications,
                                          .publications_n = ok ? c->publications_n : 0,
                                          .offset = c->top,
                                          .epoch = gush_epoch_span(&c->epoch)});
    else
        gush_broker_on_published(m->node, c->request, ok, c->kind == PUBLISH ? c->top : 0,
                                 gush_epoch_span(&c->epoch));
    called_node(m);
    for (size_t i = 0; i < c->publications_n; i++)
        gush_publication_unref(c->publications[i]);
    gush_free(c->publications);
    gush_publication_unref(c->publication);
    gush_free(c);
}

static struct command *take_command(struct model *m, uint64_t *next_us)
{
    uint64_t now_us = stage_now_us();
    struct command **best = NULL;

    *next_us = STAGE_NEVER;
    for (struct command **at = &m->commands; *at; at = &(*at)->next) {
        if ((*at)->due_us < *next_us)
            *next_us = (*at)->due_us;
        if (((*at)->due_us <= now_us || m->stopping) && (best == NULL || below(m, 2)))
            best = at;
    }
    if (best == NULL)
        return NULL;
    struct command *c = *best;
    *best = c->next;
    return c;
}

static uint64_t command_step(struct model *m)
{
    uint64_t next_us;
    struct command *c = take_command(m, &next_us);

    if (c == NULL)
        return next_us;
    if (!c->applied && !m->stopping) {
        c->applied = true;
        apply(m, c);
        c->due_us = soon(m);
        if (c->lost || below(m, 256) < m->faults.slow_of_256)
            c->due_us += below(m, m->faults.slow_us);
        c->next = m->commands;
        m->commands = c;
        return 0;
    }
    c->lost |= m->stopping;
    answer(m, c);
    return 0;
}

static void command_run(void *arg)
{
    struct model *m = arg;

    stage_lock(&m->lock);
    for (;;) {
        uint64_t next_us = command_step(m);
        /* The other connection may still ask, until it is over. */
        bool over = m->pubsub_over && m->commands == NULL;

        stage_unlock(&m->lock);
        if (over)
            return;
        if (next_us)
            (void)stage_wait(&m->command_signal, next_us);
        else
            stage_raise(&m->pubsub_signal); /* it may have published */
        stage_lock(&m->lock);
    }
}

/* ---- For the play ---------------------------------------------------------------------------- */

struct model *model_new(struct oracle *oracle, const struct model_faults *faults, uint64_t seed,
                        void (*leaving)(void *arg), void *arg)
{
    struct model *m = GUSH_NEW(struct model);

    m->broker = (struct gush_broker){.name = "model",
                                     .subscribe = port_subscribe,
                                     .unsubscribe = port_unsubscribe,
                                     .publish = port_publish,
                                     .history = port_history,
                                     .history_remove = port_history_remove,
                                     .broker = m};
    m->leaving = leaving;
    m->leaving_arg = arg;
    m->oracle = oracle;
    m->faults = *faults;
    m->breaks_left = faults->breaks_n;
    gush_rng_seed(&m->rng, seed);
    stage_lock_init(&m->lock);
    stage_signal_init(&m->pubsub_signal);
    stage_signal_init(&m->command_signal);
    for (uint32_t i = 0; i < oracle->channels_n; i++) {
        m->names[i] = gush_bytes_copy(oracle->channels[i].name);
        fresh_epoch(m, &m->topics[i]);
    }
    return m;
}

const struct gush_broker *model_broker(const struct model *m)
{
    return &m->broker;
}

void model_start(struct model *m, struct gush_node *node)
{
    m->node = node;
    m->turn_us = stage_now_us() + below(m, 2) * below(m, m->faults.delay_us + 1);
    stage_spawn("pubsub", pubsub_run, m);
    stage_spawn("command", command_run, m);
}

void model_publish_elsewhere(struct model *m, uint32_t channel, uint32_t publisher)
{
    const struct oracle_channel *ch = &m->oracle->channels[channel];
    uint8_t data[ORACLE_DATA_MAX];
    struct gush_epoch epoch;
    struct gush_span payload;
    uint64_t offset;

    stage_lock(&m->lock);
    if (!m->topics[channel].spoilt) {
        uint32_t id = oracle_begin(m->oracle, channel, publisher, data, &payload);
        struct gush_pub pub = {.data = payload};
        struct gush_publication *p = gush_publication_new(m->names[channel], &pub);

        apply_publish(m, channel, p, ch->stream ? ch->size : 0, ch->ttl_us, &epoch, &offset);
        oracle_end(m->oracle, id, ORACLE_ACCEPTED, gush_epoch_span(&epoch), offset);
        gush_publication_unref(p);
    }
    stage_unlock(&m->lock);
    stage_raise(&m->pubsub_signal);
}

bool model_spoilt(struct model *m, uint32_t channel)
{
    stage_lock(&m->lock);
    bool spoilt = m->topics[channel].spoilt;
    stage_unlock(&m->lock);
    return spoilt;
}

bool model_is_at(struct model *m, uint32_t channel, uint64_t offset)
{
    stage_lock(&m->lock);
    const struct topic *t = &m->topics[channel];
    /* Around a change of epoch, publications of both are on their way. */
    bool at = t->renewed_n == 1 && t->top == offset && !t->spoilt;
    stage_unlock(&m->lock);
    return at;
}

void model_calm(struct model *m)
{
    stage_lock(&m->lock);
    m->breaks_left = 0;
    m->faults.slow_of_256 = m->faults.lost_of_256 = m->faults.forgets_of_256 = 0;
    if (m->connected)
        m->turn_us = STAGE_NEVER;
    stage_unlock(&m->lock);
    stage_raise(&m->pubsub_signal);
}

bool model_quiet(struct model *m)
{
    stage_lock(&m->lock);
    bool quiet = m->connected && m->up.head == NULL && m->down.head == NULL && m->strays == NULL &&
                 m->commands == NULL && m->busy == 0;
    stage_unlock(&m->lock);
    return quiet;
}

bool model_listens(const struct model *m, uint32_t channel)
{
    return m->connected && m->topics[channel].subscribed;
}

void model_tell(struct model *m)
{
    stage_lock(&m->lock);
    for (uint32_t i = 0; i < m->oracle->channels_n; i++)
        if (m->oracle->channels[i].stream)
            oracle_current(m->oracle, i, gush_epoch_span(&m->topics[i].epoch), m->topics[i].top);
    stage_unlock(&m->lock);
}

void model_stop(struct model *m)
{
    stage_lock(&m->lock);
    m->stopping = true;
    stage_unlock(&m->lock);
    stage_raise(&m->pubsub_signal);
    stage_raise(&m->command_signal);
}

void model_free(struct model *m)
{
    while (m->up.head)
        packet_free(take(&m->up));
    while (m->down.head)
        packet_free(take(&m->down));
    while (m->strays) {
        struct packet *p = m->strays;
        m->strays = p->next;
        packet_free(p);
    }
    for (uint32_t i = 0; i < CHANNELS; i++) {
        forget_kept(&m->topics[i]);
        gush_free(m->topics[i].kept);
        gush_bytes_unref(m->names[i]);
    }
    stage_signal_fini(&m->pubsub_signal);
    stage_signal_fini(&m->command_signal);
    stage_lock_fini(&m->lock);
    gush_free(m);
}
