/* Rules about listeners: addresses, ports and sockets that must differ, what goes with what, and
 * that no two handlers claim one path of one listener. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/un.h>

#include "server/base/assert.h"
#include "server/base/text.h"

#include "server/config/config_priv.h"

#define ADDRESSES_MAX 64 /* each has a socket on every lane */
#define UNIX_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static const char *where_key(struct gush__load *l, const char *path)
{
    return gush__validate_where(l, path, path);
}

/* ---- ports ----------------------------------------------------------------------------------- */

/* The internal listener has a port of its own. */
static bool has_internal_port(const struct gush_config *config)
{
    const char *address = *config->http_server.internal_address
                              ? config->http_server.internal_address
                              : config->http_server.address;
    uint64_t port = 0;

    if (*config->http_server.internal_port == '\0')
        return false;
    if (gush_parse_u64(gush_span_str(config->http_server.internal_port), &port) != GUSH_OK)
        return false;
    return port != (uint64_t)config->http_server.port || port == 0 ||
           strcmp(address, config->http_server.address) != 0;
}

static bool is_separate(const struct gush_config *config)
{
    return has_internal_port(config) || *config->http_server.internal_unix_socket != '\0';
}

static gush_err check_ports(struct gush__load *l)
{
    const char *text = l->config->http_server.internal_port;
    uint64_t port = 0;

    if (*text != '\0' &&
        (gush_parse_u64(gush_span_str(text), &port) != GUSH_OK || port > UINT16_MAX))
        return gush__load_fail(
            l, "http_server.internal_port: \"%s\" is not a port (accepted: \"0\" to \"65535\")%s",
            text, where_key(l, "http_server.internal_port"));
    return GUSH_OK;
}

static gush_err check_h2c(struct gush__load *l)
{
    const struct gush_config *config = l->config;

    if (!config->http_server.h2c_external)
        return GUSH_OK;
    if (!is_separate(config))
        return gush__load_fail(
            l, "external_h2c requires custom separate internal_port to be configured%s",
            where_key(l, "http_server.h2c_external"));
    if (config->http_server.tls.enabled)
        return gush__load_fail(
            l, "external_h2c cannot be used together with enabled TLS for external HTTP server%s",
            where_key(l, "http_server.h2c_external"));
    return GUSH_OK;
}

/* ---- further addresses ----------------------------------------------------------------------- */

/* "host:port", "[::1]:port" or ":port". */
static bool split_address(struct gush__arena *arena, const char *text, struct gush_address *out)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    uint64_t port = 0;

    if (colon == NULL || gush_parse_u64(gush_span_str(colon + 1), &port) != GUSH_OK ||
        port > UINT16_MAX)
        return false;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n) != NULL) {
        return false; /* a bare IPv6 address: where would its port begin? */
    }
    out->host = gush__arena_strndup(arena, text, n);
    out->port = (uint16_t)port;
    return true;
}

static bool same_address(const struct gush_address *a, const struct gush_address *b)
{
    return a->port == b->port && a->port != 0 && strcmp(a->host, b->host) == 0;
}

/* The listeners that have addresses, the further ones last; |*keys| names where each comes from.
 * Those of |addresses| must have been looked at. */
static size_t all_addresses(struct gush__load *l, struct gush_address **out, const char ***keys)
{
    struct gush_config *c = l->config;
    struct gush__arena *arena = &l->memory->arena;
    size_t n = 0, most = c->http_server.addresses.n + 2;
    struct gush_address *a = gush__arena_alloc(arena, most, sizeof(*a));
    const char **k = gush__arena_alloc(arena, most, sizeof(*k));
    uint64_t port = 0;

    a[n] = (struct gush_address){c->http_server.address, (uint16_t)c->http_server.port};
    k[n++] = "http_server.port";
    if (has_internal_port(c) &&
        gush_parse_u64(gush_span_str(c->http_server.internal_port), &port) == GUSH_OK) {
        a[n].host = *c->http_server.internal_address ? c->http_server.internal_address
                                                     : c->http_server.address;
        a[n].port = (uint16_t)port;
        k[n++] = "http_server.internal_port";
    }
    for (size_t i = 0; i < c->http_server.addresses.n; i++) {
        bool is_address = split_address(arena, c->http_server.addresses.items[i], &a[n]);
        GUSH_ASSERT(is_address);
        k[n++] = "http_server.addresses";
    }
    *out = a;
    *keys = k;
    return n;
}

