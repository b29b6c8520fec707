/* stream: many commands in one body, one after the other, as clients sent them before every method
 * had a path of its own:
 *
 *     {"id":1,"method":"publish","params":{...}}{"id":2,...}
 *
 * Each is answered with a line. A command that makes no sense spoils the whole body; what stood
 * before it has been done. Params that make no sense are that command's error 107. */
#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/base/codes.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/codec/json_scan.h"

#include "api/http/from_json.h"
#include "api/http/http_priv.h"
#include "api/http/to_json.h"

/* Methods by their numbers. Those of the reference's PRO edition, and those that are not here, are
 * known by name, and answered with error 104. */
static const char *const names[] = {
    "publish",
    "broadcast",
    "unsubscribe",
    "disconnect",
    "presence",
    "presence_stats",
    "history",
    "history_remove",
    "channels",
    "info",
    "rpc",
    "subscribe",
    "refresh",
    NULL,
    "connections",
    "update_user_status",
    "get_user_status",
    "delete_user_status",
    "block_user",
    "unblock_user",
    "revoke_token",
    "invalidate_user_tokens",
    "device_register",
    "device_update",
    "device_remove",
    "device_list",
    "device_topic_list",
    "device_topic_update",
    "user_topic_list",
    "user_topic_update",
    "send_push_notification",
    "update_push_status",
    "cancel_push",
    "map_publish",
    "map_remove",
    "map_read_state",
    "map_read_stream",
    "map_stats",
    "map_clear",
    "shared_poll_publish",
};

#define NAMES_N ((int32_t)(sizeof(names) / sizeof(names[0])))

struct gush__api_stream {
    struct gush_bytes *text;
    struct gush_json_scan scan; /* over it */
    struct gush_buf out;
    size_t commands_n;
    uint32_t id;       /* of the command under way */
    unsigned status;   /* not 200: no more commands, this is the answer */
    bool busy, inside; /* a command is under way; go_on is */
};

struct command {
    uint32_t id;
    int32_t method;
    struct gush_span params; /* empty: none */
};

/* ---- Commands -------------------------------------------------------------------------------- */

static gush_err read_id(struct gush_json_value v, uint32_t *out)
{
    uint64_t id;
    gush_err err;

    if (v.type == GUSH_JSON_NULL)
        return GUSH_OK;
    err = gush_json_u64(v, &id);
    if (err == GUSH_OK && id > UINT32_MAX)
        err = GUSH_ERANGE;
    if (err == GUSH_OK)
        *out = (uint32_t)id;
    return err;
}

/* A name in any case, compared as it was written, or a number. */
static gush_err read_method(struct gush_json_value v, int32_t *out)
{
    int64_t number;
    gush_err err;

    if (v.type == GUSH_JSON_STRING) {
        struct gush_span name = gush_span_of(v.raw.p + 1, v.raw.n - 2);

        for (int32_t i = 0; i < NAMES_N; i++) {
            if (names[i] && gush_span_eq_nocase(name, gush_span_str(names[i]))) {
                *out = i;
                return GUSH_OK;
            }
        }
        return GUSH_EUNKNOWN;
    }
    err = gush_json_i64(v, &number);
    if (err == GUSH_OK)
        *out = number >= 0 && number < NAMES_N ? (int32_t)number : NAMES_N;
    return err;
}

static gush_err read_command(struct gush_json_value v, struct command *out)
{
    struct gush_json_iter it;
    struct gush_json_value value;
    struct gush_span key;
    gush_err err = GUSH_OK;

    *out = (struct command){0};
    if (v.type == GUSH_JSON_NULL)
        return GUSH_OK;
    if (v.type != GUSH_JSON_OBJECT)
        return GUSH_ETYPE;
    it = gush_json_members(v);
    while (err == GUSH_OK && gush_json_member(&it, &key, &value)) {
        if (gush_json_key_is(key, "id"))
            err = read_id(value, &out->id);
        else if (gush_json_key_is(key, "method"))
            err = read_method(value, &out->method);
        else if (gush_json_key_is(key, "params"))
            out->params = value.raw;
    }
    return err;
}

/* ---- Replies --------------------------------------------------------------------------------- */

static void go_on(struct gush__api_request *r);

