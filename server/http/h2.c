#include "server/http/h2.h"

#include <string.h>

#include "server/base/mem.h"

#include "server/http/h2_priv.h"

#define WINDOW_BYTES (1 << 20) /* of a connection: it never waits, only streams do */
#define LINGER_MS    2000      /* for a client to stop a body that nobody wants */
#define DRAIN_MS     1000      /* for the answer to a ping behind the first GOAWAY */
#define ACKS_MAX     200       /* that wait for a peer who does not read */
#define STUCK_PARTS  6         /* response_ms, until a peer who takes nothing goes in any case */
#define SETTINGS_MAX 32        /* in one frame of the peer */

static const uint8_t drain_ping[8] = {'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'};

struct gush_lane *gush__h2_lane(const struct gush__h2_session *p)
{
    return gush_loop_lane(p->h2->loop);
}

static uint64_t now_of(const struct gush__h2_session *p)
{
    return gush_lane_now_ms(gush__h2_lane(p));
}

void gush__h2_touch(struct gush__h2_session *p)
{
    gush_lane_last(gush__h2_lane(p), &p->flush);
}

/* ---- streams -------------------------------------------------------------------------------- */

struct gush__h2_stream *gush__h2_stream_new(struct gush__h2_session *p, int32_t id)
{
    struct gush__h2_stream *s = GUSH_NEW(struct gush__h2_stream);

    s->magic = gush__h2_stream_MAGIC;
    s->id = id;
    s->session = p;
    s->exchange.magic = gush_exchange_MAGIC;
    s->exchange.framing = GUSH_EXCHANGE_RAW;
    s->exchange.ops = &gush__h2_ops;
    s->next = p->streams;
    s->pprev = &p->streams;
    if (p->streams)
        p->streams->pprev = &s->next;
    p->streams = s;
    p->streams_n++;
    p->served = true;
    return s;
}

static void stream_free(struct gush__h2_stream *s)
{
    struct gush__h2_session *p = s->session;

    *s->pprev = s->next;
    if (s->next)
        s->next->pprev = s->pprev;
    if (--p->streams_n == 0)
        p->idle_ms = now_of(p);
    gush__h2_disown(s);
    gush_bytes_unref(s->tail);
    s->magic = s->exchange.magic = GUSH_MAGIC_DEAD;
    gush_free(s);
}

void gush__h2_stage(struct gush__h2_stream *s, enum gush__h2_stage stage)
{
    struct gush__h2_session *p = s->session;

    p->collecting_n -= s->stage == H2_BODY;
    p->ending_n -= s->stage == H2_ENDING;
    p->lingering_n -= s->stage == H2_LINGERING;
    p->held_n -= s->stage == H2_HELD;
    s->stage = (uint8_t)stage;
    p->collecting_n += stage == H2_BODY;
    p->ending_n += stage == H2_ENDING;
    p->lingering_n += stage == H2_LINGERING;
    p->held_n += stage == H2_HELD;
    s->since_ms = (uint32_t)now_of(p);
}

void gush__h2_own(struct gush__h2_stream *s, struct gush_span bytes)
{
    GUSH_ASSERT(s->own == NULL);
    s->own = gush_bytes_copy(bytes);
    s->session->answers_n += bytes.n;
    s->session->answers_count++;
}

void gush__h2_disown(struct gush__h2_stream *s)
{
    if (s->own == NULL)
        return;
    s->session->answers_n -= s->own->n;
    s->session->answers_count--;
    gush_bytes_unref(s->own);
    s->own = NULL;
}

void gush__h2_due(struct gush__h2_stream *s)
{
    if (s->due)
        return;
    s->due = true;
    s->due_next = s->session->due;
    s->session->due = s;
}

static void tell_closed(struct gush__h2_stream *s)
{
    const struct gush_exchange_events *events = s->exchange.events;

    if (s->told)
        return;
    s->told = true;
    s->exchange.events = NULL;
    if (s->in) {
        gush__h2_drop_in(s);
    }
    gush_access_log_end(s->entry, s->status, s->body_n);
    if (events && events->on_closed)
        events->on_closed(s->exchange.user);
}

static void settle_stream(struct gush__h2_stream *s)
{
    if (s->own && (s->own_at == s->own->n || s->stage == H2_GONE))
        gush__h2_disown(s);
    if (s->sent) {
        s->sent = s->sending = false;
        if (s->stage == H2_STREAMING && s->exchange.events->on_sent)
            s->exchange.events->on_sent(s->exchange.user);
        if (s->session->eof && s->stage == H2_STREAMING && !s->sending)
            gush__h2_break(s, NGHTTP2_CANCEL); /* it began behind the end, see on_eof */
    }
    if (s->stage == H2_GONE || s->stage == H2_LINGERING)
        tell_closed(s);
    if (s->closed && !s->due)
        stream_free(s);
}

