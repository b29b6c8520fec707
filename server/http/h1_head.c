#include "server/http/h1_head.h"

#include "server/base/assert.h"
#include "server/base/cursor.h"
#include "server/base/text.h"

/* ---- finding the end ------------------------------------------------------------------------ */

gush_err gush_h1_head_end(struct gush_span in, size_t *looked, size_t *head_n, const char **why)
{
    size_t i = *looked;

    GUSH_ASSERT(i <= in.n);
    for (; i < in.n; i++) {
        uint8_t c = in.p[i];

        if (c >= ' ')
            continue;
        if (c == '\0')
            return gush_fail(why, GUSH_ESYNTAX, "NUL in the head");
        if (c == '\n') {
            if (i == 0 || in.p[i - 1] != '\r')
                return gush_fail(why, GUSH_ESYNTAX, "LF without CR");
            if (i == 3 && in.p[1] == '\n')
                return gush_fail(why, GUSH_ESYNTAX, "empty lines before the request");
            if (i > 3 && in.p[i - 2] == '\n') {
                *head_n = *looked = i + 1;
                return GUSH_OK;
            }
        } else if (c == '\r' && i + 1 < in.n && in.p[i + 1] != '\n') {
            return gush_fail(why, GUSH_ESYNTAX, "CR without LF");
        }
    }
    /* A CR at the very end is judged when the next byte is there. */
    *looked = i > 0 && in.p[i - 1] == '\r' ? i - 1 : i;
    return gush_fail(why, GUSH_EMORE, "the head goes on");
}

/* ---- characters ----------------------------------------------------------------------------- */

static bool is_tchar(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    switch (c) {
    case '!':
    case '#':
    case '$':
    case '%':
    case '&':
    case '\'':
    case '*':
    case '+':
    case '-':
    case '.':
    case '^':
    case '_':
    case '`':
    case '|':
    case '~':
        return true;
    default:
        return false;
    }
}

bool gush_h1_head_is_token(struct gush_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_tchar(s.p[i]))
            return false;
    }
    return s.n > 0;
}

/* Visible characters, blanks and bytes above ASCII; no other control character. */
static bool is_field_value(struct gush_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_host(struct gush_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c != '\0' && strchr("-._~%!$&'()*+,;=:[]", c) != NULL);
        if (!fine)
            return false;
    }
    return true;
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* The next line without its CR LF. */
static struct gush_span next_line(struct gush_cursor *c)
{
    const uint8_t *lf = memchr(c->p, '\n', gush_cursor_left(c));

    if (lf == NULL || lf == c->p || lf[-1] != '\r') {
        gush_cursor_fail(c, GUSH_ESYNTAX);
        return GUSH_SPAN_EMPTY;
    }
    struct gush_span line = gush_cursor_take(c, (uint64_t)(lf - c->p) + 1);
    line.n -= 2;
    return line;
}

/* What stands before the next |separator|, or everything; |*rest| what stands behind it. */
static struct gush_span split(struct gush_span s, char separator, struct gush_span *rest,
                              bool *found)
{
    const uint8_t *at = s.n ? memchr(s.p, separator, s.n) : NULL;

    *found = at != NULL;
    *rest = GUSH_SPAN_EMPTY;
    if (at == NULL)
        return s;
    *rest = gush_span_of(at + 1, s.n - (size_t)(at + 1 - s.p));
    return gush_span_of(s.p, (size_t)(at - s.p));
}

static bool starts_nocase(struct gush_span s, const char *prefix)
{
    struct gush_span p = gush_span_str(prefix);
    return s.n >= p.n && gush_span_eq_nocase(gush_span_of(s.p, p.n), p);
}

