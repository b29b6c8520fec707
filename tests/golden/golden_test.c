/* golden_test: encodes the cases of *.frames files and compares the bytes (see README.md here).
 *
 * Exit 0: every case of every file gave the expected bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/buf.h"

#include "server/codec/push_encode.h"
#include "server/codec/reply_encode.h"

#define LINE_MAX_BYTES 8192
#define LIST_MAX       8
#define EXPECT_MAX     GUSH_FORMS_N

/* ---- one case */

struct expectation {
    enum gush_form form;
    bool refused;
    struct gush_span bytes;
    int line;
};

struct golden {
    char name[128];
    bool has_rule, is_push, is_reply;
    struct gush_push push;
    struct gush_reply reply;
    struct gush_pub pubs[LIST_MAX];
    struct gush_tag tags[LIST_MAX][LIST_MAX];
    struct gush_client_info infos[LIST_MAX];
    struct gush_sub_result subs[LIST_MAX];
    struct gush_connect_result connect;
    size_t pubs_n, infos_n, subs_n;
    struct expectation expects[EXPECT_MAX];
    size_t expects_n;
};

struct reader {
    const char *path;
    int line;
    struct gush_buf text; /* values of the current case; spans point into it, so it never moves */
    struct golden g;
    unsigned cases_n, failed_n;
};

static _Noreturn void die(const struct reader *r, const char *what, const char *which)
{
    fprintf(stderr, "%s:%d: %s: %s\n", r->path, r->line, what, which);
    exit(2);
}

/* ---- members by name */

enum object { PUSH, REPLY, PUB, INFO, SUB, CONNECT };
enum kind { SPAN, BOOL, U32, U64, I64 };

struct member {
    const char *name;
    enum object object;
    enum kind kind;
    size_t offset;
};

#define M(text, object, kind, type, field)                                                         \
    {                                                                                              \
        text, object, kind, offsetof(struct type, field)                                           \
    }

