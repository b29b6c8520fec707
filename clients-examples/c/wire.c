#include "wire.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS   10000
#define FILE_MAX         (1 << 20)
#define MESSAGE_MAX      (64 << 20) /* the connect push carries all that was missed */

bool wire_option(struct wire *wire, int option, const char *value)
{
    switch (option) {
    case 'a':
        wire->address = value;
        return true;
    case 'A':
        wire->ca_file = value;
        return true;
    case 'C':
        wire->cert_file = value;
        return true;
    case 'K':
        wire->key_file = value;
        return true;
    default:
        return false;
    }
}

/* The contents of a small file, or NULL for no file; ends the program if it cannot be read. */
static char *file_read(const char *path)
{
    FILE *file = path == NULL ? NULL : fopen(path, "rb");
    char *text = NULL;

    if (path == NULL)
        return NULL;
    if (file != NULL) {
        text = gpr_zalloc(FILE_MAX + 1);
        if (fread(text, 1, FILE_MAX, file) == FILE_MAX || ferror(file)) {
            gpr_free(text);
            text = NULL;
        }
        fclose(file);
    }
    if (text == NULL) {
        perror(path);
        exit(1);
    }
    return text;
}

static grpc_channel_credentials *credentials(const struct wire *wire)
{
    if (wire->ca_file == NULL)
        return grpc_insecure_credentials_create();
    char *ca = file_read(wire->ca_file);
    char *cert = file_read(wire->cert_file), *key = file_read(wire->key_file);
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = cert};
    grpc_channel_credentials *made =
        grpc_ssl_credentials_create(ca, cert != NULL && key != NULL ? &pair : NULL, NULL, NULL);

    gpr_free(ca);
    gpr_free(cert);
    gpr_free(key);
    return made;
}

static grpc_arg number(const char *key, int value)
{
    char *unchanged = (char *)(uintptr_t)key; /* the library only reads it */

    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = unchanged, .value.integer = value};
}