void gush__h2_settle(struct gush__h2_session *p)
{
    while (p->due) {
        struct gush__h2_stream *s = p->due;

        p->due = s->due_next;
        s->due = false;
        settle_stream(s);
        if (p->held_n)
            gush__h2_release(p);
    }
    if (p->bodies_wait && !p->deaf)
        gush__h2_credit_bodies(p);
}

/* All streams are over. */
static void end_streams(struct gush__h2_session *p)
{
    for (struct gush__h2_stream *s = p->streams; s; s = s->next) {
        gush__h2_stage(s, H2_GONE);
        gush__h2_due(s);
    }
    gush__h2_settle(p);
}

/* ---- the end of a connection ---------------------------------------------------------------- */

static void session_free(struct gush__h2_session *p)
{
    *p->pprev = p->next;
    if (p->next)
        p->next->pprev = p->pprev;
    p->h2->sessions_n--;
    gush_bytes_unref(p->rest);
    p->magic = GUSH_MAGIC_DEAD;
    gush_free(p);
}

void gush__h2_part(struct gush__h2_session *p, uint32_t code)
{
    p->deaf = true;
    int rv = nghttp2_session_terminate_session(p->ng, code);
    GUSH_ASSERT(rv == 0);
    gush__h2_touch(p);
}

static bool is_over(const struct gush__h2_session *p)
{
    if (p->rest || nghttp2_session_want_write(p->ng))
        return false;
    return !nghttp2_session_want_read(p->ng) || (p->eof && p->streams_n == 0);
}

/* A peer that sends no more will not open its windows either. */
static void give_up_blocked(struct gush__h2_session *p)
{
    if (p->rest || p->ending_n + p->lingering_n == 0)
        return;
    for (struct gush__h2_stream *s = p->streams; s; s = s->next) {
        if (s->stage == H2_ENDING || s->stage == H2_LINGERING)
            gush__h2_break(s, NGHTTP2_CANCEL);
    }
}

static bool flush(struct gush_lane *lane, struct gush_work *work)
{
    struct gush__h2_session *p = GUSH_CONTAINER(work, struct gush__h2_session, flush);

    (void)lane;
    GUSH_ASSERT(p->magic == gush__h2_session_MAGIC);
    if (p->conn == NULL) {
        session_free(p);
        return true;
    }
    if (p->deaf)
        end_streams(p);
    gush__h2_settle(p);
    if (gush_conn_closing(p->conn))
        return true;
    bool done = gush__h2_flush(p);
    if (p->eof && done && !p->flush.queued) /* else something was said meanwhile */
        give_up_blocked(p);
    if (is_over(p)) {
        end_streams(p);
        gush_conn_close(p->conn, GUSH_CONN_END_GRACEFUL);
    } else {
        gush__h2_watch_time(p);
    }
    return done;
}

/* ---- time ----------------------------------------------------------------------------------- */

static void sooner(uint64_t *due_ms, uint64_t ms)
{
    if (*due_ms == 0 || ms < *due_ms)
        *due_ms = ms;
}

void gush__h2_watch_time(struct gush__h2_session *p)
{
    const struct gush_http_limits *limits = &p->h2->options.limits;
    uint64_t now_ms = now_of(p), due_ms = 0;

    if (p->streams_n == 0)
        sooner(&due_ms, p->idle_ms + (p->served ? limits->idle_ms : limits->head_ms));
    if (p->head)
        sooner(&due_ms, p->head_ms + limits->head_ms);
    if (p->collecting_n)
        sooner(&due_ms, now_ms + limits->body_ms);
    if (p->ending_n || p->rest)
        sooner(&due_ms, now_ms + limits->response_ms);
    if (p->lingering_n)
        sooner(&due_ms, now_ms + LINGER_MS);
    if (p->drained && !p->parting)
        sooner(&due_ms, now_ms + DRAIN_MS);
    if (due_ms == 0 || (p->timer_ms && p->timer_ms <= due_ms))
        return;
    p->timer_ms = due_ms;
    gush_conn_timer_set(p->conn, due_ms > now_ms ? due_ms - now_ms : 0);
}

