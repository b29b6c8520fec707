/* Publishes its arguments, or the lines of stdin, through the gRPC API, each exactly once. */
#include <grpc/support/time.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.pb-c.h"
#include "health.pb-c.h"
#include "wire.h"

#define PUBLISH "/centrifugal.centrifugo.api.CentrifugoApi/Publish"
#define CHECK   "/grpc.health.v1.Health/Check"

/* protobuf-c's names, without the package */
typedef Centrifugal__Centrifugo__Api__PublishRequest request_t;
typedef Centrifugal__Centrifugo__Api__PublishResponse response_t;
typedef Grpc__Health__V1__HealthCheckRequest health_request_t;
typedef Grpc__Health__V1__HealthCheckResponse health_response_t;

struct publisher {
    struct wire wire;
    char *channel;
    char authorization[512]; /* "": no key */
    char prefix[256];        /* of idempotency keys */
    uint32_t deadline_ms;    /* for one publication with all of its retries */
    bool health;
    unsigned long published;
};

static void say_status(const struct wire_status *status)
{
    fprintf(stderr, "error %s %.*s\n", wire_status_name(status->code),
            (int)GRPC_SLICE_LENGTH(status->details),
            (const char *)GRPC_SLICE_START_PTR(status->details));
}

/* The answer to |request|, or NULL after saying why. What is sent again carries the same
 * idempotency key. */
static response_t *insist(struct publisher *p, const request_t *request)
{
    gpr_timespec deadline = wire_in_ms(p->deadline_ms);
    const struct wire_question question = {PUBLISH, p->authorization, &request->base};

    for (unsigned attempt = 0;; attempt++) {
        struct wire_status status;
        grpc_byte_buffer *bytes;
        uint32_t pause_ms = wire_backoff_ms(attempt);

        wire_status_init(&status);
        /* Without a connection the first attempt fails, and we can say so; the next ones wait. */
        bytes = wire_ask(&p->wire, &question, deadline, attempt > 0, &status);
        if (bytes == NULL && (status.code != GRPC_STATUS_UNAVAILABLE ||
                              gpr_time_cmp(wire_in_ms(pause_ms), deadline) >= 0)) {
            say_status(&status);
            wire_status_fini(&status);
            return NULL;
        }
        if (bytes == NULL)
            fprintf(stderr, "retrying in %" PRIu32 " ms: %.*s\n", pause_ms,
                    (int)GRPC_SLICE_LENGTH(status.details),
                    (const char *)GRPC_SLICE_START_PTR(status.details));
        wire_status_fini(&status);
        if (bytes != NULL)
            return wire_unpack(&centrifugal__centrifugo__api__publish_response__descriptor, bytes);
        wire_pause(pause_ms);
    }
}

static bool publish(struct publisher *p, char *data, size_t data_n)
{
    request_t request;
    char key[sizeof(p->prefix) + 24];
    response_t *response;
    bool done = false;

    snprintf(key, sizeof(key), "%s-%lu", p->prefix, ++p->published);
    centrifugal__centrifugo__api__publish_request__init(&request);
    request.channel = p->channel;
    request.data = (ProtobufCBinaryData){.data = (uint8_t *)data, .len = data_n};
    request.idempotency_key = key;
    response = insist(p, &request);
    if (response == NULL)
        return false;
    if (response->error != NULL) {
        fprintf(stderr, "error %" PRIu32 " %s\n", response->error->code, response->error->message);
    } else if (response->result != NULL) {
        printf("%s #%" PRIu64 "\n", p->channel, response->result->offset);
        done = true;
    }
    protobuf_c_message_free_unpacked(&response->base, NULL);
    return done;
}

static bool publish_lines(struct publisher *p)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t line_n;
    bool done = true;

    while (done && (line_n = getline(&line, &room, stdin)) >= 0) {
        if (line_n > 0 && line[line_n - 1] == '\n')
            line_n--;
        done = publish(p, line, (size_t)line_n);
    }
    free(line); /* allow heap: it is getline's */
    return done;
}

static bool serving(struct publisher *p)
{
    health_request_t request;
    const struct wire_question question = {CHECK, p->authorization, &request.base};
    struct wire_status status;
    health_response_t *response = NULL;
    bool is_serving = false;

    grpc__health__v1__health_check_request__init(&request);
    wire_status_init(&status);
    grpc_byte_buffer *bytes =
        wire_ask(&p->wire, &question, wire_in_ms(p->deadline_ms), false, &status);
    if (bytes == NULL)
        say_status(&status);
    else
        response = wire_unpack(&grpc__health__v1__health_check_response__descriptor, bytes);
    if (response != NULL) {
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
            &grpc__health__v1__health_check_response__serving_status__descriptor,
            (int)response->status);
        puts(value != NULL ? value->name : "UNKNOWN");
        is_serving =
            response->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
        protobuf_c_message_free_unpacked(&response->base, NULL);
    }
    wire_status_fini(&status);
    return is_serving;
}

static void use_key(struct publisher *p, const char *key)
{
    if (key != NULL && key[0] != '\0')
        snprintf(p->authorization, sizeof(p->authorization), "apikey %s", key);
}

static void arguments(struct publisher *p, int argc, char **argv)
{
    static const struct option options[] = {WIRE_OPTIONS,
                                            {"channel", required_argument, NULL, 'c'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"gzip", no_argument, NULL, 'z'},
                                            {"deadline-ms", required_argument, NULL, 'd'},
                                            {"idempotency-prefix", required_argument, NULL, 'p'},
                                            {"health", no_argument, NULL, 'h'},
                                            {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c')
            p->channel = optarg;
        else if (option == 'k')
            use_key(p, optarg);
        else if (option == 'z')
            p->wire.gzip = true;
        else if (option == 'd')
            p->deadline_ms = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 'p')
            snprintf(p->prefix, sizeof(p->prefix), "%s", optarg);
        else if (option == 'h')
            p->health = true;
        else if (!wire_option(&p->wire, option, optarg))
            exit(2);
    }
    if (p->channel == NULL && !p->health) {
        fprintf(stderr, "usage: publisher --channel NAME [DATA ...] (see ../README.md)\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct publisher p = {.wire.address = "127.0.0.1:10000", .deadline_ms = 30000};
    bool done = true;

    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(p.prefix, sizeof(p.prefix), "%08" PRIx32 "%08" PRIx32, arc4random(), arc4random());
    use_key(&p, getenv("GUSH_API_KEY"));
    arguments(&p, argc, argv);
    wire_open(&p.wire);
    if (p.health)
        done = serving(&p);
    else if (optind == argc)
        done = publish_lines(&p);
    for (int i = optind; i < argc && done && !p.health; i++)
        done = publish(&p, argv[i], strlen(argv[i]));
    wire_close(&p.wire);
    return done ? 0 : 1;
}
