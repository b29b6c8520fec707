/* A publish command: the client's own push precedes its reply, because the reply waits behind the
 * publication in the same branch. */
#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"

#include "server/engine/client_priv.h"
#include "server/engine/permission.h"

struct command {
    struct gush_publish_call publish;
    struct gush_node *node;
    struct gush_lane *lane;
    struct gush_client_ref client;
    uint32_t id;
    struct gush_bytes *channel, *data;
    struct gush_client_info info;
};

/* Where a DONE delivery finds its command: the delivery has no room for it. */
struct waiting {
    struct gush_delivery delivery;
    struct command *command;
};

static void command_free(struct command *cmd)
{
    gush_bytes_unref(cmd->channel);
    gush_bytes_unref(cmd->data);
    gush_free(cmd);
}

static void error_reply(struct gush_client *c, uint32_t id, uint32_t error)
{
    gush__client_queue_reply(
        c, &(struct gush_reply){.id = id, .kind = GUSH_REPLY_ERROR, .u.error = error});
}

static void reply(struct command *cmd)
{
    struct gush_client *c = gush__lane_client(gush__lane_state(cmd->node, cmd->lane), cmd->client);

    if (c && !gush__client_ending(c)) {
        if (cmd->publish.call.error)
            error_reply(c, cmd->id, cmd->publish.call.error);
        else
            gush__client_queue_reply(
                c, &(struct gush_reply){.id = cmd->id, .kind = GUSH_REPLY_PUBLISH});
    }
    command_free(cmd);
}

static void behind(struct gush_lane *lane, struct gush_delivery *d)
{
    struct waiting *w = (struct waiting *)(void *)d;

    (void)lane;
    reply(w->command);
    gush_free(w);
}

static void published(struct gush_api_call *call)
{
    struct command *cmd = GUSH_CONTAINER(call, struct command, publish.call);
    struct gush_client *c = gush__lane_client(gush__lane_state(cmd->node, cmd->lane), cmd->client);
    struct gush_subscription *sub =
        c ? gush__client_find_sub(c, gush_bytes_span(cmd->channel)) : NULL;

    if (sub == NULL || sub->branch == NULL || sub->branch->head == NULL ||
        GUSH_BUG(GUSH_BUG_REPLY_BEFORE_OWN_PUSH)) {
        reply(cmd);
        return;
    }
    struct waiting *w = GUSH_NEW(struct waiting);
    w->delivery.kind = GUSH_DELIVERY_DONE;
    w->delivery.branch = sub->branch;
    w->delivery.done = behind;
    w->command = cmd;
    gush_branch_receive(cmd->lane, &w->delivery);
}

static void dropped(struct gush_api_call *call)
{
    command_free(GUSH_CONTAINER(call, struct command, publish.call));
}

static struct command *command_new(struct gush_client *c, uint32_t id, struct gush_span channel,
                                   struct gush_span data)
{
    struct command *cmd = GUSH_NEW(struct command);

    cmd->node = c->node;
    cmd->lane = c->lane;
    cmd->client = c->ref;
    cmd->id = id;
    cmd->channel = gush_bytes_copy(channel);
    cmd->data = gush_bytes_copy(data);
    /* Copied into the publication before gush_publish returns. */
    cmd->info = (struct gush_client_info){.user = gush_client_user(c),
                                          .client = gush_client_id(c),
                                          .conn_info = gush_bytes_span(c->conn_info)};
    cmd->publish.call =
        (struct gush_api_call){.home = c->lane, .done = published, .dropped = dropped};
    cmd->publish.channel = gush_bytes_span(cmd->channel);
    cmd->publish.data = gush_bytes_span(cmd->data);
    cmd->publish.info = &cmd->info;
    return cmd;
}

void gush_client_publish(struct gush_client *c, uint32_t id, struct gush_span channel,
                         struct gush_span data)
{
    const struct gush_channel_options *options;

    GUSH_ASSERT(c->magic == gush_client_MAGIC);
    GUSH_ASSERT(gush_form_dialect(c->transport->form) == GUSH_DIALECT_REPLY);
    if (gush__client_ending(c))
        return;
    if (c->state != GUSH_CLIENT_LIVE || channel.n == 0) {
        gush_client_disconnect(c, GUSH_DISCONNECT_BAD_REQUEST, NULL);
        return;
    }
    if (gush_config_channel(c->node->config, channel, &options, NULL) != GUSH_OK) {
        error_reply(c, id, GUSH_ERROR_UNKNOWN_CHANNEL);
    } else if (!gush_permission_name_valid(channel) ||
               !gush_permission_data(c->node->config, options, data)) {
        error_reply(c, id, GUSH_ERROR_BAD_REQUEST);
    } else if (!gush_permission_publish(c->node->config, options, gush_client_user(c),
                                        gush__client_find_sub(c, channel) != NULL)) {
        error_reply(c, id, GUSH_ERROR_PERMISSION_DENIED);
    } else {
        gush_publish(c->node, &command_new(c, id, channel, data)->publish);
    }
}