/* origin-form, or absolute-form whose authority is passed over. */
static gush_err parse_target(struct gush_span target, struct gush_h1_head *out, const char **why)
{
    bool found;

    if (gush_span_eq_str(out->method, "CONNECT")) /* its target is no path; and this is no proxy */
        return gush_fail(why, GUSH_ESYNTAX, "CONNECT");
    for (size_t i = 0; i < target.n; i++) {
        if (target.p[i] <= ' ' || target.p[i] >= 0x7f || target.p[i] == '#')
            return gush_fail(why, GUSH_ESYNTAX, "character not allowed in the target");
    }
    size_t scheme_n = starts_nocase(target, "http://")    ? 7
                      : starts_nocase(target, "https://") ? 8
                                                          : 0;
    if (scheme_n) {
        target = gush_span_of(target.p + scheme_n, target.n - scheme_n);
        size_t n = 0;
        while (n < target.n && target.p[n] != '/' && target.p[n] != '?')
            n++;
        if (n == 0 || !is_host(gush_span_of(target.p, n)))
            return gush_fail(why, GUSH_ESYNTAX, "malformed authority in the target");
        target = gush_span_of(target.p + n, target.n - n);
    } else if (gush_span_eq_str(target, "*") && gush_span_eq_str(out->method, "OPTIONS")) {
        out->path = target;
        return GUSH_OK;
    } else if (target.n == 0 || target.p[0] != '/') {
        return gush_fail(why, GUSH_ESYNTAX, "the target is not a path");
    }
    out->path = split(target, '?', &out->query, &found);
    if (out->path.n == 0)
        out->path = GUSH_SPAN_LIT("/");
    return GUSH_OK;
}

static gush_err parse_request_line(struct gush_span line, struct gush_h1_head *out,
                                   unsigned *status, const char **why)
{
    struct gush_span rest, version;
    bool found;

    out->method = split(line, ' ', &rest, &found);
    if (!found || out->method.n > GUSH_H1_METHOD_MAX || !gush_h1_head_is_token(out->method))
        return gush_fail(why, GUSH_ESYNTAX, "malformed method");
    struct gush_span target = split(rest, ' ', &version, &found);
    if (!found)
        return gush_fail(why, GUSH_ESYNTAX, "no version in the request line");
    if (gush_span_eq_str(version, "HTTP/1.1")) {
        out->version = GUSH_HTTP_1_1;
    } else if (gush_span_eq_str(version, "HTTP/1.0")) {
        out->version = GUSH_HTTP_1_0;
    } else if (version.n == 8 && memcmp(version.p, "HTTP/", 5) == 0 && version.p[5] >= '0' &&
               version.p[5] <= '9' && version.p[6] == '.' && version.p[7] >= '0' &&
               version.p[7] <= '9') {
        *status = 505;
        return gush_fail(why, GUSH_EUNKNOWN, "HTTP version not supported");
    } else {
        return gush_fail(why, GUSH_ESYNTAX, "malformed version");
    }
    return parse_target(target, out, why);
}

static gush_err parse_field(struct gush_span line, struct gush_http_field *out, const char **why)
{
    struct gush_span value;
    bool found;

    if (line.p[0] == ' ' || line.p[0] == '\t')
        return gush_fail(why, GUSH_ESYNTAX, "folded header line");
    out->name = split(line, ':', &value, &found);
    if (!found)
        return gush_fail(why, GUSH_ESYNTAX, "header line without a colon");
    if (!gush_h1_head_is_token(out->name))
        return gush_fail(why, GUSH_ESYNTAX, "malformed header name");
    out->value = gush_http_trim(value);
    if (!is_field_value(out->value))
        return gush_fail(why, GUSH_ESYNTAX, "control character in a header");
    return GUSH_OK;
}

/* ---- what the fields mean ------------------------------------------------------------------- */

struct meaning {
    unsigned hosts, lengths, codings;
    bool close, keep;
};

static gush_err read_connection(struct gush_span value, struct meaning *m, const char **why)
{
    bool more = true;

    while (more) {
        struct gush_span token = gush_http_trim(split(value, ',', &value, &more));
        if (token.n && !gush_h1_head_is_token(token))
            return gush_fail(why, GUSH_ESYNTAX, "malformed Connection");
        m->close |= gush_span_eq_nocase(token, GUSH_SPAN_LIT("close"));
        m->keep |= gush_span_eq_nocase(token, GUSH_SPAN_LIT("keep-alive"));
    }
    return GUSH_OK;
}

/* Some parsers take a tab behind a framing field for a part of it. |value| lies in a line that ends
 * with CR. */
static bool has_tab_behind(struct gush_span value)
{
    const uint8_t *p = value.p + value.n;

    while (*p == ' ')
        p++;
    return *p == '\t';
}

static gush_err read_length(struct gush_span value, struct gush_h1_head *out, struct meaning *m,
                            const char **why)
{
    if (m->lengths++)
        return gush_fail(why, GUSH_ESYNTAX, "more than one Content-Length");
    if (has_tab_behind(value) || gush_parse_u64(value, &out->content_length) != GUSH_OK ||
        out->content_length > GUSH_H1_CONTENT_LENGTH)
        return gush_fail(why, GUSH_ESYNTAX, "malformed Content-Length");
    return GUSH_OK;
}