/* Deadlines of |s|. */
static void judge_stream(struct gush__h2_stream *s, uint32_t now_ms, uint64_t *wait_ms)
{
    const struct gush_http_limits *limits = &s->session->h2->options.limits;
    uint32_t limit_ms = s->stage == H2_BODY     ? limits->body_ms
                        : s->stage == H2_ENDING ? limits->response_ms
                                                : LINGER_MS;
    uint32_t passed_ms = now_ms - s->since_ms;

    if (s->stage != H2_BODY && s->stage != H2_ENDING && s->stage != H2_LINGERING)
        return;
    if (passed_ms < limit_ms)
        sooner(wait_ms, limit_ms - passed_ms);
    else if (s->stage == H2_BODY)
        gush__h2_give_up_body(s);
    else
        gush__h2_break(s, s->stage == H2_ENDING ? NGHTTP2_CANCEL : NGHTTP2_NO_ERROR);
}

/* The socket takes nothing. What waits behind it for the engine's streams is the engine's to judge,
 * but not all streams are the engine's, and answers to a peer who does not read must not pile up.
 */
static bool is_stuck(const struct gush__h2_session *p)
{
    uint64_t passed_ms = now_of(p) - p->stuck_ms, limit_ms = p->h2->options.limits.response_ms;

    if (p->rest == NULL || passed_ms < limit_ms)
        return false;
    if (passed_ms >= limit_ms * STUCK_PARTS)
        return true;
    for (const struct gush__h2_stream *s = p->streams; s; s = s->next) {
        if (s->stage == H2_STREAMING)
            return false;
    }
    return true;
}

static void part_finally(struct gush__h2_session *p)
{
    if (p->parting)
        return;
    p->parting = true;
    int rv = nghttp2_submit_goaway(p->ng, NGHTTP2_FLAG_NONE,
                                   nghttp2_session_get_last_proc_stream_id(p->ng), NGHTTP2_NO_ERROR,
                                   NULL, 0);
    GUSH_ASSERT(rv == 0);
    gush__h2_touch(p);
}

static void on_timer(void *owner)
{
    struct gush__h2_session *p = GUSH_CAST(gush__h2_session, owner);
    const struct gush_http_limits *limits = &p->h2->options.limits;
    uint64_t now_ms = now_of(p), wait_ms = 0;

    p->timer_ms = 0;
    if (is_stuck(p)) {
        gush_conn_close(p->conn, GUSH_CONN_END_ABORT);
        return;
    }
    if (p->drained)
        part_finally(p);
    if (p->head && now_ms - p->head_ms >= limits->head_ms)
        gush__h2_part(p, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (p->streams_n == 0 &&
             now_ms - p->idle_ms >= (p->served ? limits->idle_ms : limits->head_ms))
        gush__h2_part(p, NGHTTP2_NO_ERROR);
    for (struct gush__h2_stream *s = p->streams; s; s = s->next)
        judge_stream(s, (uint32_t)now_ms, &wait_ms);
    if (wait_ms) {
        p->timer_ms = now_ms + wait_ms;
        gush_conn_timer_set(p->conn, wait_ms);
    }
    gush__h2_touch(p);
}

/* ---- the connection's other events ---------------------------------------------------------- */

static void on_bytes(void *owner, const uint8_t *bytes, size_t n)
{
    gush__h2_read(GUSH_CAST(gush__h2_session, owner), gush_span_of(bytes, n));
}

/* Answers may still be wanted, but no endless ones. */
static void on_eof(void *owner)
{
    struct gush__h2_session *p = GUSH_CAST(gush__h2_session, owner);

    p->eof = true;
    for (struct gush__h2_stream *s = p->streams; s; s = s->next) {
        if (!s->body_over || s->stage == H2_STREAMING)
            gush__h2_break(s, NGHTTP2_CANCEL);
    }
    gush__h2_touch(p);
}

static void on_writable(void *owner)
{
    gush__h2_flush_rest(GUSH_CAST(gush__h2_session, owner));
}

static void on_closed(void *owner)
{
    struct gush__h2_session *p = GUSH_CAST(gush__h2_session, owner);

    for (struct gush__h2_stream *s = p->streams; s; s = s->next)
        s->closed = true;
    end_streams(p);
    gush__h2_drop_request(p->h2, p->head);
    nghttp2_session_del(p->ng);
    p->conn = NULL;
    if (!p->flush.queued)
        session_free(p);
}

static const struct gush_conn_ops h2_conn_ops = {.on_bytes = on_bytes,
                                                 .on_eof = on_eof,
                                                 .on_writable = on_writable,
                                                 .on_timer = on_timer,
                                                 .on_closed = on_closed};

/* ---- draining ------------------------------------------------------------------------------- */

/* The client is told, and what it sent before it heard of it is served. */
static void drain(struct gush__h2_session *p)
{
    if (p->drained || p->deaf)
        return;
    p->drained = true;
    int rv = nghttp2_submit_shutdown_notice(p->ng);
    GUSH_ASSERT(rv == 0);
    rv = nghttp2_submit_ping(p->ng, NGHTTP2_FLAG_NONE, drain_ping);
    GUSH_ASSERT(rv == 0);
    gush__h2_touch(p);
}

void gush__h2_on_pong(struct gush__h2_session *p, const uint8_t data[8])
{
    if (p->drained && memcmp(data, drain_ping, sizeof(drain_ping)) == 0)
        part_finally(p);
}

void gush_h2_drain(struct gush_h2 *h2)
{
    h2->draining = true;
    for (struct gush__h2_session *p = h2->sessions; p; p = p->next) {
        if (p->conn)
            drain(p);
    }
}

/* ---- outside -------------------------------------------------------------------------------- */

static void introduce(struct gush__h2_session *p)
{
    const struct gush_http_limits *limits = &p->h2->options.limits;
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)GUSH__H2_WINDOW_FIRST},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->head_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
    int rv = nghttp2_submit_settings(p->ng, NGHTTP2_FLAG_NONE, entries,
                                     sizeof(entries) / sizeof(entries[0]));

    GUSH_ASSERT(rv == 0);
    rv = nghttp2_session_set_local_window_size(p->ng, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES);
    GUSH_ASSERT(rv == 0);
    if (p->h2->draining)
        drain(p);
}

