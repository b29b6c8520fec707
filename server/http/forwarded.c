#include "server/http/forwarded.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#define WALK_MAX 64

struct network {
    uint8_t ip[16];
    uint8_t version; /* as in struct gush_peer: 0 is "unix" */
    uint8_t bits;
};

struct gush_forwarded {
    struct network *networks;
    size_t n;
};

/* ---- addresses ------------------------------------------------------------------------------ */

static bool parse_ip(struct gush_span s, struct gush_peer *out)
{
    static const uint8_t wrapper[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN];

    *out = (struct gush_peer){0};
    if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (inet_pton(AF_INET, text, out->ip) == 1) {
        out->version = 4;
        return true;
    }
    if (inet_pton(AF_INET6, text, out->ip) != 1)
        return false;
    out->version = 6;
    if (memcmp(out->ip, wrapper, sizeof(wrapper)) == 0) {
        memmove(out->ip, out->ip + sizeof(wrapper), 4);
        memset(out->ip + 4, 0, sizeof(out->ip) - 4);
        out->version = 4;
    }
    return true;
}

static bool is_port(struct gush_span s)
{
    uint64_t port;
    return gush_parse_u64(s, &port) == GUSH_OK && port <= 65535;
}

/* As proxies write it: 1.2.3.4, 1.2.3.4:5, ::1, [::1], [::1]:5. The port is not kept: it is the
 * proxy's word about a connection that we never saw. */
static bool parse_hop(struct gush_span s, struct gush_peer *out)
{
    const uint8_t *end;

    if (s.n && s.p[0] == '[') {
        end = memchr(s.p, ']', s.n);
        if (end == NULL)
            return false;
        size_t inside = (size_t)(end - s.p) - 1, rest = s.n - inside - 2;
        if (rest && (end[1] != ':' || !is_port(gush_span_of(end + 2, rest - 1))))
            return false;
        return parse_ip(gush_span_of(s.p + 1, inside), out) && memchr(s.p, ':', inside) != NULL;
    }
    end = s.n ? memchr(s.p, ':', s.n) : NULL;
    if (end && memchr(s.p, '.', (size_t)(end - s.p))) {
        size_t n = (size_t)(end - s.p);
        return is_port(gush_span_of(end + 1, s.n - n - 1)) && parse_ip(gush_span_of(s.p, n), out);
    }
    return parse_ip(s, out);
}

/* ---- networks ------------------------------------------------------------------------------- */

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

/* Nothing behind its prefix. */
static bool is_base(const struct network *network)
{
    unsigned all = network->version == 4 ? 32 : 128;

    for (unsigned i = network->bits; i < all; i++) {
        if (network->ip[i / 8] & (0x80u >> i % 8))
            return false;
    }
    return true;
}

static bool parse_network(const char *text, struct network *out)
{
    struct gush_span s = gush_span_str(text);
    const uint8_t *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
    struct gush_peer ip;
    uint64_t bits;

    *out = (struct network){0};
    if (gush_span_eq_str(s, "unix"))
        return true;
    if (!parse_ip(slash ? gush_span_of(s.p, (size_t)(slash - s.p)) : s, &ip))
        return false;
    bits = ip.version == 4 ? 32 : 128;
    if (slash) {
        uint64_t given;
        if (gush_parse_u64(gush_span_str(text + (slash - s.p) + 1), &given) != GUSH_OK ||
            given > bits)
            return false;
        bits = given;
    }
    memcpy(out->ip, ip.ip, sizeof(out->ip));
    out->version = ip.version;
    out->bits = (uint8_t)bits;
    return is_base(out);
}

gush_err gush_forwarded_new(char *const *networks, size_t networks_n, struct gush_forwarded **out,
                            size_t *bad)
{
    struct gush_forwarded *f = GUSH_NEW(struct gush_forwarded);

    f->networks = (struct network *)gush_zalloc(networks_n, sizeof(struct network));
    for (; f->n < networks_n; f->n++) {
        if (!parse_network(networks[f->n], &f->networks[f->n])) {
            *bad = f->n;
            gush_forwarded_free(f);
            return GUSH_ESYNTAX;
        }
    }
    *out = f;
    return GUSH_OK;
}

void gush_forwarded_free(struct gush_forwarded *forwarded)
{
    if (forwarded == NULL)
        return;
    gush_free(forwarded->networks);
    gush_free(forwarded);
}

static bool is_trusted(const struct gush_forwarded *f, const struct gush_peer *peer)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct network *network = &f->networks[i];
        if (network->version == peer->version && same_bits(network->ip, peer->ip, network->bits))
            return true;
    }
    return false;
}

/* ---- the walk ------------------------------------------------------------------------------- */

/* Cuts the part behind the last comma off |*s|. */
static struct gush_span pop_last(struct gush_span *s)
{
    size_t at = s->n;

    while (at && s->p[at - 1] != ',')
        at--;
    struct gush_span last = gush_span_of(s->p + at, s->n - at);
    s->n = at ? at - 1 : 0;
    return gush_http_trim(last);
}

static bool is_named(const struct gush_http_field *field, const char *name)
{
    return gush_span_eq_nocase(field->name, gush_span_str(name));
}

/* Goes on through one field. True: |*client| is decided. */
static bool walk_field(const struct gush_forwarded *f, struct gush_span value, unsigned *walked,
                       struct gush_peer *client)
{
    while (value.n) {
        struct gush_peer hop;

        if (++*walked > WALK_MAX || !parse_hop(pop_last(&value), &hop))
            return true;
        *client = hop;
        if (!is_trusted(f, &hop))
            return true;
    }
    return false;
}

struct gush_peer gush_forwarded_client(const struct gush_http_request *request)
{
    const struct gush_forwarded *f = request->forwarded;
    struct gush_peer client = *request->peer, real;
    const struct gush_http_field *alone = NULL;
    bool listed = false;
    unsigned walked = 0;

    if (f == NULL || !is_trusted(f, request->peer))
        return client;
    for (size_t i = request->fields_n; i-- > 0;) {
        const struct gush_http_field *field = &request->fields[i];
        if (is_named(field, "x-forwarded-for")) {
            listed = true;
            if (walk_field(f, field->value, &walked, &client))
                return client;
        } else if (alone == NULL && is_named(field, "x-real-ip")) {
            alone = field;
        }
    }
    if (!listed && alone && parse_hop(alone->value, &real))
        return real;
    return client;
}