static const struct member members[] = {
    M("push.channel", PUSH, SPAN, gush_push, channel),
    M("push.code", PUSH, U32, gush_push, u.end.code),
    M("push.reason", PUSH, SPAN, gush_push, u.end.reason),
    M("push.message", PUSH, SPAN, gush_push, u.message),
    M("push.recoverable", PUSH, BOOL, gush_push, u.subscribe.recoverable),
    M("push.positioned", PUSH, BOOL, gush_push, u.subscribe.positioned),
    M("push.epoch", PUSH, SPAN, gush_push, u.subscribe.epoch),
    M("push.offset", PUSH, U64, gush_push, u.subscribe.offset),
    M("push.data", PUSH, SPAN, gush_push, u.subscribe.data),
    M("push.expires", PUSH, BOOL, gush_push, u.refresh.expires),
    M("push.ttl", PUSH, U32, gush_push, u.refresh.ttl_s),
    M("reply.error", REPLY, U32, gush_reply, u.error),
    M("reply.clients", REPLY, U32, gush_reply, u.presence_stats.clients),
    M("reply.users", REPLY, U32, gush_reply, u.presence_stats.users),
    M("reply.epoch", REPLY, SPAN, gush_reply, u.history.epoch),
    M("reply.offset", REPLY, U64, gush_reply, u.history.offset),
    M("reply.rpc", REPLY, SPAN, gush_reply, u.rpc),
    M("reply.expires", REPLY, BOOL, gush_reply, u.refresh.expires),
    M("reply.ttl", REPLY, U32, gush_reply, u.refresh.ttl_s),
    M("pub.data", PUB, SPAN, gush_pub, data),
    M("pub.offset", PUB, U64, gush_pub, offset),
    M("pub.delta", PUB, BOOL, gush_pub, delta),
    M("pub.time", PUB, I64, gush_pub, time_ms),
    M("pub.channel", PUB, SPAN, gush_pub, channel),
    M("pub.key", PUB, SPAN, gush_pub, key),
    M("pub.removed", PUB, BOOL, gush_pub, removed),
    M("pub.score", PUB, I64, gush_pub, score),
    M("pub.epoch", PUB, SPAN, gush_pub, epoch),
    M("pub.prev_data", PUB, SPAN, gush_pub, prev_data),
    M("pub.version", PUB, U64, gush_pub, version),
    M("info.user", INFO, SPAN, gush_client_info, user),
    M("info.client", INFO, SPAN, gush_client_info, client),
    M("info.conn_info", INFO, SPAN, gush_client_info, conn_info),
    M("info.chan_info", INFO, SPAN, gush_client_info, chan_info),
    M("sub.channel", SUB, SPAN, gush_sub_result, channel),
    M("sub.expires", SUB, BOOL, gush_sub_result, expires),
    M("sub.ttl", SUB, U32, gush_sub_result, ttl_s),
    M("sub.recoverable", SUB, BOOL, gush_sub_result, recoverable),
    M("sub.epoch", SUB, SPAN, gush_sub_result, epoch),
    M("sub.recovered", SUB, BOOL, gush_sub_result, recovered),
    M("sub.offset", SUB, U64, gush_sub_result, offset),
    M("sub.positioned", SUB, BOOL, gush_sub_result, positioned),
    M("sub.data", SUB, SPAN, gush_sub_result, data),
    M("sub.was_recovering", SUB, BOOL, gush_sub_result, was_recovering),
    M("sub.delta", SUB, BOOL, gush_sub_result, delta),
    M("connect.client", CONNECT, SPAN, gush_connect_result, client),
    M("connect.version", CONNECT, SPAN, gush_connect_result, version),
    M("connect.expires", CONNECT, BOOL, gush_connect_result, expires),
    M("connect.ttl", CONNECT, U32, gush_connect_result, ttl_s),
    M("connect.data", CONNECT, SPAN, gush_connect_result, data),
    M("connect.ping", CONNECT, U32, gush_connect_result, ping_s),
    M("connect.pong", CONNECT, BOOL, gush_connect_result, pong),
    M("connect.session", CONNECT, SPAN, gush_connect_result, session),
    M("connect.node", CONNECT, SPAN, gush_connect_result, node),
    M("connect.time", CONNECT, I64, gush_connect_result, time_ms),
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void start(struct reader *r, enum object object)
{
    struct golden *g = &r->g;
    size_t n = object == PUB ? g->pubs_n : object == INFO ? g->infos_n : g->subs_n;

    if (n == LIST_MAX)
        die(r, "too many in one case", "new");
    if (object == INFO) {
        g->infos_n++;
    } else if (object == SUB) {
        g->subs[g->subs_n++].publications = &g->pubs[g->pubs_n];
    } else {
        g->pubs_n++;
        if (g->subs_n > 0)
            g->subs[g->subs_n - 1].publications_n++;
    }
}

/* The object a member line is about; the first of a list comes into being here. */
static void *object_of(struct reader *r, enum object object)
{
    struct golden *g = &r->g;

    switch (object) {
    case PUSH:
        return &g->push;
    case REPLY:
        return &g->reply;
    case CONNECT:
        return &g->connect;
    case PUB:
        if (g->pubs_n == 0)
            start(r, PUB);
        return &g->pubs[g->pubs_n - 1];
    case INFO:
        if (g->infos_n == 0)
            start(r, INFO);
        return &g->infos[g->infos_n - 1];
    case SUB:
        break;
    }
    if (g->subs_n == 0)
        start(r, SUB);
    return &g->subs[g->subs_n - 1];
}

static void set_member(struct reader *r, const struct member *m, struct gush_span value,
                       const char *text)
{
    void *at = (char *)object_of(r, m->object) + m->offset;
    char *end = NULL;

    switch (m->kind) {
    case SPAN:
        *(struct gush_span *)at = value;
        return;
    case BOOL:
        if (!gush_span_eq_str(value, "true"))
            die(r, "only true is worth saying", m->name);
        *(bool *)at = true;
        return;
    case U32:
        *(uint32_t *)at = (uint32_t)strtoul(text, &end, 10);
        break;
    case U64:
        *(uint64_t *)at = strtoull(text, &end, 10);
        break;
    case I64:
        *(int64_t *)at = strtoll(text, &end, 10);
        break;
    }
    if (end == text || *end)
        die(r, "not a number", text);
}

/* ---- values */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static uint8_t hex_byte(const struct reader *r, const char *p)
{
    int high = hex_of(p[0]), low = high < 0 ? -1 : hex_of(p[1]);

    if (low < 0)
        die(r, "not hex", p);
    return (uint8_t)(high << 4 | low);
}

static struct gush_span kept(struct reader *r, size_t start_n)
{
    if (!gush_buf_ok(&r->text))
        die(r, "case too long", r->g.name);
    return gush_span_of(r->text.p + start_n, r->text.n - start_n);
}

static struct gush_span keep_text(struct reader *r, const char *text, bool escapes)
{
    size_t start_n = r->text.n;

    for (const char *p = text; *p; p++) {
        if (!escapes || *p != '\\') {
            gush_buf_put_u8(&r->text, (uint8_t)*p);
            continue;
        }
        switch (*++p) {
        case 'n':
            gush_buf_put_u8(&r->text, '\n');
            break;
        case 'r':
            gush_buf_put_u8(&r->text, '\r');
            break;
        case 't':
            gush_buf_put_u8(&r->text, '\t');
            break;
        case '\\':
            gush_buf_put_u8(&r->text, '\\');
            break;
        case 'x':
            gush_buf_put_u8(&r->text, hex_byte(r, p + 1));
            p += 2;
            break;
        default:
            die(r, "unknown escape", text);
        }
    }
    return kept(r, start_n);
}

static struct gush_span keep_hex(struct reader *r, const char *text)
{
    size_t start_n = r->text.n;

    for (const char *p = text; *p;) {
        if (*p == ' ') {
            p++;
            continue;
        }
        gush_buf_put_u8(&r->text, hex_byte(r, p));
        p += 2;
    }
    return kept(r, start_n);
}

/* ---- running a case */

static enum gush_form form_by_name(const struct reader *r, const char *name)
{
    static const char *const names[GUSH_FORMS_N] = {
#define X(form, format, dialect, framing) #form,
        GUSH_FORM_MAP(X)
#undef X
    };

    for (size_t i = 0; i < GUSH_FORMS_N; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum gush_form)i;
    }
    die(r, "unknown form", name);
}

