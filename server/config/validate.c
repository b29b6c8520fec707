/* Rules between keys, in the reference's words; where the offending key stands follows in
 * brackets. Rules about one value are in value.c. */
#include <stdio.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/text.h"

#include "server/config/config_priv.h"

/* ---- where ----------------------------------------------------------------------------------- */

const char *gush__validate_where(struct gush__load *l, const char *path, const char *around)
{
    struct gush_span s;

    if (!gush__position_find(&l->file, path, &s) && !gush__position_find(&l->file, around, &s))
        return "";
    return gush__arena_printf(&l->memory->arena, " (%s:%u)", l->file.name,
                              gush__position_line(&l->file, s));
}

static const char *where_key(struct gush__load *l, const char *path)
{
    return gush__validate_where(l, path, path);
}

/* One set of channel options under test. */
struct channel_check {
    struct gush__load *l;
    const struct gush__target *target;
    const struct gush_channel_options *o;
    bool from_file;
};

static gush_err refuse(const struct channel_check *c, const char *key, const char *text)
{
    const char *at = "";

    if (c->from_file)
        at = gush__validate_where(
            c->l, gush__arena_printf(&c->l->memory->arena, "%s.%s", c->target->path, key),
            c->target->path);
    return gush__load_fail(c->l, "%s%s%s", c->target->prefix, text, at);
}

/* ---- channels -------------------------------------------------------------------------------- */

static gush_err check_history(const struct channel_check *c)
{
    struct gush__arena *arena = &c->l->memory->arena;
    const struct gush_channel_options *o = c->o;
    int64_t meta_s =
        o->history_meta_ttl_s ? o->history_meta_ttl_s : c->l->config->channel.history_meta_ttl_s;
    bool kept = o->history_size != 0 && o->history_ttl_s != 0;

    if ((o->history_size == 0) != (o->history_ttl_s == 0))
        return refuse(c, o->history_size ? "history_size" : "history_ttl",
                      "both history size and history ttl required for history");
    if (kept && o->history_ttl_s > meta_s) {
        const char *ttl = gush__refusal_duration(arena, o->history_ttl_s * 1000000000);
        const char *meta = gush__refusal_duration(arena, meta_s * 1000000000);
        return refuse(c, "history_ttl",
                      gush__arena_printf(arena,
                                         "history ttl (%s) can not be greater than history meta "
                                         "ttl (%s)",
                                         ttl, meta));
    }
    if (o->force_recovery && !kept)
        return refuse(c, "force_recovery",
                      "both history size and history ttl required for recovery");
    return GUSH_OK;
}

/* Dropped publications would leave holes that a position must not have. */
static gush_err check_queue_policy(const struct channel_check *c)
{
    const struct gush_channel_options *o = c->o;
    const char *with = o->force_positioning   ? "force_positioning"
                       : o->allow_positioning ? "allow_positioning"
                       : o->force_recovery    ? "force_recovery"
                       : o->allow_recovery    ? "allow_recovery"
                                              : NULL;

    if (o->queue_policy == GUSH_QUEUE_DISCONNECT || with == NULL)
        return GUSH_OK;
    return refuse(c, "queue_policy",
                  gush__arena_printf(
                      &c->l->memory->arena,
                      "queue_policy %s drops publications and can not be used together with %s "
                      "(accepted: \"disconnect\", or no positioning and recovery)",
                      o->queue_policy == GUSH_QUEUE_LATEST ? "latest" : "drop_oldest", with));
}

static gush_err check_channel(const struct channel_check *c)
{
    gush_err err = check_history(c);

    return err == GUSH_OK ? check_queue_policy(c) : err;
}

static gush_err check_channels(struct gush__load *l)
{
    struct channel_check c = {.l = l, .target = &l->top, .from_file = true};
    gush_err err;

    c.o = &l->config->channel.without_namespace;
    err = check_channel(&c);
    for (size_t i = 0; i < l->namespaces_n && err == GUSH_OK; i++) {
        c.target = &l->namespaces[i].target;
        c.o = &l->namespaces[i].ns.options;
        c.from_file = l->namespaces[i].from_file;
        err = check_channel(&c);
    }
    return err;
}

/* ---- client ---------------------------------------------------------------------------------- */

