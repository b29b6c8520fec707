/* Subscribe, Unsubscribe, Disconnect, Refresh: what is done to the connections of a user; and RPC,
 * which has no methods yet. */
#include <stdlib.h>

#include "api/core/api_core_priv.h"

struct acting {
    struct gush_clients_call call;
    struct gush_method_run *run;
    struct gush_token_override override;
};

/* ---- There and back -------------------------------------------------------------------------- */

/* The result of every one of them is empty. */
static void acted(struct gush_api_call *call)
{
    struct gush_method_run *run = GUSH_CONTAINER(call, struct acting, call.call)->run;

    if (call->error != GUSH_ERROR_NONE)
        gush__method_failed(run, call->error);
    else
        gush__method_done(run, gush_arena_message(run->arena, run->method->result));
}

static void act_lost(struct gush_api_call *call)
{
    gush__method_lost(GUSH_CONTAINER(call, struct acting, call.call)->run);
}

static struct acting *acting_new(struct gush_method_run *run, enum gush_clients_action action)
{
    struct acting *a = gush_arena_alloc(run->arena, 1, sizeof(*a));

    a->run = run;
    a->call.call.home = run->home;
    a->call.call.done = acted;
    a->call.call.dropped = act_lost;
    a->call.action = action;
    return a;
}

/* Whose connections: fields of the same names in four generated types. What the PRO edition adds,
 * label_filter and all_users, is not looked at. */
#define TAKE_WHO(call_, request_)                                                                  \
    do {                                                                                           \
        (call_)->user = gush_span_str((request_)->user);                                           \
        (call_)->client = gush_span_str((request_)->client);                                       \
        (call_)->session = gush_span_str((request_)->session);                                     \
    } while (0)

/* ---- Subscribe, Unsubscribe ------------------------------------------------------------------ */

/* Given is 0 or 1, not given is -1. */
static int8_t override_of(const GUSH__MESSAGE(BoolValue) * value)
{
    if (value == NULL)
        return -1;
    return value->value != 0;
}

static void take_override(struct acting *a, const GUSH__MESSAGE(SubscribeOptionOverride) * from)
{
    if (from == NULL)
        return;
    a->override = (struct gush_token_override){
        .presence = override_of(from->presence),
        .join_leave = override_of(from->join_leave),
        .force_push_join_leave = override_of(from->force_push_join_leave),
        .force_positioning = override_of(from->force_positioning),
        .force_recovery = override_of(from->force_recovery),
    };
    a->call.override = &a->override;
}

/* The channel is looked at before the payloads. */
static bool has_channel(const struct gush_method_run *run, struct gush_span channel)
{
    const struct gush_channel_options *options;

    return channel.n > 0 &&
           gush_config_channel(gush_node_config(run->node), channel, &options, NULL) == GUSH_OK;
}

void gush__method_subscribe(struct gush_method_run *run)
{
    const GUSH__MESSAGE(SubscribeRequest) *request = GUSH__REQUEST(SubscribeRequest, run);
    struct acting *a = acting_new(run, GUSH_CLIENTS_SUBSCRIBE);
    bool payloads =
        gush__method_payload(run->arena, request->b64info, request->info, &a->call.info) &&
        gush__method_payload(run->arena, request->b64data, request->data, &a->call.data);

    TAKE_WHO(&a->call, request);
    a->call.channel = gush_span_str(request->channel);
    if (!payloads && has_channel(run, a->call.channel)) {
        gush__method_failed(run, GUSH_ERROR_BAD_REQUEST);
        return; /* else the engine says what is wrong with the channel */
    }
    a->call.expire_at_s = request->expire_at;
    if (request->recover_since) {
        a->call.has_since = true;
        a->call.since_offset = request->recover_since->offset;
        a->call.since_epoch = gush_span_str(request->recover_since->epoch);
    }
    take_override(a, request->override);
    gush_clients(run->node, &a->call);
}

void gush__method_unsubscribe(struct gush_method_run *run)
{
    const GUSH__MESSAGE(UnsubscribeRequest) *request = GUSH__REQUEST(UnsubscribeRequest, run);
    struct acting *a = acting_new(run, GUSH_CLIENTS_UNSUBSCRIBE);

    TAKE_WHO(&a->call, request);
    a->call.channel = gush_span_str(request->channel);
    gush_clients(run->node, &a->call);
}

/* ---- Disconnect ------------------------------------------------------------------------------ */

static int by_bytes(const void *a, const void *b)
{
    return gush_span_cmp(*(const struct gush_span *)a, *(const struct gush_span *)b);
}

void gush__method_disconnect(struct gush_method_run *run)
{
    const GUSH__MESSAGE(DisconnectRequest) *request = GUSH__REQUEST(DisconnectRequest, run);
    struct acting *a = acting_new(run, GUSH_CLIENTS_DISCONNECT);
    size_t n = request->n_whitelist;

    TAKE_WHO(&a->call, request);
    if (request->disconnect) {
        a->call.has_code = true;
        a->call.code = request->disconnect->code;
        a->call.reason = gush_span_str(request->disconnect->reason);
    }
    if (n > 0) {
        struct gush_span *ids = gush_arena_alloc(run->arena, n, sizeof(*ids));

        for (size_t i = 0; i < n; i++)
            ids[i] = gush_span_str(request->whitelist[i]);
        qsort(ids, n, sizeof(*ids), by_bytes);
        a->call.whitelist = ids;
        a->call.whitelist_n = n;
    }
    gush_clients(run->node, &a->call);
}

/* ---- Refresh --------------------------------------------------------------------------------- */

void gush__method_refresh(struct gush_method_run *run)
{
    const GUSH__MESSAGE(RefreshRequest) *request = GUSH__REQUEST(RefreshRequest, run);
    struct acting *a = acting_new(run, GUSH_CLIENTS_REFRESH);

    TAKE_WHO(&a->call, request);
    a->call.expired = request->expired != 0;
    a->call.expire_at_s = request->expire_at;
    a->call.info = gush_span_of(request->info.data, request->info.len);
    gush_clients(run->node, &a->call);
}

/* ---- RPC ------------------------------------------------------------------------------------- */

/* Nothing is registered: every name is unknown. */
void gush__method_rpc(struct gush_method_run *run)
{
    struct gush_span method = gush_span_str(GUSH__REQUEST(RPCRequest, run)->method);

    gush__method_failed(run, method.n > 0 ? GUSH_ERROR_METHOD_NOT_FOUND : GUSH_ERROR_BAD_REQUEST);
}