static void show(const char *label, struct gush_span s, bool hex)
{
    fprintf(stderr, "  %s ", label);
    for (size_t i = 0; i < s.n; i++) {
        if (hex)
            fprintf(stderr, "%02x", s.p[i]);
        else if (s.p[i] >= 0x20 && s.p[i] < 0x7f)
            fputc(s.p[i], stderr);
        else
            fprintf(stderr, "\\x%02x", s.p[i]);
    }
    fputc('\n', stderr);
}

/* Hands the parts of the case to the message that wants them. */
static void assemble(struct golden *g)
{
    g->connect.subs = g->subs;
    g->connect.subs_n = g->subs_n;
    if (g->is_push && g->push.kind == GUSH_PUSH_PUB)
        g->push.u.pub = &g->pubs[0];
    if (g->is_push && g->push.kind == GUSH_PUSH_CONNECT)
        g->push.u.connect = &g->connect;
    if (g->is_push && (g->push.kind == GUSH_PUSH_JOIN || g->push.kind == GUSH_PUSH_LEAVE))
        g->push.u.info = g->infos_n ? &g->infos[0] : NULL;
    if (g->is_push)
        return;
    if (g->reply.kind == GUSH_REPLY_CONNECT)
        g->reply.u.connect = &g->connect;
    if (g->reply.kind == GUSH_REPLY_SUBSCRIBE)
        g->reply.u.subscribe = &g->subs[0];
    if (g->reply.kind == GUSH_REPLY_PRESENCE) {
        g->reply.u.presence.clients = g->infos;
        g->reply.u.presence.n = g->infos_n;
    }
    if (g->reply.kind == GUSH_REPLY_HISTORY) {
        g->reply.u.history.publications = g->pubs;
        g->reply.u.history.n = g->pubs_n;
    }
}

