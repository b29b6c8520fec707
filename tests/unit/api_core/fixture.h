/* fixture: a real engine on one lane that the test turns, and requests run to their end.
 *
 * Namespaces: "hist" and "any" keep 5 publications, "any" takes any bytes, "who" has presence,
 * "json" wants JSON; the rest is plain. Thread    one */
#ifndef GUSH_TEST_API_CORE_FIXTURE_H
#define GUSH_TEST_API_CORE_FIXTURE_H

/* cmocka.h wants these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/codes.h"
#include "server/base/mem.h"

#include "proto/api.pb-c.h"

#include "server/engine/client.h"
#include "server/engine/node.h"

#include "api/core/methods.h"

#define API(name)        Centrifugal__Centrifugo__Api__##name
#define API_INIT(member) centrifugal__centrifugo__api__##member##__init

static const char fixture_json[] =
    "{\"http_api\":{\"key\":\"k3y\"},\"client\":{\"allow_anonymous_connect_without_token\":true},"
    "\"channel\":{\"without_namespace\":{\"allow_subscribe_for_client\":true,"
    "\"allow_subscribe_for_anonymous\":true},"
    "\"namespaces\":[{\"name\":\"hist\",\"history_size\":5,\"history_ttl\":\"300s\"},"
    "{\"name\":\"who\",\"presence\":true,\"allow_subscribe_for_client\":true,"
    "\"allow_subscribe_for_anonymous\":true},"
    "{\"name\":\"json\",\"publication_data_format\":\"json\"},"
    "{\"name\":\"any\",\"publication_data_format\":\"binary\",\"history_size\":5,"
    "\"history_ttl\":\"300s\"}]}}";

struct fixture {
    struct gush_config *config;
    struct gush_token_verifier *verifier;
    struct gush_lane lane;
    struct gush_lane *lanes[1];
    struct gush_node *node;
    struct gush_host host;
    uint64_t now_us;
    struct gush_arena arena;
    struct gush_method_run run;
    unsigned done_n;
};

static uint64_t fixture_mono_us(void *f)
{
    return ((struct fixture *)f)->now_us;
}

static uint64_t fixture_mono_ms(void *f)
{
    return ((struct fixture *)f)->now_us / 1000;
}

static int64_t fixture_wall_ms(void *f)
{
    (void)f;
    return 1700000000000;
}

static void fixture_random(void *f, void *out, size_t n)
{
    static uint8_t next;

    (void)f;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = next++;
}

static void fixture_wake(void *f)
{
    (void)f; /* the test turns the lane anyway */
}

static struct gush_config *fixture_config(void)
{
    char path[] = "/tmp/gush-api-core-XXXXXX.json", message[500];
    char *none[] = {NULL};
    struct gush_config_sources sources = {.file = path, .file_must_exist = true, .environ = none};
    struct gush_config *config = NULL;
    int fd = mkstemps(path, 5);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, fixture_json, sizeof(fixture_json) - 1), sizeof(fixture_json) - 1);
    close(fd);
    if (gush_config_load(&sources, NULL, NULL, &config, message, sizeof(message)) != GUSH_OK)
        fail_msg("%s", message);
    unlink(path);
    return config;
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *f = GUSH_NEW(struct fixture);
    struct gush_lane_host lane_host = {fixture_mono_us, fixture_wake, f};
    const char *why;

    f->now_us = 1000000;
    f->config = fixture_config();
    assert_int_equal(gush_token_verifier_new(&f->config->client.token, false, &f->verifier, &why),
                     GUSH_OK);
    gush_lane_init(&f->lane, &lane_host, 0, 1);
    f->lane.worker_index = 0;
    f->lane.workers_n = 1;
    f->lanes[0] = &f->lane;
    f->host = (struct gush_host){.wall_ms = fixture_wall_ms,
                                 .mono_ms = fixture_mono_ms,
                                 .random = fixture_random,
                                 .host = f};
    f->node = gush_node_new(&(struct gush_node_options){.config = f->config,
                                                        .verifier = f->verifier,
                                                        .host = &f->host,
                                                        .lanes = f->lanes,
                                                        .lanes_n = 1,
                                                        .version = "0.0.0 OSS"});
    gush_lane_adopt(&f->lane);
    gush_node_lane_start(f->node, &f->lane);
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    gush_methods_fini(&f->run);
    gush_arena_fini(&f->arena);
    if (!f->lane.closed)
        gush_lane_close(&f->lane);
    gush_node_free(f->node);
    gush_token_verifier_free(f->verifier);
    gush_config_free(f->config);
    gush_free(f);
    assert_int_equal(gush_publication_live(), 0);
    assert_int_equal(gush_bytes_live(), 0);
}

