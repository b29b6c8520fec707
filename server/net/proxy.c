#include "server/net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/cursor.h"

static const uint8_t signature[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n'};

/* Whether |in|, as far as it goes, begins as |want| does. */
static bool begins(struct gush_span in, const void *want, size_t want_n)
{
    return memcmp(in.p, want, in.n < want_n ? in.n : want_n) == 0;
}

/* ---- version 1: a line of text ----------------------------------------------------------------
 */

/* The next word of |line|, which ends at one space or at the end; NUL-terminated in |out|. */
static bool next_word(struct gush_span *line, char *out, size_t out_n)
{
    const uint8_t *space = line->n ? memchr(line->p, ' ', line->n) : NULL;
    size_t n = space ? (size_t)(space - line->p) : line->n;

    if (n == 0 || n >= out_n || memchr(line->p, '\0', n) != NULL)
        return false;
    memcpy(out, line->p, n);
    out[n] = '\0';
    n += space != NULL;
    if (space != NULL && n == line->n)
        return false; /* a space and nothing behind it */
    *line = gush_span_of(line->p + n, line->n - n);
    return true;
}

static bool parse_port(const char *word, uint16_t *out)
{
    uint32_t port = 0;

    if (word[0] == '0' && word[1] != '\0')
        return false;
    for (; *word; word++) {
        if (*word < '0' || *word > '9')
            return false;
        port = port * 10 + (uint32_t)(*word - '0');
    }
    *out = (uint16_t)port;
    return port <= UINT16_MAX;
}

/* Both addresses are of |family|; |out| is the first one without a port. */
static bool parse_addresses(struct gush_span *line, int family, struct gush_peer *out)
{
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct in6_addr ignored;

    if (!next_word(line, source, sizeof(source)) ||
        !next_word(line, destination, sizeof(destination)) ||
        inet_pton(family, destination, &ignored) != 1)
        return false;
    if (family == AF_INET) {
        if (inet_pton(AF_INET, source, &in4.sin_addr) != 1)
            return false;
        *out = gush_peer_from((const struct sockaddr *)&in4);
        return true;
    }
    if (inet_pton(AF_INET6, source, &in6.sin6_addr) != 1)
        return false;
    *out = gush_peer_from((const struct sockaddr *)&in6);
    return true;
}

/* |line| is without its end. */
static gush_err parse_line(struct gush_span line, struct gush_proxy *out, const char **why)
{
    char word[8], source[6], destination[6];
    uint16_t source_port, destination_port;

    line = gush_span_of(line.p + 6, line.n - 6); /* "PROXY " */
    if (!next_word(&line, word, sizeof(word)))
        return gush_fail(why, GUSH_ESYNTAX, "no protocol is named");
    if (strcmp(word, "UNKNOWN") == 0)
        return GUSH_OK; /* whatever else is in it */
    if (strcmp(word, "TCP4") != 0 && strcmp(word, "TCP6") != 0)
        return gush_fail(why, GUSH_ESYNTAX, "not TCP4, TCP6 or UNKNOWN");
    if (!parse_addresses(&line, word[3] == '4' ? AF_INET : AF_INET6, &out->peer))
        return gush_fail(why, GUSH_ESYNTAX, "not two addresses of that protocol");
    if (!next_word(&line, source, sizeof(source)) ||
        !next_word(&line, destination, sizeof(destination)) || line.n > 0 ||
        !parse_port(source, &source_port) || !parse_port(destination, &destination_port))
        return gush_fail(why, GUSH_ESYNTAX, "not two ports at the end");
    out->peer.port = source_port;
    out->named = true;
    return GUSH_OK;
}

static gush_err parse_v1(struct gush_span in, struct gush_proxy *out, const char **why)
{
    size_t n = in.n < GUSH_PROXY_V1_MAX ? in.n : GUSH_PROXY_V1_MAX;
    const uint8_t *end = memchr(in.p, '\n', n);
    const uint8_t *cr = memchr(in.p, '\r', n);

    if (!begins(in, "PROXY ", 6))
        return gush_fail(why, GUSH_ESYNTAX, "does not begin with PROXY");
    /* The first of the two bytes to come must be the CR, and the LF its neighbour. */
    if (end != NULL ? cr == NULL || cr + 1 != end : cr != NULL && cr + 1 < in.p + n)
        return gush_fail(why, GUSH_ESYNTAX, "the line does not end in CR LF");
    if (end == NULL && n == GUSH_PROXY_V1_MAX)
        return gush_fail(why, GUSH_ELIMIT, "the line has no end within 107 bytes");
    if (end == NULL)
        return GUSH_EMORE;
    out->n = (size_t)(end - in.p) + 1;
    return parse_line(gush_span_of(in.p, out->n - 2), out, why);
}

/* ---- version 2: binary ------------------------------------------------------------------------
 */

enum { LOCAL = 0x20, PROXY = 0x21 };
enum { UNSPEC = 0x00, TCP4 = 0x11, TCP6 = 0x21, UNIX_STREAM = 0x31 };

static gush_err name_peer(uint8_t family, struct gush_span rest, struct gush_proxy *out)
{
    struct gush_cursor c = gush_cursor_over(rest);
    size_t ip_n = family == TCP4 ? 4 : 16;
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct gush_span ip;
    uint16_t port;

    out->named = true;
    if (family == UNIX_STREAM)
        return rest.n < 216 ? GUSH_ESYNTAX : GUSH_OK;
    ip = gush_cursor_take(&c, ip_n);
    (void)gush_cursor_take(&c, ip_n); /* where it was going */
    port = gush_cursor_be16(&c);
    (void)gush_cursor_be16(&c);
    if (!gush_cursor_ok(&c))
        return GUSH_ESYNTAX;
    if (family == TCP4) {
        memcpy(&in4.sin_addr, ip.p, 4);
        out->peer = gush_peer_from((const struct sockaddr *)&in4);
    } else {
        memcpy(&in6.sin6_addr, ip.p, 16);
        out->peer = gush_peer_from((const struct sockaddr *)&in6);
    }
    out->peer.port = port;
    return GUSH_OK;
}

static gush_err parse_v2(struct gush_span in, struct gush_proxy *out, const char **why)
{
    struct gush_cursor c = gush_cursor_over(in);
    uint8_t command, family;
    uint16_t rest_n;
    struct gush_span rest;

    if (!begins(in, signature, sizeof(signature)))
        return gush_fail(why, GUSH_ESYNTAX, "not the signature of version 2");
    (void)gush_cursor_take(&c, sizeof(signature));
    command = gush_cursor_u8(&c);
    if (gush_cursor_ok(&c) && command != LOCAL && command != PROXY)
        return gush_fail(why, GUSH_ESYNTAX, "not version 2, or an unknown command");
    family = gush_cursor_u8(&c);
    if (gush_cursor_ok(&c) && command == PROXY && family != UNSPEC && family != TCP4 &&
        family != TCP6 && family != UNIX_STREAM)
        return gush_fail(why, GUSH_ESYNTAX, "not a family of stream addresses");
    rest_n = gush_cursor_be16(&c);
    if (gush_cursor_ok(&c) && rest_n > GUSH_PROXY_V2_REST)
        return gush_fail(why, GUSH_ELIMIT, "more than 536 bytes behind the head");
    rest = gush_cursor_take(&c, rest_n);
    if (!gush_cursor_ok(&c))
        return GUSH_EMORE;
    out->n = GUSH_PROXY_V2_HEAD + rest_n;
    if (command == LOCAL || family == UNSPEC)
        return GUSH_OK;
    if (name_peer(family, rest, out) != GUSH_OK)
        return gush_fail(why, GUSH_ESYNTAX, "too short for its addresses");
    return GUSH_OK;
}

gush_err gush_proxy_parse(struct gush_span in, struct gush_proxy *out, const char **why)
{
    struct gush_proxy header = {0};
    gush_err err;

    if (in.n == 0)
        return GUSH_EMORE;
    err = in.p[0] == signature[0] ? parse_v2(in, &header, why) : parse_v1(in, &header, why);
    if (err == GUSH_OK)
        *out = header;
    return err;
}
