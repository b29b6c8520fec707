/* Subscribes over the gRPC Consume stream and prints what comes.
 *
 * Reconnects with growing, random pauses, and asks the server for what it missed: the position
 * (epoch and offset) of the last publication of each channel goes into the next connect request. */
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>
#include <grpc/support/time.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unistream.pb-c.h"
#include "wire.h"

#define METHOD             "/centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume"
#define CONNECT_TIMEOUT_MS 10000u /* until the connect push */
#define PING_GRACE_MS      10000u /* nothing for the ping interval and this long: dead */
#define REASON_MAX         256

/* protobuf-c's names, without the package */
typedef Centrifugal__Centrifugo__Unistream__Push push_t;
typedef Centrifugal__Centrifugo__Unistream__Connect connect_t;
typedef Centrifugal__Centrifugo__Unistream__Disconnect disconnect_t;
typedef Centrifugal__Centrifugo__Unistream__Publication publication_t;
typedef Centrifugal__Centrifugo__Unistream__SubscribeResult result_t;
typedef Centrifugal__Centrifugo__Unistream__SubscribeRequest position_t;
typedef Centrifugal__Centrifugo__Unistream__ConnectRequest request_t;
typedef Centrifugal__Centrifugo__Unistream__ConnectRequest__SubsEntry entry_t;

struct subscription {
    char *channel; /* an argument of the program */
    char *epoch;   /* owned; NULL: no position to recover from */
    uint64_t offset;
};

enum verdict { GO_ON, RECONNECT, ENOUGH, REFUSED };

struct subscriber {
    struct wire wire;
    struct subscription *subs;
    size_t subs_n;
    char *token;
    unsigned long count, received;
    unsigned attempt;
    uint32_t patience_ms;
    char reason[REASON_MAX]; /* why to reconnect */
};

static struct subscription *subscription_find(struct subscriber *s, const char *channel)
{
    for (size_t i = 0; i < s->subs_n; i++) {
        if (strcmp(s->subs[i].channel, channel) == 0)
            return &s->subs[i];
    }
    return NULL;
}

static enum verdict on_publication(struct subscriber *s, struct subscription *sub,
                                   const publication_t *publication)
{
    sub->offset = publication->offset;
    printf("%s #%" PRIu64 " ", sub->channel, publication->offset);
    fwrite(publication->data.data, 1, publication->data.len, stdout);
    putchar('\n');
    return ++s->received == s->count ? ENOUGH : GO_ON;
}

static enum verdict on_subscribed(struct subscriber *s, struct subscription *sub,
                                  const result_t *result)
{
    bool recovering = sub->epoch != NULL;

    printf("subscribed %s recovered=%s offset=%" PRIu64 "\n", sub->channel,
           !recovering         ? "-"
           : result->recovered ? "yes"
                               : "no",
           result->offset);
    if (recovering && !result->recovered)
        printf("lost %s\n", sub->channel);
    if (!result->recovered)
        sub->offset = result->offset;
    gpr_free(sub->epoch);
    sub->epoch = result->recoverable ? gpr_strdup(result->epoch) : NULL;
    for (size_t i = 0; i < result->n_publications; i++) {
        enum verdict verdict = on_publication(s, sub, result->publications[i]);
        if (verdict != GO_ON)
            return verdict;
    }
    return GO_ON;
}

static enum verdict on_connect(struct subscriber *s, const connect_t *connect)
{
    printf("connected %s\n", connect->client);
    s->attempt = 0;
    /* Without pings only gRPC's keepalive can tell. */
    s->patience_ms = connect->ping > 0 ? connect->ping * 1000 + PING_GRACE_MS : UINT32_MAX;
    for (size_t i = 0; i < s->subs_n; i++) {
        const result_t *result = NULL;
        for (size_t k = 0; k < connect->n_subs; k++) {
            if (strcmp(connect->subs[k]->key, s->subs[i].channel) == 0)
                result = connect->subs[k]->value;
        }
        if (result == NULL) {
            fprintf(stderr, "refused %s\n", s->subs[i].channel);
            return REFUSED;
        }
        enum verdict verdict = on_subscribed(s, &s->subs[i], result);
        if (verdict != GO_ON)
            return verdict;
    }
    return GO_ON;
}

static enum verdict on_disconnect(struct subscriber *s, const disconnect_t *disconnect)
{
    uint32_t code = disconnect->code;

    snprintf(s->reason, sizeof(s->reason), "disconnected %" PRIu32 " %s", code, disconnect->reason);
    fprintf(stderr, "%s\n", s->reason);
    return (code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999) ? REFUSED : RECONNECT;
}

/* An empty push is a ping: it did its work by coming. */
static enum verdict on_push(struct subscriber *s, const push_t *push)
{
    struct subscription *sub;

    if (push->connect != NULL)
        return on_connect(s, push->connect);
    if (push->disconnect != NULL)
        return on_disconnect(s, push->disconnect);
    if (push->pub != NULL && (sub = subscription_find(s, push->channel)) != NULL)
        return on_publication(s, sub, push->pub);
    return GO_ON;
}