static inline void turn(struct fixture *f)
{
    f->now_us += 100;
    (void)gush_lane_turn(&f->lane);
}

static void fixture_done(struct gush_method_run *run)
{
    struct fixture *f = GUSH_CONTAINER(run, struct fixture, run);

    f->done_n++;
}

/* Begins |name| with |request|; done or not, f->run tells. */
static inline void begin(struct fixture *f, const char *name, const void *request)
{
    gush_methods_fini(&f->run);
    gush_arena_fini(&f->arena);
    f->done_n = 0;
    f->run = (struct gush_method_run){.method = gush_methods_find(gush_span_str(name)),
                                      .node = f->node,
                                      .home = &f->lane,
                                      .request = request,
                                      .done = fixture_done,
                                      .arena = &f->arena};
    assert_non_null(f->run.method);
    gush_methods_run(&f->run);
}

/* The result (error 0) or NULL, after |name| has run. */
static inline const void *result_of(struct fixture *f, const char *name, const void *request)
{
    begin(f, name, request);
    for (unsigned i = 0; f->done_n == 0 && i < 10000; i++)
        turn(f);
    assert_int_equal(f->done_n, 1);
    assert_false(f->run.lost);
    assert_true((f->run.error == 0) == (f->run.result != NULL));
    return f->run.result;
}

static inline void expect_error(struct fixture *f, const char *name, const void *request,
                                uint32_t error)
{
    assert_null(result_of(f, name, request));
    assert_int_equal(f->run.error, error);
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* A string field; the library never writes through it. */
static inline char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static inline ProtobufCBinaryData data_of(const char *s)
{
    return (ProtobufCBinaryData){strlen(s), (uint8_t *)(uintptr_t)s};
}

static inline API(PublishRequest) publish_request(const char *channel, const char *data)
{
    API(PublishRequest) r;

    API_INIT(publish_request)(&r);
    r.channel = text(channel);
    r.data = data_of(data);
    return r;
}

static inline API(HistoryRequest) history_request(const char *channel, int32_t limit)
{
    API(HistoryRequest) r;

    API_INIT(history_request)(&r);
    r.channel = text(channel);
    r.limit = limit;
    return r;
}

/* Publishes |data| and returns its offset. */
static inline uint64_t publish(struct fixture *f, const char *channel, const char *data)
{
    API(PublishRequest) r = publish_request(channel, data);
    const API(PublishResult) *result = result_of(f, "Publish", &r);

    assert_non_null(result);
    return result->offset;
}

/* Everything that |channel| keeps, or only its position with |limit| 0. */
static inline const API(HistoryResult) *
    history(struct fixture *f, const char *channel, int32_t limit)
{
    API(HistoryRequest) r = history_request(channel, limit);
    const API(HistoryResult) *result = result_of(f, "History", &r);

    assert_non_null(result);
    return result;
}

static inline void assert_data(const API(Publication) * p, const char *data)
{
    assert_int_equal(p->data.len, strlen(data));
    assert_memory_equal(p->data.data, data, p->data.len);
}

#endif
