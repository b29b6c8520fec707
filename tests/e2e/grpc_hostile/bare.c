/* bare: the smallest server that the gRPC C core can be: every call is read, answered and ended by
 * one thread. What an attack does to it, it does to the library, and not to gush. See bare.py.
 *
 * Prints its port; ends when standard input does. */
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POSTED_N 16

struct call {
    grpc_call *core;
    grpc_call_details details;
    grpc_metadata_array metadata;
    grpc_byte_buffer *message;
    int cancelled;
    enum { ASKED, ENDED } state;
};

static grpc_server *server;
static grpc_completion_queue *queue;

static void post(void)
{
    struct call *call = calloc(1, sizeof(*call));

    grpc_call_details_init(&call->details);
    grpc_metadata_array_init(&call->metadata);
    if (grpc_server_request_call(server, &call->core, &call->details, &call->metadata, queue, queue,
                                 call) != GRPC_CALL_OK)
        abort();
}

static void answer(struct call *call)
{
    grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_RECV_MESSAGE},
                      {.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
                      {.op = GRPC_OP_RECV_CLOSE_ON_SERVER}};

    ops[1].data.recv_message.recv_message = &call->message;
    ops[2].data.send_status_from_server.status = GRPC_STATUS_UNAUTHENTICATED;
    ops[3].data.recv_close_on_server.cancelled = &call->cancelled;
    call->state = ENDED;
    if (grpc_call_start_batch(call->core, ops, 4, call, NULL) != GRPC_CALL_OK)
        abort();
}

static void end(struct call *call)
{
    grpc_byte_buffer_destroy(call->message);
    grpc_call_details_destroy(&call->details);
    grpc_metadata_array_destroy(&call->metadata);
    grpc_call_unref(call->core);
    free(call);
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        struct call *call = event.tag;

        if (event.type != GRPC_OP_COMPLETE)
            return NULL;
        if (call->state == ENDED) {
            end(call);
        } else if (event.success) {
            post();
            answer(call);
        }
    }
}

int main(void)
{
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = GRPC_ARG_MAX_CONCURRENT_STREAMS};
    grpc_channel_args args = {1, &arg};
    pthread_t thread;
    char byte;
    int port;

    arg.value.integer = 100;
    grpc_init();
    queue = grpc_completion_queue_create_for_next(NULL);
    server = grpc_server_create(&args, NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    port = grpc_server_add_http2_port(server, "127.0.0.1:0",
                                      grpc_insecure_server_credentials_create());
    grpc_server_start(server);
    for (int i = 0; i < POSTED_N; i++)
        post();
    if (port == 0 || pthread_create(&thread, NULL, serve, NULL) != 0)
        return 1;
    printf("%d\n", port);
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    return 0;
}