static bool check(const struct reader *r, const struct expectation *e)
{
    const struct golden *g = &r->g;
    bool hex = gush_form_format(e->form) == GUSH_PROTOBUF, ok;
    struct gush_bytes *got = NULL;
    gush_err err = g->is_push ? gush_push_encode(&g->push, e->form, &got)
                              : gush_reply_encode(&g->reply, e->form, &got);

    if (e->refused)
        ok = err == GUSH_ESYNTAX && got == NULL;
    else
        ok = err == GUSH_OK && gush_span_eq(gush_bytes_span(got), e->bytes);
    if (!ok) {
        fprintf(stderr, "%s:%d: %s: %s\n", r->path, e->line, g->name,
                err == GUSH_OK ? "other bytes" : gush_err_text(err));
        show("want", e->bytes, hex);
        show("got ", gush_bytes_span(got), hex);
    }
    gush_bytes_unref(got);
    return ok;
}

static void run_case(struct reader *r)
{
    struct golden *g = &r->g;
    bool ok = true;

    if (g->name[0] == '\0')
        return;
    if (!g->has_rule || g->is_push == g->is_reply || g->expects_n == 0)
        die(r, "case wants a rule, one of push and reply, and an expectation", g->name);
    assemble(g);
    for (size_t i = 0; i < g->expects_n; i++)
        ok = check(r, &g->expects[i]) && ok;
    r->cases_n++;
    r->failed_n += !ok;
    memset(g, 0, sizeof(*g));
    gush_buf_reset(&r->text);
}

/* ---- lines */

static const char *const push_kinds[] = {
    [GUSH_PUSH_PING] = "ping",
    [GUSH_PUSH_PUB] = "pub",
    [GUSH_PUSH_JOIN] = "join",
    [GUSH_PUSH_LEAVE] = "leave",
    [GUSH_PUSH_UNSUBSCRIBE] = "unsubscribe",
    [GUSH_PUSH_MESSAGE] = "message",
    [GUSH_PUSH_SUBSCRIBE] = "subscribe",
    [GUSH_PUSH_CONNECT] = "connect",
    [GUSH_PUSH_DISCONNECT] = "disconnect",
    [GUSH_PUSH_REFRESH] = "refresh",
};

static const char *const reply_kinds[] = {
    [GUSH_REPLY_ERROR] = "error",
    [GUSH_REPLY_CONNECT] = "connect",
    [GUSH_REPLY_SUBSCRIBE] = "subscribe",
    [GUSH_REPLY_UNSUBSCRIBE] = "unsubscribe",
    [GUSH_REPLY_PUBLISH] = "publish",
    [GUSH_REPLY_PRESENCE] = "presence",
    [GUSH_REPLY_PRESENCE_STATS] = "presence_stats",
    [GUSH_REPLY_HISTORY] = "history",
    [GUSH_REPLY_RPC] = "rpc",
    [GUSH_REPLY_REFRESH] = "refresh",
    [GUSH_REPLY_SUB_REFRESH] = "sub_refresh",
};

static unsigned kind_by_name(const struct reader *r, const char *const *names, size_t n,
                             const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            return (unsigned)i;
    }
    die(r, "unknown kind", name);
}

/* Cuts |line| behind its first word and returns the rest. */
static char *split(char *line)
{
    char *blank = strchr(line, ' ');

    if (blank == NULL)
        return line + strlen(line);
    *blank = '\0';
    return blank + 1;
}

static void add_expectation(struct reader *r, char *rest, bool refused, bool escapes)
{
    struct golden *g = &r->g;
    struct expectation *e = &g->expects[g->expects_n];
    char *bytes = split(rest);

    if (g->expects_n == EXPECT_MAX)
        die(r, "too many expectations", g->name);
    g->expects_n++;
    e->form = form_by_name(r, rest);
    e->refused = refused;
    e->line = r->line;
    if (gush_form_format(e->form) == GUSH_PROTOBUF)
        e->bytes = keep_hex(r, bytes);
    else
        e->bytes = keep_text(r, bytes, escapes);
}