void gush_h2_adopt(struct gush_h2 *h2, struct gush_conn *conn, struct gush_span first)
{
    struct gush__h2_session *p = GUSH_NEW(struct gush__h2_session);

    p->magic = gush__h2_session_MAGIC;
    p->h2 = h2;
    p->conn = conn;
    p->flush.run = flush;
    p->next = h2->sessions;
    p->pprev = &h2->sessions;
    if (h2->sessions)
        h2->sessions->pprev = &p->next;
    h2->sessions = p;
    h2->sessions_n++;
    p->idle_ms = now_of(p);
    gush_h2_toll_init(&p->toll, p->idle_ms);
    gush_h2_frames_init(&p->frames);
    p->ng = gush__h2_mem_session(h2->mem, h2->callbacks, h2->option, p);
    gush_conn_hand_over(conn, &h2_conn_ops, p);
    gush_conn_timer_clear(conn);
    introduce(p);
    gush__h2_touch(p);
    if (first.n)
        gush__h2_read(p, first);
}

struct gush_h2 *gush_h2_new(struct gush_loop *loop, const struct gush_h2_options *options)
{
    struct gush_h2 *h2 = GUSH_NEW(struct gush_h2);

    GUSH_ASSERT(options->router != NULL && options->wall_ms != NULL);
    h2->magic = gush_h2_MAGIC;
    h2->loop = loop;
    h2->options = *options;
    h2->date_s = -1;
    h2->mem = gush__h2_mem_new();
    h2->scratch = gush_alloc(GUSH__H2_SCRATCH_BYTES);
    int rv = nghttp2_session_callbacks_new(&h2->callbacks);
    GUSH_ASSERT(rv == 0);
    gush__h2_read_callbacks(h2->callbacks);
    gush__h2_write_callbacks(h2->callbacks);
    rv = nghttp2_option_new(&h2->option);
    GUSH_ASSERT(rv == 0);
    nghttp2_option_set_no_auto_window_update(h2->option, 1);
    nghttp2_option_set_no_closed_streams(h2->option, 1);
    nghttp2_option_set_max_deflate_dynamic_table_size(h2->option, 0);
    nghttp2_option_set_max_outbound_ack(h2->option, ACKS_MAX);
    nghttp2_option_set_max_settings(h2->option, SETTINGS_MAX);
    return h2;
}

void gush_h2_free(struct gush_h2 *h2)
{
    if (h2 == NULL)
        return;
    GUSH_ASSERT(h2->sessions_n == 0);
    gush__h2_mem_free(h2->mem);
    nghttp2_session_callbacks_del(h2->callbacks);
    nghttp2_option_del(h2->option);
    gush__h2_free_spare(h2);
    gush_free(h2->fields);
    gush_free(h2->scratch);
    h2->magic = GUSH_MAGIC_DEAD;
    gush_free(h2);
}

size_t gush_h2_under_way(const struct gush_h2 *h2)
{
    size_t n = 0;

    for (const struct gush__h2_session *p = h2->sessions; p; p = p->next)
        n += p->conn != NULL && !gush_conn_closing(p->conn);
    return n;
}

size_t gush_h2_connections(const struct gush_h2 *h2)
{
    return h2->sessions_n;
}
