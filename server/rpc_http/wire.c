#include "server/rpc_http/wire.h"

#include "server/base/assert.h"
#include "server/base/text.h"

#define TIMEOUT_DIGITS_MAX 8
#define MESSAGE_MAX        2000
#define DETAILS_MAX        ((size_t)64 << 10)
#define METADATA_MAX       ((size_t)64 << 10)

/* ---- Reading --------------------------------------------------------------------------------- */

static bool starts_with(struct gush_span s, const char *start)
{
    struct gush_span head = gush_span_str(start);

    return s.n >= head.n && gush_span_eq_nocase(gush_span_of(s.p, head.n), head);
}

bool gush_rpc_http_wire_type_ok(struct gush_span content_type)
{
    static const char *const types[] = {"application/grpc", "application/grpc+proto"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t n = gush_span_str(types[i]).n;

        if (starts_with(content_type, types[i]) &&
            (content_type.n == n || content_type.p[n] == ';' || content_type.p[n] == ' '))
            return true;
    }
    return false;
}

gush_err gush_rpc_http_wire_timeout(struct gush_span text, uint64_t *ms)
{
    static const struct {
        uint8_t unit;
        uint64_t multiply, divide; /* to ms */
    } units[] = {{'H', 3600000, 1}, {'M', 60000, 1}, {'S', 1000, 1},
                 {'m', 1, 1},       {'u', 1, 1000},  {'n', 1, 1000000}};
    uint64_t value;

    if (text.n < 2 || text.n > TIMEOUT_DIGITS_MAX + 1 ||
        gush_parse_u64(gush_span_of(text.p, text.n - 1), &value) != GUSH_OK)
        return GUSH_ESYNTAX;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].unit == text.p[text.n - 1]) {
            *ms = (value * units[i].multiply + units[i].divide - 1) / units[i].divide;
            return GUSH_OK;
        }
    }
    return GUSH_ESYNTAX;
}

/* Up to the first comma, without the blanks around it; |*list| is what comes behind. */
static struct gush_span next_of(struct gush_span *list)
{
    const uint8_t *comma = list->n ? memchr(list->p, ',', list->n) : NULL;
    size_t n = comma ? (size_t)(comma - list->p) : list->n;
    struct gush_span item = gush_span_of(list->p, n);

    *list = comma ? gush_span_of(comma + 1, list->n - n - 1) : GUSH_SPAN_EMPTY;
    while (item.n > 0 && (item.p[0] == ' ' || item.p[0] == '\t'))
        item = gush_span_of(item.p + 1, item.n - 1);
    while (item.n > 0 && (item.p[item.n - 1] == ' ' || item.p[item.n - 1] == '\t'))
        item.n--;
    return item;
}

bool gush_rpc_http_wire_has(struct gush_span list, const char *word)
{
    while (list.n > 0) {
        if (gush_span_eq_nocase(next_of(&list), gush_span_str(word)))
            return true;
    }
    return false;
}

/* ---- Metadata -------------------------------------------------------------------------------- */

/* Base64 with or without its padding. */
static struct gush_span decode(struct gush_buf *out, struct gush_span text)
{
    struct gush_buf padded;
    gush_err err;

    gush_buf_reset(out);
    gush_buf_init(&padded, METADATA_MAX);
    gush_buf_put_span(&padded, text);
    while (padded.n % 4 != 0 && gush_buf_ok(&padded))
        gush_buf_put_u8(&padded, '=');
    err = gush_buf_ok(&padded) ? gush_base64_decode(gush_buf_span(&padded), out) : GUSH_ELIMIT;
    gush_buf_fini(&padded);
    if (err != GUSH_OK)
        return GUSH_SPAN_EMPTY;
    /* There, if empty: p tells. */
    return out->n > 0 ? gush_buf_span(out) : gush_span_of("", 0);
}

static struct gush_span find(const struct gush_rpc_head *head, const char *key)
{
    struct gush_rpc_http_metadata *m = (struct gush_rpc_http_metadata *)head->door;
    struct gush_span name = gush_span_str(key);
    bool binary = name.n > 4 && memcmp(key + name.n - 4, "-bin", 4) == 0, found = false;
    struct gush_span value =
        gush_http_field_find(m->request->fields, m->request->fields_n, key, &found);

    if (!found)
        return GUSH_SPAN_EMPTY;
    if (binary)
        return decode(&m->decoded, next_of(&value)); /* several may share a field */
    return value.n > 0 ? value : gush_span_of("", 0);
}

void gush_rpc_http_wire_metadata(struct gush_rpc_http_metadata *m,
                                 const struct gush_http_request *request,
                                 struct gush_rpc_head *head)
{
    m->request = request;
    gush_buf_init(&m->decoded, METADATA_MAX);
    *head = (struct gush_rpc_head){.find = find, .door = m};
}

void gush_rpc_http_wire_metadata_fini(struct gush_rpc_http_metadata *m)
{
    gush_buf_fini(&m->decoded);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* |at| is where the value begins in |text|, which may have moved since: points are set at the end.
 */
static void put_percent(struct gush_buf *text, struct gush_span message)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < message.n; i++) {
        uint8_t c = message.p[i];

        if (c >= ' ' && c <= '~' && c != '%') {
            gush_buf_put_u8(text, c);
        } else {
            gush_buf_put_u8(text, '%');
            gush_buf_put_u8(text, (uint8_t)digits[c >> 4]);
            gush_buf_put_u8(text, (uint8_t)digits[c & 15]);
        }
    }
}

/* At most |max| bytes of |text|, whole characters. */
static struct gush_span shortened(struct gush_span text, size_t max)
{
    if (text.n <= max)
        return text;
    while (max > 0 && (text.p[max] & 0xc0) == 0x80)
        max--;
    return gush_span_of(text.p, max);
}

void gush_rpc_http_wire_trailers(struct gush_rpc_http_trailers *t, const struct gush_rpc_end *end)
{
    size_t message_at, details_at;

    t->fields_n = 0;
    gush_buf_init(&t->text, 20 + (size_t)3 * MESSAGE_MAX + 2 * DETAILS_MAX);
    gush_buf_put_u64(&t->text, (uint64_t)end->status);
    message_at = t->text.n;
    put_percent(&t->text, shortened(end->message, MESSAGE_MAX));
    details_at = t->text.n;
    if (end->details.n <= DETAILS_MAX)
        gush_base64_encode(end->details, &t->text);
    while (t->text.n > details_at && t->text.p[t->text.n - 1] == '=')
        t->text.n--; /* as the protocol wants it */
    GUSH_ASSERT(gush_buf_ok(&t->text));
    t->fields[t->fields_n++] =
        (struct gush_http_field){GUSH_SPAN_LIT("grpc-status"), gush_span_of(t->text.p, message_at)};
    if (details_at > message_at)
        t->fields[t->fields_n++] =
            (struct gush_http_field){GUSH_SPAN_LIT("grpc-message"),
                                     gush_span_of(t->text.p + message_at, details_at - message_at)};
    if (t->text.n > details_at)
        t->fields[t->fields_n++] =
            (struct gush_http_field){GUSH_SPAN_LIT("grpc-status-details-bin"),
                                     gush_span_of(t->text.p + details_at, t->text.n - details_at)};
}

void gush_rpc_http_wire_trailers_fini(struct gush_rpc_http_trailers *t)
{
    gush_buf_fini(&t->text);
}