static void add_tag(struct reader *r, const char *text, bool escapes)
{
    struct gush_pub *pub = object_of(r, PUB);
    struct gush_tag *tags = r->g.tags[r->g.pubs_n - 1];
    struct gush_span s = keep_text(r, text, escapes);
    const uint8_t *eq = memchr(s.p, '=', s.n);

    if (eq == NULL || pub->tags_n == LIST_MAX)
        die(r, "tag wants key=value", text);
    pub->tags = tags;
    tags[pub->tags_n].key = gush_span_of(s.p, (size_t)(eq - s.p));
    tags[pub->tags_n++].value = gush_span_of(eq + 1, s.n - (size_t)(eq - s.p) - 1);
}

static void new_object(struct reader *r, const char *what)
{
    if (strcmp(what, "pub") == 0)
        start(r, PUB);
    else if (strcmp(what, "info") == 0)
        start(r, INFO);
    else if (strcmp(what, "sub") == 0)
        start(r, SUB);
    else
        die(r, "new what", what);
}

static void take_member(struct reader *r, const char *name, const char *value, bool escapes)
{
    if (strcmp(name, "pub.tag") == 0) {
        add_tag(r, value, escapes);
        return;
    }
    if (strcmp(name, "pub.info") == 0) {
        struct gush_pub *pub = object_of(r, PUB);
        pub->info = object_of(r, INFO);
        return;
    }
    for (size_t i = 0; i < COUNT(members); i++) {
        if (strcmp(members[i].name, name) == 0) {
            set_member(r, &members[i], keep_text(r, value, escapes), value);
            return;
        }
    }
    die(r, "unknown word", name);
}

static void take_line(struct reader *r, char *line)
{
    struct golden *g = &r->g;
    char *rest = split(line), *dash = strrchr(line, '-');
    bool escapes = dash && strcmp(dash, "-c") == 0;

    if (escapes)
        *dash = '\0';
    if (strcmp(line, "case") == 0) {
        snprintf(g->name, sizeof(g->name), "%s", rest);
    } else if (strcmp(line, "rule") == 0) {
        g->has_rule = true;
    } else if (strcmp(line, "push") == 0) {
        g->is_push = true;
        g->push.kind = kind_by_name(r, push_kinds, COUNT(push_kinds), rest);
    } else if (strcmp(line, "reply") == 0) {
        char *kind = split(rest);
        g->is_reply = true;
        g->reply.id = (uint32_t)strtoul(rest, NULL, 10);
        g->reply.kind = kind_by_name(r, reply_kinds, COUNT(reply_kinds), kind);
    } else if (strcmp(line, "new") == 0) {
        new_object(r, rest);
    } else if (strcmp(line, "expect") == 0 || strcmp(line, "refuse") == 0) {
        add_expectation(r, rest, line[0] == 'r', escapes);
    } else {
        take_member(r, line, rest, escapes);
    }
}

static void run_file(struct reader *r, const char *path)
{
    static char line[LINE_MAX_BYTES];
    unsigned before = r->cases_n;
    FILE *f = fopen(path, "r");

    r->path = path;
    r->line = 0;
    if (f == NULL)
        die(r, "cannot open", path);
    while (fgets(line, sizeof(line), f)) {
        size_t n = strcspn(line, "\n");

        r->line++;
        if (line[n] == '\0' && n == sizeof(line) - 1)
            die(r, "line too long", r->g.name);
        line[n] = '\0';
        if (n == 0)
            run_case(r);
        else if (line[0] != '#')
            take_line(r, line);
    }
    run_case(r);
    fclose(f);
    if (r->cases_n == before)
        die(r, "no case in", path);
}

int main(int argc, char **argv)
{
    static struct reader r;

    gush_buf_init(&r.text, 1 << 20);
    (void)gush_buf_reserve(&r.text, 1 << 20); /* all of it, so that spans into it stay */
    for (int i = 1; i < argc; i++)
        run_file(&r, argv[i]);
    gush_buf_fini(&r.text);
    if (gush_bytes_live() != 0) {
        fprintf(stderr, "%" PRIu64 " encoded messages leaked\n", gush_bytes_live());
        return 1;
    }
    printf("%u golden cases, %u failed\n", r.cases_n, r.failed_n);
    return r.failed_n == 0 && r.cases_n > 0 ? 0 : 1;
}