/* Says that the command under way has |message| as its |member|. */
static void reply(struct gush__api_request *r, const char *member, const ProtobufCMessage *message)
{
    struct gush__api_stream *s = r->stream;
    gush_err err;

    if (s->out.n > 0)
        gush_buf_put_u8(&s->out, '\n');
    gush_buf_put_u8(&s->out, '{');
    if (s->id != 0) {
        gush_buf_put_str(&s->out, "\"id\":");
        gush_buf_put_u64(&s->out, s->id);
        gush_buf_put_u8(&s->out, ',');
    }
    gush_buf_put_u8(&s->out, '"');
    gush_buf_put_str(&s->out, member);
    gush_buf_put_str(&s->out, "\":");
    err = gush_to_json(message, &s->out);
    gush_buf_put_u8(&s->out, '}');
    if (err == GUSH_OK && gush_buf_ok(&s->out))
        return;
    gush_log(GUSH_LOG_ERROR, "an API answer cannot be written",
             GUSH_F("why", err == GUSH_ESYNTAX ? "a payload is not JSON" : gush_err_text(err)));
    s->status = 500;
}

static void reply_error(struct gush__api_request *r, uint32_t code)
{
    reply(r, "error", gush_methods_error(&r->arena, code));
    gush_arena_fini(&r->arena);
}

static void command_done(struct gush_method_run *run)
{
    struct gush__api_request *r = GUSH_CONTAINER(run, struct gush__api_request, run);

    if (run->lost) {
        gush_methods_fini(run);
        gush__api_drop(r);
        return;
    }
    if (run->error != GUSH_ERROR_NONE)
        reply(r, "error", gush_methods_error(&r->arena, run->error));
    else
        reply(r, "result", run->result);
    gush_methods_fini(run);
    gush_arena_fini(&r->arena);
    r->stream->busy = false;
    go_on(r);
}

/* ---- One after the other --------------------------------------------------------------------- */

static void start(struct gush__api_request *r, const struct command *c)
{
    const struct gush_method *method =
        c->method < NAMES_N && names[c->method]
            ? gush_methods_find_member(gush_span_str(names[c->method]))
            : NULL;
    ProtobufCMessage *request = NULL;
    struct gush_span params = c->params;

    r->stream->id = c->id;
    if (method == NULL) {
        reply_error(r, GUSH_ERROR_METHOD_NOT_FOUND);
        return;
    }
    if (method->request->n_fields == 0)
        params = GUSH_SPAN_LIT("{}"); /* nobody looks at them */
    if (gush_from_json(method->request, params, &r->arena, &request, NULL) != GUSH_OK) {
        reply_error(r, GUSH_ERROR_BAD_REQUEST);
        return;
    }
    r->run.method = method;
    r->run.request = request;
    r->stream->busy = true;
    gush_methods_run(&r->run);
}

/* False: there is no more, or something that is no command. */
static bool next(struct gush__api_request *r)
{
    struct gush__api_stream *s = r->stream;
    struct gush_json_value v;
    struct command c;

    if (s->status != 200)
        return false;
    if (!gush_json_next(&s->scan, &v)) {
        if (s->scan.err != GUSH_EMORE)
            s->status = 400;
    } else if (s->commands_n++ == GUSH_METHODS_MEMBERS_MAX) {
        s->status = 413;
    } else if (read_command(v, &c) != GUSH_OK) {
        s->status = 400;
    } else {
        start(r, &c);
        return true;
    }
    return false;
}

static void finish(struct gush__api_request *r)
{
    struct gush__api_stream *s = r->stream;

    if (s->status == 400)
        gush_log(GUSH_LOG_WARN, "API commands cannot be read", GUSH_FU("after", s->commands_n));
    if (s->status == 200)
        gush__api_answer(r, 200, gush_buf_span(&s->out));
    else
        gush__api_refuse(r, s->status);
}

/* A command that ends inside its own start comes back to this loop. */
static void go_on(struct gush__api_request *r)
{
    struct gush__api_stream *s = r->stream;
    bool has_more = true;

    if (s->inside)
        return;
    s->inside = true;
    while (has_more && !s->busy)
        has_more = next(r);
    s->inside = false;
    if (!s->busy)
        finish(r);
}

void gush__api_stream_begin(struct gush__api_request *r, struct gush_span body)
{
    struct gush__api_stream *s;

    if (body.n == 0) {
        gush__api_refuse(r, 400);
        return;
    }
    s = GUSH_NEW(struct gush__api_stream);
    s->text = gush_bytes_copy(body);
    s->status = 200;
    gush_json_scan_init(&s->scan, gush_bytes_span(s->text));
    gush_buf_init(&s->out, GUSH_API_HTTP_ANSWER_MAX);
    r->stream = s;
    r->run.done = command_done;
    r->run.errors_uncounted = true;
    go_on(r);
}

void gush__api_stream_free(struct gush__api_stream *s)
{
    if (s == NULL)
        return;
    gush_bytes_unref(s->text);
    gush_buf_fini(&s->out);
    gush_free(s);
}
