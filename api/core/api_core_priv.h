/* api_core_priv: what the methods share. */
#ifndef GUSH_API_CORE_PRIV_H
#define GUSH_API_CORE_PRIV_H

#include "server/base/assert.h"
#include "server/base/codes.h"

#include "proto/api.pb-c.h"

#include "api/core/methods.h"

/* Generated names, bearable. */
#define GUSH__MESSAGE(name)    Centrifugal__Centrifugo__Api__##name
#define GUSH__DESCRIPTOR(name) (&centrifugal__centrifugo__api__##name##__descriptor)

/* Engine calls under way at once for one request that asks for many. */
#define GUSH__METHOD_WINDOW 1024

/* The request of |run| as its own type. */
#define GUSH__REQUEST(type, run) ((const GUSH__MESSAGE(type) *)(const void *)(run)->request)

void gush__method_publish(struct gush_method_run *run);
void gush__method_broadcast(struct gush_method_run *run);
void gush__method_history(struct gush_method_run *run);
void gush__method_history_remove(struct gush_method_run *run);
void gush__method_presence(struct gush_method_run *run);
void gush__method_presence_stats(struct gush_method_run *run);
void gush__method_channels(struct gush_method_run *run);
void gush__method_info(struct gush_method_run *run);
void gush__method_subscribe(struct gush_method_run *run);
void gush__method_unsubscribe(struct gush_method_run *run);
void gush__method_disconnect(struct gush_method_run *run);
void gush__method_refresh(struct gush_method_run *run);
void gush__method_rpc(struct gush_method_run *run);
void gush__method_batch(struct gush_method_run *run);

/* The ends of a run. |result| is of the method's type. */
void gush__method_done(struct gush_method_run *run, void *result);
void gush__method_failed(struct gush_method_run *run, uint32_t error);
void gush__method_lost(struct gush_method_run *run);

/* Counts an answer |error| of |method|, a name of metrics. */
void gush__method_count_error(const struct gush_method_run *run, const char *method,
                              uint32_t error);
/* Error |code| as it travels. */
GUSH__MESSAGE(Error) * gush__method_error(struct gush_arena *a, uint32_t code);
/* |s| as a string field: never NULL. */
char *gush__method_string(struct gush_arena *a, struct gush_span s);
/* What a pair of fields carries: a non-empty base64 form wins over the raw one. False: it is not
 * base64. */
bool gush__method_payload(struct gush_arena *a, const char *base64, ProtobufCBinaryData raw,
                          struct gush_span *out);
/* Borrowed bytes as a field. */
ProtobufCBinaryData gush__method_bytes(struct gush_span s);

#endif