static gush_err read_coding(struct gush_span value, struct gush_h1_head *out, struct meaning *m,
                            unsigned *status, const char **why)
{
    if (m->codings++)
        return gush_fail(why, GUSH_ESYNTAX, "more than one Transfer-Encoding");
    if (has_tab_behind(value))
        return gush_fail(why, GUSH_ESYNTAX, "tab behind Transfer-Encoding");
    if (!gush_span_eq_nocase(value, GUSH_SPAN_LIT("chunked"))) {
        *status = 501;
        return gush_fail(why, GUSH_EUNKNOWN, "transfer coding not supported");
    }
    out->chunked = true;
    return GUSH_OK;
}

static gush_err read_field(const struct gush_http_field *f, struct gush_h1_head *out,
                           struct meaning *m, unsigned *status, const char **why)
{
    switch (f->name.n) {
    case 4:
        if (!gush_span_eq_nocase(f->name, GUSH_SPAN_LIT("host")))
            break;
        if (m->hosts++)
            return gush_fail(why, GUSH_ESYNTAX, "more than one Host");
        if (!is_host(f->value))
            return gush_fail(why, GUSH_ESYNTAX, "malformed Host");
        out->host = f->value;
        break;
    case 6:
        if (!gush_span_eq_nocase(f->name, GUSH_SPAN_LIT("expect")))
            break;
        if (!gush_span_eq_nocase(f->value, GUSH_SPAN_LIT("100-continue"))) {
            *status = 417;
            return gush_fail(why, GUSH_EUNKNOWN, "expectation not known");
        }
        out->expect_continue = true;
        break;
    case 10:
        if (gush_span_eq_nocase(f->name, GUSH_SPAN_LIT("connection")))
            return read_connection(f->value, m, why);
        break;
    case 14:
        if (gush_span_eq_nocase(f->name, GUSH_SPAN_LIT("content-length")))
            return read_length(f->value, out, m, why);
        break;
    case 17:
        if (gush_span_eq_nocase(f->name, GUSH_SPAN_LIT("transfer-encoding")))
            return read_coding(f->value, out, m, status, why);
        break;
    default:
        break;
    }
    return GUSH_OK;
}

/* What only the whole head tells. */
static gush_err judge(struct gush_h1_head *out, const struct meaning *m, const char **why)
{
    bool v11 = out->version == GUSH_HTTP_1_1;

    if (v11 && m->hosts == 0)
        return gush_fail(why, GUSH_ESYNTAX, "no Host");
    if (m->codings && m->lengths)
        return gush_fail(why, GUSH_ESYNTAX, "Content-Length beside Transfer-Encoding");
    if (m->codings && !v11)
        return gush_fail(why, GUSH_ESYNTAX, "Transfer-Encoding in HTTP/1.0");
    out->keep_alive = !m->close && (v11 || m->keep);
    if (!v11)
        out->expect_continue = false;
    return GUSH_OK;
}

gush_err gush_h1_head_parse(struct gush_span in, struct gush_h1_head *out, unsigned *status,
                            const char **why)
{
    struct gush_cursor c = gush_cursor_over(in);
    struct meaning m = {0};
    gush_err err;

    *status = 400;
    out->path = out->query = out->host = GUSH_SPAN_EMPTY;
    out->keep_alive = out->chunked = out->expect_continue = false;
    out->content_length = 0;
    out->fields_n = 0;
    struct gush_span line = next_line(&c);
    if (gush_cursor_ok(&c) && line.n == 0) /* the allowed empty one */
        line = next_line(&c);
    if (!gush_cursor_ok(&c))
        return gush_fail(why, GUSH_ESYNTAX, "not a head");
    err = parse_request_line(line, out, status, why);
    if (err)
        return err;
    for (;;) {
        line = next_line(&c);
        if (!gush_cursor_ok(&c))
            return gush_fail(why, GUSH_ESYNTAX, "not a head");
        if (line.n == 0)
            break;
        if (out->fields_n == GUSH_H1_FIELDS_MAX) {
            *status = 431;
            return gush_fail(why, GUSH_ELIMIT, "too many headers");
        }
        struct gush_http_field *field = &out->fields[out->fields_n++];
        err = parse_field(line, field, why);
        if (!err)
            err = read_field(field, out, &m, status, why);
        if (err)
            return err;
    }
    return judge(out, &m, why);
}