static gush_err check_addresses(struct gush__load *l)
{
    const struct gush_string_list *list = &l->config->http_server.addresses;
    const char *key = "http_server.addresses", **keys;
    struct gush_address a, *all;
    size_t n;

    if (list->n > ADDRESSES_MAX)
        return gush__load_fail(l, "%s: there are too many (accepted: at most %d)%s", key,
                               ADDRESSES_MAX, where_key(l, key));
    for (size_t i = 0; i < list->n; i++)
        if (!split_address(&l->memory->arena, list->items[i], &a))
            return gush__load_fail(l,
                                   "%s: \"%s\" is not an address (accepted: \"127.0.0.1:8001\", "
                                   "\"[::1]:8001\", \":8001\")%s",
                                   key, list->items[i], where_key(l, key));
    n = all_addresses(l, &all, &keys);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (same_address(&all[i], &all[j]))
                return gush__load_fail(
                    l, "%s and %s both say \"%s\" and port %u (accepted: each address once)%s",
                    keys[j], keys[i], all[i].host, all[i].port, where_key(l, keys[i]));
    return GUSH_OK;
}

/* ---- unix sockets ---------------------------------------------------------------------------- */

static gush_err check_socket(struct gush__load *l, const char *key, const char *path)
{
    if (strlen(path) <= UNIX_PATH_MAX)
        return GUSH_OK;
    return gush__load_fail(l, "%s: the path is too long (accepted: at most %zu bytes)%s", key,
                           UNIX_PATH_MAX, where_key(l, key));
}

/* Permission bits as chmod takes them. */
static bool parse_mode(const char *text, unsigned *mode)
{
    size_t n = strspn(text, "01234567");

    if (n == 0 || text[n] != '\0' || n > 4)
        return false;
    *mode = (unsigned)strtoul(text, NULL, 8);
    return *mode <= 0777;
}

static gush_err check_sockets(struct gush__load *l)
{
    const struct gush_config *c = l->config;
    const char *mode_key = "http_server.unix_socket_mode";
    unsigned mode;
    gush_err err = check_socket(l, "http_server.unix_socket", c->http_server.unix_socket);

    if (err == GUSH_OK)
        err = check_socket(l, "http_server.internal_unix_socket",
                           c->http_server.internal_unix_socket);
    if (err != GUSH_OK)
        return err;
    if (*c->http_server.unix_socket != '\0' &&
        strcmp(c->http_server.unix_socket, c->http_server.internal_unix_socket) == 0)
        return gush__load_fail(l,
                               "http_server.unix_socket and http_server.internal_unix_socket are "
                               "both \"%s\" (accepted: a path of its own for each)%s",
                               c->http_server.unix_socket,
                               where_key(l, "http_server.internal_unix_socket"));
    if (!parse_mode(c->http_server.unix_socket_mode, &mode))
        return gush__load_fail(l,
                               "%s: \"%s\" are no permissions (accepted: \"0000\" to \"0777\")%s",
                               mode_key, c->http_server.unix_socket_mode, where_key(l, mode_key));
    return GUSH_OK;
}

/* ---- proxies in front ------------------------------------------------------------------------ */

/* Nothing is set behind the first |bits| of |n| bytes. */
static bool is_prefix(const unsigned char *bytes, size_t n, uint64_t bits)
{
    for (size_t i = bits / 8; i < n; i++) {
        unsigned keep = i == bits / 8 ? 0xffu >> bits % 8 : 0xffu;
        if (bytes[i] & keep)
            return false;
    }
    return true;
}