/* Waits for one push and handles it. RECONNECT without a reason: the status of the call knows. */
static enum verdict next_push(struct subscriber *s, grpc_call *call)
{
    grpc_byte_buffer *bytes = NULL;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &bytes};
    enum verdict verdict = RECONNECT;
    bool in_time;
    push_t *push = NULL;

    if (!wire_wait(&s->wire, call, &op, 1, wire_in_ms(s->patience_ms), &in_time) || bytes == NULL) {
        if (!in_time)
            snprintf(s->reason, sizeof(s->reason), "the server is silent");
        return RECONNECT;
    }
    push = wire_unpack(&centrifugal__centrifugo__unistream__push__descriptor, bytes);
    if (push != NULL)
        verdict = on_push(s, push);
    else
        snprintf(s->reason, sizeof(s->reason), "not a push");
    if (push != NULL)
        protobuf_c_message_free_unpacked(&push->base, NULL);
    return verdict;
}

/* The connect request, with a position for each channel that has one. */
static grpc_byte_buffer *request_pack(const struct subscriber *s)
{
    request_t request;
    position_t *positions = gpr_zalloc(s->subs_n * sizeof(*positions));
    entry_t *entries = gpr_zalloc(s->subs_n * sizeof(*entries));
    entry_t **subs = gpr_zalloc(s->subs_n * sizeof(entry_t *));
    char name[] = "c-example";
    grpc_byte_buffer *bytes;

    for (size_t i = 0; i < s->subs_n; i++) {
        const struct subscription *sub = &s->subs[i];
        centrifugal__centrifugo__unistream__subscribe_request__init(&positions[i]);
        if (sub->epoch != NULL) {
            positions[i].recover = 1;
            positions[i].epoch = sub->epoch;
            positions[i].offset = sub->offset;
        }
        centrifugal__centrifugo__unistream__connect_request__subs_entry__init(&entries[i]);
        entries[i].key = sub->channel;
        entries[i].value = &positions[i];
        subs[i] = &entries[i];
    }
    centrifugal__centrifugo__unistream__connect_request__init(&request);
    request.token = s->token;
    request.name = name;
    request.n_subs = s->subs_n;
    request.subs = subs;
    bytes = wire_pack(&request.base);
    gpr_free(subs);
    gpr_free(entries);
    gpr_free(positions);
    return bytes;
}

/* One stream, until it is over. */
static enum verdict consume(struct subscriber *s)
{
    gpr_timespec forever = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    grpc_call *call = wire_call_new(&s->wire, METHOD, forever);
    grpc_byte_buffer *request = request_pack(s);
    grpc_metadata_array headers;
    struct wire_status status;
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = request},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &headers},
    };
    grpc_op end;
    enum verdict verdict = RECONNECT;
    bool in_time;

    grpc_metadata_array_init(&headers);
    wire_status_init(&status);
    end = wire_status_op(&status);
    s->reason[0] = '\0';
    s->patience_ms = CONNECT_TIMEOUT_MS;
    if (wire_wait(&s->wire, call, ops, sizeof(ops) / sizeof(ops[0]), wire_in_ms(s->patience_ms),
                  &in_time)) {
        do
            verdict = next_push(s, call);
        while (verdict == GO_ON);
    } else if (!in_time) {
        snprintf(s->reason, sizeof(s->reason), "the server is silent");
    }
    if (verdict != RECONNECT || s->reason[0] != '\0')
        grpc_call_cancel(call, NULL);
    (void)wire_wait(&s->wire, call, &end, 1, forever, &in_time);
    if (s->reason[0] == '\0' && status.code == GRPC_STATUS_OK)
        snprintf(s->reason, sizeof(s->reason), "the stream ended");
    else if (s->reason[0] == '\0')
        snprintf(s->reason, sizeof(s->reason), "%s: %.*s", wire_status_name(status.code),
                 (int)GRPC_SLICE_LENGTH(status.details),
                 (const char *)GRPC_SLICE_START_PTR(status.details));
    wire_status_fini(&status);
    grpc_metadata_array_destroy(&headers);
    grpc_byte_buffer_destroy(request);
    grpc_call_unref(call);
    return verdict;
}

static void arguments(struct subscriber *s, int argc, char **argv)
{
    static const struct option options[] = {WIRE_OPTIONS,
                                            {"channel", required_argument, NULL, 'c'},
                                            {"token", required_argument, NULL, 't'},
                                            {"count", required_argument, NULL, 'n'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c')
            s->subs[s->subs_n++].channel = optarg;
        else if (option == 't')
            s->token = optarg;
        else if (option == 'n')
            s->count = strtoul(optarg, NULL, 10);
        else if (!wire_option(&s->wire, option, optarg))
            exit(2);
    }
    if (s->subs_n == 0 || optind < argc) {
        fprintf(stderr, "usage: subscriber --channel NAME ... (see ../README.md)\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    char anonymous[] = "";
    char *token = getenv("GUSH_TOKEN");
    struct subscriber s = {.wire.address = "127.0.0.1:11000",
                           .token = token != NULL ? token : anonymous,
                           .subs = gpr_zalloc((size_t)argc * sizeof(struct subscription))};
    enum verdict verdict;

    setvbuf(stdout, NULL, _IOLBF, 0);
    arguments(&s, argc, argv);
    wire_open(&s.wire);
    while ((verdict = consume(&s)) == RECONNECT) {
        uint32_t pause_ms = wire_backoff_ms(s.attempt++);
        fprintf(stderr, "reconnecting in %" PRIu32 " ms: %s\n", pause_ms, s.reason);
        wire_pause(pause_ms);
        wire_renew(&s.wire);
    }
    wire_close(&s.wire);
    for (size_t i = 0; i < s.subs_n; i++)
        gpr_free(s.subs[i].epoch);
    gpr_free(s.subs);
    return verdict == ENOUGH ? 0 : 1;
}