static grpc_channel *channel_new(const struct wire *wire)
{
    grpc_arg arg[] = {
        number(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, MESSAGE_MAX),
        number(GRPC_ARG_KEEPALIVE_TIME_MS, 30000), /* finds out that the peer is gone */
        number(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000),
        number(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        number(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        number(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        number(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MAX_MS),
        number(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1), /* a new channel is a new connection */
        number(GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM,
               wire->gzip ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_NONE),
    };
    grpc_channel_args args = {.num_args = sizeof(arg) / sizeof(arg[0]), .args = arg};

    return grpc_channel_create(wire->address, wire->credentials, &args);
}

void wire_open(struct wire *wire)
{
    grpc_init();
    wire->credentials = credentials(wire);
    wire->channel = channel_new(wire);
    wire->queue = grpc_completion_queue_create_for_pluck(NULL);
}

void wire_renew(struct wire *wire)
{
    grpc_channel_destroy(wire->channel);
    wire->channel = channel_new(wire);
}

void wire_close(struct wire *wire)
{
    grpc_channel_destroy(wire->channel);
    grpc_channel_credentials_release(wire->credentials);
    grpc_completion_queue_shutdown(wire->queue);
    grpc_completion_queue_destroy(wire->queue);
    grpc_shutdown_blocking();
}

grpc_call *wire_call_new(struct wire *wire, const char *method, gpr_timespec deadline)
{
    return grpc_channel_create_call(wire->channel, NULL, GRPC_PROPAGATE_DEFAULTS, wire->queue,
                                    grpc_slice_from_static_string(method), NULL, deadline, NULL);
}

bool wire_wait(struct wire *wire, grpc_call *call, const grpc_op *ops, size_t ops_n,
               gpr_timespec deadline, bool *in_time)
{
    void *tag = &wire->queue; /* any address: there is only one wait at a time */
    grpc_event event;

    if (grpc_call_start_batch(call, ops, ops_n, tag, NULL) != GRPC_CALL_OK)
        abort(); /* only a mistake of ours */
    event = grpc_completion_queue_pluck(wire->queue, tag, deadline, NULL);
    *in_time = event.type != GRPC_QUEUE_TIMEOUT;
    if (!*in_time) {
        grpc_call_cancel(call, NULL);
        event = grpc_completion_queue_pluck(wire->queue, tag, gpr_inf_future(GPR_CLOCK_MONOTONIC),
                                            NULL);
    }
    return event.success != 0;
}

grpc_byte_buffer *wire_ask(struct wire *wire, const struct wire_question *question,
                           gpr_timespec deadline, bool wait_for_ready, struct wire_status *status)
{
    grpc_call *call = wire_call_new(wire, question->method, deadline);
    grpc_metadata key = {.key = grpc_slice_from_static_string("authorization"),
                         .value = grpc_slice_from_copied_string(question->authorization)};
    grpc_byte_buffer *request = wire_pack(question->request), *answer = NULL;
    grpc_metadata_array headers;
    bool in_time = true;
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .flags = wait_for_ready ? GRPC_INITIAL_METADATA_WAIT_FOR_READY |
                                       GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET
                                 : 0,
         .data.send_initial_metadata = {.count = question->authorization[0] != '\0',
                                        .metadata = &key}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = request},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &headers},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &answer},
        wire_status_op(status),
    };

    grpc_metadata_array_init(&headers);
    /* The call has a deadline of its own: this wait needs none. */
    (void)wire_wait(wire, call, ops, sizeof(ops) / sizeof(ops[0]),
                    gpr_inf_future(GPR_CLOCK_MONOTONIC), &in_time);
    grpc_metadata_array_destroy(&headers);
    grpc_byte_buffer_destroy(request);
    grpc_slice_unref(key.value);
    grpc_call_unref(call);
    if (status->code != GRPC_STATUS_OK && answer != NULL) {
        grpc_byte_buffer_destroy(answer);
        answer = NULL;
    }
    return answer;
}

void wire_status_init(struct wire_status *status)
{
    *status = (struct wire_status){.details = grpc_empty_slice()};
    grpc_metadata_array_init(&status->trailers);
}

grpc_op wire_status_op(struct wire_status *status)
{
    return (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                     .data.recv_status_on_client = {.trailing_metadata = &status->trailers,
                                                    .status = &status->code,
                                                    .status_details = &status->details}};
}

void wire_status_fini(struct wire_status *status)
{
    grpc_slice_unref(status->details);
    grpc_metadata_array_destroy(&status->trailers);
}

const char *wire_status_name(grpc_status_code code)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };

    return (unsigned)code < sizeof(names) / sizeof(names[0]) ? names[code] : "UNKNOWN";
}

grpc_byte_buffer *wire_pack(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    grpc_byte_buffer *bytes;

    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    bytes = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return bytes;
}

void *wire_unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *bytes)
{
    grpc_byte_buffer_reader reader;
    ProtobufCMessage *message = NULL;

    if (grpc_byte_buffer_reader_init(&reader, bytes)) {
        grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
        message = protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(all),
                                            GRPC_SLICE_START_PTR(all));
        grpc_slice_unref(all);
        grpc_byte_buffer_reader_destroy(&reader);
    }
    grpc_byte_buffer_destroy(bytes);
    return message;
}

gpr_timespec wire_in_ms(uint32_t ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

/* Exponential with full jitter: clients that fell together do not come back together. */
uint32_t wire_backoff_ms(unsigned attempt)
{
    uint32_t most = attempt < 8 ? (uint32_t)BACKOFF_FIRST_MS << attempt : BACKOFF_MAX_MS;

    return arc4random_uniform((most < BACKOFF_MAX_MS ? most : BACKOFF_MAX_MS) + 1);
}

void wire_pause(uint32_t ms)
{
    gpr_sleep_until(wire_in_ms(ms));
}