/* An address, or one and the length of its prefix; or whoever comes through a unix socket. */
static bool is_network(const char *text)
{
    char host[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    uint64_t bits = 0, most;

    if (strcmp(text, "unix") == 0)
        return true;
    if (n == 0 || n >= sizeof(host))
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    if (inet_pton(AF_INET, host, bytes) == 1)
        most = 32;
    else if (inet_pton(AF_INET6, host, bytes) == 1)
        most = 128;
    else
        return false;
    if (slash == NULL)
        return true;
    return gush_parse_u64(gush_span_str(slash + 1), &bits) == GUSH_OK && bits <= most &&
           is_prefix(bytes, most / 8, bits);
}

static gush_err check_proxies(struct gush__load *l)
{
    const struct gush_string_list *list = &l->config->http_server.trusted_proxies;
    const char *key = "http_server.trusted_proxies";

    for (size_t i = 0; i < list->n; i++)
        if (!is_network(list->items[i]))
            return gush__load_fail(l,
                                   "%s: \"%s\" is not a network (accepted: \"10.0.0.0/8\", "
                                   "\"192.0.2.1\", \"fd00::/8\", \"unix\")%s",
                                   key, list->items[i], where_key(l, key));
    return GUSH_OK;
}

/* ---- TLS ------------------------------------------------------------------------------------- */

/* What is in the values is looked at by whoever loads them. */
static gush_err check_tls(struct gush__load *l)
{
    const struct gush_config *c = l->config;
    const struct {
        const char *key;
        const struct gush_tls_config *tls;
    } objects[] = {
        {"http_server.tls", &c->http_server.tls},
        {"http_server.internal_tls", &c->http_server.internal_tls},
        {"grpc_api.tls", &c->grpc_api.tls},
        {"uni_grpc.tls", &c->uni_grpc.tls},
    };

    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        const struct gush_tls_config *tls = objects[i].tls;
        const char *missing = *tls->cert_pem == '\0'  ? "cert_pem"
                              : *tls->key_pem == '\0' ? "key_pem"
                                                      : NULL;
        if (!tls->enabled || missing == NULL)
            continue;
        return gush__load_fail(l,
                               "%s.%s: is required when TLS is enabled (accepted: PEM, base64 of "
                               "PEM, or the path of a file)%s",
                               objects[i].key, missing, where_key(l, objects[i].key));
    }
    if (c->http_server.internal_tls.enabled && !has_internal_port(c))
        return gush__load_fail(l,
                               "http_server.internal_tls needs an internal port of its own "
                               "(accepted: together with another internal_port)%s",
                               where_key(l, "http_server.internal_tls"));
    return GUSH_OK;
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* Trailing slashes do not count; nothing left is the root. */
static void trim_path(char *path)
{
    size_t n = strlen(path);

    GUSH_ASSERT(n > 0);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
}

struct handler {
    const char *key;
    char *path;
    bool served, internal;
};

#define HANDLERS 8

static void all_handlers(struct gush_config *c, struct handler out[HANDLERS])
{
    const struct handler all[HANDLERS] = {
        {"uni_sse.handler_prefix", c->uni_sse.handler_prefix, c->uni_sse.enabled, false},
        {"uni_http_stream.handler_prefix", c->uni_http_stream.handler_prefix,
         c->uni_http_stream.enabled, false},
        {"init.handler_prefix", c->init.handler_prefix, c->init.enabled, false},
        {"demo.handler_prefix", c->demo.handler_prefix, c->demo.enabled, false},
        {"health.handler_prefix", c->health.handler_prefix, c->health.enabled, true},
        {"debug.handler_prefix", c->debug.handler_prefix, c->debug.enabled, true},
        {"prometheus.handler_prefix", c->prometheus.handler_prefix, c->prometheus.enabled, true},
        {"http_api.handler_prefix", c->http_api.handler_prefix, !c->http_api.disabled,
         !c->http_api.external},
    };

    memcpy(out, all, sizeof(all));
}

static gush_err check_paths(struct gush__load *l)
{
    bool separate = is_separate(l->config);
    struct handler h[HANDLERS];

    all_handlers(l->config, h);
    for (size_t i = 0; i < HANDLERS; i++)
        trim_path(h[i].path);
    for (size_t i = 0; i < HANDLERS; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!h[i].served || !h[j].served || (separate && h[i].internal != h[j].internal) ||
                strcmp(h[i].path, h[j].path) != 0)
                continue;
            return gush__load_fail(
                l,
                "%s and %s are both \"%s\" on one listener (accepted: a path of its own for "
                "each)%s",
                h[j].key, h[i].key, h[i].path, gush__validate_where(l, h[i].key, h[j].key));
        }
    }
    return GUSH_OK;
}

/* ---- all ------------------------------------------------------------------------------------- */

gush_err gush__validate_listeners(struct gush__load *l)
{
    static gush_err (*const checks[])(struct gush__load *) = {
        check_ports,   check_h2c, check_addresses, check_sockets,
        check_proxies, check_tls, check_paths,
    };
    gush_err err = GUSH_OK;

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && err == GUSH_OK; i++)
        err = checks[i](l);
    return err;
}

void gush__validate_listeners_settle(struct gush__load *l)
{
    struct gush_config *c = l->config;
    struct gush_address *all;
    const char **keys;
    size_t n = all_addresses(l, &all, &keys);
    bool valid = parse_mode(c->http_server.unix_socket_mode, &c->http_server.unix_mode);

    GUSH_ASSERT(valid);
    c->http_server.further_n = c->http_server.addresses.n;
    c->http_server.further = all + (n - c->http_server.further_n);
    c->http_server.internal_separate = is_separate(c);
    if (*c->http_server.internal_address == '\0')
        c->http_server.internal_address = c->http_server.address;
    if (!has_internal_port(c))
        *c->http_server.internal_port = '\0'; /* equal addresses: one listener */
}
