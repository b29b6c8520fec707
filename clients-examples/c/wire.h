/* wire: what the programs share: options of the connection, calls that are waited for, pauses.
 *
 * Everything happens on the one thread of the program: calls are plucked from a completion queue,
 * so a wait for one thing with a deadline is one function call. */
#pragma once

#include <getopt.h>
#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

struct wire {
    const char *address;
    const char *ca_file, *cert_file, *key_file; /* NULL: not given */
    bool gzip;
    grpc_channel_credentials *credentials;
    grpc_channel *channel;
    grpc_completion_queue *queue;
};

/* How a call ended. */
struct wire_status {
    grpc_status_code code;
    grpc_slice details;
    grpc_metadata_array trailers;
};

struct wire_question {
    const char *method;
    const char *authorization; /* "": none */
    const ProtobufCMessage *request;
};

/* The options that every program has; wire_option() takes what getopt_long() found of them. */
#define WIRE_OPTIONS                                                                               \
    {"address", required_argument, NULL, 'a'}, {"tls-ca", required_argument, NULL, 'A'},           \
        {"tls-cert", required_argument, NULL, 'C'},                                                \
    {                                                                                              \
        "tls-key", required_argument, NULL, 'K'                                                    \
    }

bool wire_option(struct wire *wire, int option, const char *value);

/* Exits with a message if a file cannot be read. The connection itself is made by the first call.
 */
void wire_open(struct wire *wire);
/* A new connection for the next call, at once: the old one comes back by the library's clock. */
void wire_renew(struct wire *wire);
void wire_close(struct wire *wire);

grpc_call *wire_call_new(struct wire *wire, const char *method, gpr_timespec deadline);
/* Starts |ops| and waits for them until |deadline|; then the call is cancelled. |*in_time| tells.
 * Returns whether they worked. */
bool wire_wait(struct wire *wire, grpc_call *call, const grpc_op *ops, size_t ops_n,
               gpr_timespec deadline, bool *in_time);
/* One question, one answer (taken by the caller, when the status is OK). Without a connection it
 * fails at once, or waits for one. */
grpc_byte_buffer *wire_ask(struct wire *wire, const struct wire_question *question,
                           gpr_timespec deadline, bool wait_for_ready, struct wire_status *status);

void wire_status_init(struct wire_status *status);
grpc_op wire_status_op(struct wire_status *status);
void wire_status_fini(struct wire_status *status);
const char *wire_status_name(grpc_status_code code);

grpc_byte_buffer *wire_pack(const ProtobufCMessage *message);
/* Takes |bytes|. NULL if they are no such message. */
void *wire_unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *bytes);

gpr_timespec wire_in_ms(uint32_t ms);
uint32_t wire_backoff_ms(unsigned attempt);
void wire_pause(uint32_t ms);