static gush_err check_personal_channel(struct gush__load *l)
{
    static const char section[] = "client.subscribe_to_user_personal_channel";
    const struct gush_config *config = l->config;
    const char *name = config->client.subscribe_to_user_personal_channel.personal_channel_namespace;
    const struct gush_channel_options *options = &config->channel.without_namespace;

    if (!config->client.subscribe_to_user_personal_channel.enabled)
        return GUSH_OK;
    if (*name != '\0') {
        const struct gush_namespace *ns = gush__namespaces_find(config, gush_span_str(name));
        if (ns == NULL)
            return gush__load_fail(l, "namespace for user personal channel not found: %s%s", name,
                                   where_key(l, section));
        options = &ns->options;
    }
    if (!config->client.subscribe_to_user_personal_channel.single_connection || options->presence)
        return GUSH_OK;
    if (*name == '\0')
        return gush__load_fail(
            l, "presence must be enabled on top level to maintain single connection%s",
            where_key(l, section));
    return gush__load_fail(
        l, "presence must be enabled for namespace %s to maintain single connection%s", name,
        where_key(l, section));
}

static bool is_ascii(const char *s)
{
    while (*s != '\0' && (unsigned char)*s < 0x80)
        s++;
    return *s == '\0';
}

static gush_err check_uni_codes(struct gush__load *l)
{
    static const char section[] = "client.connect_code_to_unidirectional_disconnect";
    const struct gush_config *config = l->config;

    for (size_t i = 0; i < config->client.connect_code_to_unidirectional_disconnect.transforms_n;
         i++) {
        const struct gush_uni_code *t =
            &config->client.connect_code_to_unidirectional_disconnect.transforms[i];
        struct gush__arena *arena = &l->memory->arena;
        const char *path = gush__arena_printf(arena, "%s.transforms.[%zu]", section, i);

        if (t->code == 0)
            return gush__load_fail(l, "in %s: no code specified in transforms[%zu]%s", section, i,
                                   where_key(l, path));
        if (t->to_code == 0)
            return gush__load_fail(l, "in %s: no disconnect code specified in transforms[%zu].to%s",
                                   section, i, where_key(l, path));
        if (!is_ascii(t->to_reason))
            return gush__load_fail(l,
                                   "in %s: disconnect reason must be ASCII in transforms[%zu].to%s",
                                   section, i, where_key(l, path));
    }
    return GUSH_OK;
}

