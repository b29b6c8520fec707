/* harness: requests without HTTP: a router, a real engine, and exchanges that write down how they
 * were answered.
 *
 * Thread    one */
#ifndef GUSH_TEST_API_HTTP_HARNESS_H
#define GUSH_TEST_API_HTTP_HARNESS_H

#include "server/base/buf.h"

#include "server/http/dispatch.h"
#include "server/http/exchange.h"
#include "server/http/router.h"

#include "api/http/http.h"
#include "tests/unit/api_core/fixture.h"

#define POST_FIELDS_MAX 4

struct harness {
    struct fixture *f;
    struct gush_api_http *api;
    struct gush_router *router;
};

/* One request and its answer. */
struct post {
    struct gush_exchange exchange;
    struct harness *h;
    struct gush_http_field fields[POST_FIELDS_MAX];
    size_t fields_n;
    unsigned status; /* 0: no answer yet */
    unsigned answers_n;
    bool compress;
    char type[100]; /* every field of the answer: "name: value" and a LF */
    char *body;
};

static void post_respond(struct gush_exchange *s, const struct gush_http_response *r)
{
    struct post *p = GUSH_CONTAINER(s, struct post, exchange);
    size_t n = 0;

    p->answers_n++;
    p->status = r->status;
    p->compress = r->compress;
    for (size_t i = 0; i < r->fields_n; i++)
        n += (size_t)snprintf(p->type + n, sizeof(p->type) - n, "%.*s: %.*s\n",
                              (int)r->fields[i].name.n, (const char *)r->fields[i].name.p,
                              (int)r->fields[i].value.n, (const char *)r->fields[i].value.p);
    p->body = gush_strndup((const char *)r->body.p, r->body.n);
}

static struct gush_lane *post_lane(struct gush_exchange *s)
{
    return &GUSH_CONTAINER(s, struct post, exchange)->h->f->lane;
}

static const struct gush_exchange_ops post_ops = {.respond = post_respond, .lane = post_lane};

static inline struct harness *harness_with(struct fixture *f)
{
    struct harness *h = GUSH_NEW(struct harness);
    struct gush_lane *lanes[] = {&f->lane};

    h->f = f;
    h->router = gush_router_new();
    h->api = gush_api_http_new(f->node, lanes, 1);
    assert_int_equal(gush_api_http_routes(h->api, h->router), GUSH_OK);
    return h;
}

static inline struct harness *harness_new(void)
{
    return harness_with(fixture_new());
}

static inline void harness_free(struct harness *h)
{
    assert_int_equal(gush_api_http_under_way(h->api), 0);
    gush_api_http_free(h->api);
    gush_router_free(h->router);
    fixture_free(h->f);
    gush_free(h);
}

static inline struct post *post_new(struct harness *h)
{
    struct post *p = GUSH_NEW(struct post);

    p->exchange.magic = gush_exchange_MAGIC;
    p->exchange.ops = &post_ops;
    p->h = h;
    return p;
}

static inline void post_field(struct post *p, const char *name, const char *value)
{
    assert_true(p->fields_n < POST_FIELDS_MAX);
    p->fields[p->fields_n++] = (struct gush_http_field){gush_span_str(name), gush_span_str(value)};
}

/* The client's end, answered or not. */
static inline void post_free(struct post *p)
{
    const struct gush_exchange_events *events = p->exchange.events;

    p->exchange.events = NULL;
    if (events)
        events->on_closed(p->exchange.user);
    assert_true(p->answers_n <= 1);
    gush_free(p->body);
    gush_free(p);
}

/* Sends it; the body is gone when the handler has returned. */
static inline void post_send(struct post *p, const char *path, struct gush_span body)
{
    struct gush_http_request request = {.method = GUSH_SPAN_LIT("POST"),
                                        .path = gush_span_str(path),
                                        .fields = p->fields,
                                        .fields_n = p->fields_n,
                                        .version = GUSH_HTTP_1_1};
    uint8_t *copy = gush_alloc(body.n);
    struct gush_dispatch d;

    gush_dispatch_head(p->h->router, &request, body.n, &d);
    if (d.refused) {
        gush_exchange_respond(&p->exchange, &d.response);
        gush_free(copy);
        return;
    }
    assert_int_equal(d.route->methods, GUSH_ROUTER_POST);
    if (body.n > 0)
        memcpy(copy, body.p, body.n);
    d.route->handle(d.route->arg, &p->exchange, &request, gush_span_of(copy, body.n));
    gush_free(copy);
}

static inline struct post *post_begin(struct harness *h, const char *path, const char *body)
{
    struct post *p = post_new(h);

    post_field(p, "X-API-Key", "k3y");
    post_send(p, path, gush_span_str(body));
    return p;
}

static inline void post_wait(struct post *p)
{
    for (unsigned i = 0; p->status == 0 && i < 100000; i++)
        turn(p->h->f);
    assert_int_equal(p->answers_n, 1);
}

#define JSON_TYPE "Content-Type: application/json\n"
#define TEXT_TYPE "Content-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n"

static inline void expect_answer(struct post *p, unsigned status, const char *type,
                                 const char *body)
{
    post_wait(p);
    if (p->status != status || strcmp(p->type, type) != 0 || strcmp(p->body, body) != 0)
        fail_msg("answered %u\n%s\n%s\ninstead of %u\n%s\n%s", p->status, p->type, p->body, status,
                 type, body);
    post_free(p);
}

/* |body| sent to |path| is answered with 200 and |answer|. */
static inline void expect_ok(struct harness *h, const char *path, const char *body,
                             const char *answer)
{
    expect_answer(post_begin(h, path, body), 200, JSON_TYPE, answer);
}

static inline void expect_refused(struct harness *h, const char *path, const char *body,
                                  unsigned status)
{
    expect_answer(post_begin(h, path, body), status,
                  status == 400 || status == 500 ? TEXT_TYPE : "",
                  status == 400   ? "Bad Request\n"
                  : status == 500 ? "Internal Server Error\n"
                                  : "");
}

/* |before|, |n| times |what|, |behind|; the caller's to free. */
static inline char *repeated(const char *before, const char *what, size_t n, const char *behind)
{
    struct gush_buf text;

    gush_buf_init(&text, (size_t)64 << 20);
    gush_buf_put_str(&text, before);
    for (size_t i = 0; i < n; i++)
        gush_buf_put_str(&text, what);
    gush_buf_put(&text, behind, strlen(behind) + 1);
    return (char *)text.p;
}

/* Lanes fall behind, or catch up. */
static inline void set_behind(struct harness *h, bool behind)
{
    struct gush_lane *lane = &h->f->lane;

    atomic_store(&lane->backlog_deliveries, behind ? UINT64_C(1) << 40 : 0);
    if (!behind)
        lane->on_settled(lane->on_settled_arg);
}

#endif