static gush_err check_client(struct gush__load *l)
{
    const struct gush_config *config = l->config;
    const char *claim = config->client.token.user_id_claim;

    if (claim[strspn(claim, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")] != '\0')
        return gush__load_fail(l,
                               "invalid token custom user ID claim: %s, must match ^[a-zA-Z_]+$ "
                               "regular expression%s",
                               claim, where_key(l, "client.token.user_id_claim"));
    if (config->client.ping_interval_ms <= config->client.pong_timeout_ms)
        return gush__load_fail(
            l, "ping_interval must be greater than pong_timeout%s",
            gush__validate_where(l, "client.ping_interval", "client.pong_timeout"));
    for (size_t i = 0; i < config->client.allowed_origins.n; i++)
        if (gush_glob_valid(gush_span_str(config->client.allowed_origins.items[i])) != GUSH_OK)
            return gush__load_fail(l,
                                   "client.allowed_origins: \"%s\" is not a pattern (accepted: "
                                   "text with *, ?, [a-z], {a,b})%s",
                                   config->client.allowed_origins.items[i],
                                   where_key(l, "client.allowed_origins"));
    return GUSH_OK;
}

/* ---- transports ------------------------------------------------------------------------------ */

/* Whoever is sent there gets no other answer: it must be one. */
static gush_err check_responses_of(struct gush__load *l, const char *transport,
                                   const struct gush_connect_responses *responses)
{
    for (size_t i = 0; i < responses->transforms_n; i++) {
        const struct gush_connect_response *t = &responses->transforms[i];
        const char *path = gush__arena_printf(
            &l->memory->arena, "%s.connect_code_to_http_response.transforms.[%zu]", transport, i);

        if (t->code == 0)
            return gush__load_fail(l,
                                   "in %s.connect_code_to_http_status.transforms: code should be "
                                   "set in connect_code_to_http_status.transforms[%zu]%s",
                                   transport, i, where_key(l, path));
        if (t->to_status_code == 0)
            return gush__load_fail(
                l,
                "in %s.connect_code_to_http_status.transforms: status_code should be set in "
                "connect_code_to_http_status.transforms[%zu].to_response%s",
                transport, i, where_key(l, path));
        if (t->to_status_code < 200 || t->to_status_code > 599)
            return gush__load_fail(l,
                                   "%s.to.status_code: %lld is no status (accepted: 200 to 599)%s",
                                   path, (long long)t->to_status_code, where_key(l, path));
    }
    return GUSH_OK;
}

static gush_err check_responses(struct gush__load *l)
{
    const struct gush_config *config = l->config;
    gush_err err = check_responses_of(l, "uni_sse", &config->uni_sse.connect_code_to_http_response);

    if (err != GUSH_OK)
        return err;
    return check_responses_of(l, "uni_http_stream",
                              &config->uni_http_stream.connect_code_to_http_response);
}

/* ---- all ------------------------------------------------------------------------------------- */

gush_err gush__validate(struct gush__load *l)
{
    static gush_err (*const checks[])(struct gush__load *) = {
        gush__validate_listeners, check_client,    gush__namespaces_finish, check_channels,
        check_personal_channel,   check_uni_codes, check_responses,
    };
    gush_err err = GUSH_OK;

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && err == GUSH_OK; i++)
        err = checks[i](l);
    return err;
}

void gush__validate_warn(struct gush__load *l)
{
    const struct gush_config *config = l->config;

    if (config->client.insecure)
        gush__load_warn(l, "INSECURE client mode enabled, make sure you understand risks", "key",
                        "client.insecure");
    if (config->http_api.insecure)
        gush__load_warn(l, "INSECURE HTTP API mode enabled, make sure you understand risks", "key",
                        "http_api.insecure");
    if (config->client.insecure_skip_token_signature_verify)
        gush__load_warn(l,
                        "INSECURE skip token signature verify enabled, make sure you understand "
                        "risks",
                        "key", "client.insecure_skip_token_signature_verify");
    if (config->debug.enabled)
        gush__load_warn(l, "DEBUG mode enabled", "key", "debug.enabled");
    for (size_t i = 0; i < config->client.allowed_origins.n; i++)
        if (strcmp(config->client.allowed_origins.items[i], "*") == 0)
            gush__load_warn(l, "allowed_origins * is discouraged, any web page may connect", "key",
                            "client.allowed_origins");
}

/* ---- what follows from other values ---------------------------------------------------------- */

/* Zeros that got past the defaults, from the environment: the engine's own idea of them. */
static void settle_zeros(struct gush_config *config)
{
    const struct {
        int64_t *field, instead;
    } zeros[] = {
        {&config->client.channel_limit, 128},
        {&config->client.queue_max_size, 1048576},
        {&config->client.ping_interval_ms, 25000},
        {&config->client.stale_close_delay_ms, 15000},
        {&config->client.presence_update_interval_ms, 25000},
        {&config->channel.max_length, 255},
    };

    for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
        if (*zeros[i].field == 0)
            *zeros[i].field = zeros[i].instead;
    if (config->client.connection_limit < 0)
        config->client.connection_limit = 0;
    if (config->client.connection_rate_limit < 0)
        config->client.connection_rate_limit = 0;
    if (config->client.user_connection_limit < 0)
        config->client.user_connection_limit = 0;
}

static void settle_format(const struct gush_config *config, struct gush_channel_options *options)
{
    options->data_format_set = options->data_format != GUSH_DATA_ANY;
    if (!options->data_format_set)
        options->data_format = config->channel.data_format;
}

static char *default_node_name(struct gush__load *l)
{
    char host[256] = "?";

    if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
        (void)snprintf(host, sizeof(host), "?");
    return gush__arena_printf(&l->memory->arena, "%s_%lld", host,
                              (long long)l->config->http_server.port);
}

void gush__validate_settle(struct gush__load *l)
{
    struct gush_config *config = l->config;

    gush__validate_listeners_settle(l);
    settle_format(config, &config->channel.without_namespace);
    for (size_t i = 0; i < config->channel.namespaces_n; i++)
        settle_format(config, &config->channel.namespaces[i].options);
    if (*config->node_name == '\0')
        config->node_name = default_node_name(l);
    settle_zeros(config);
}
