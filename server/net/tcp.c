#include "server/net/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/assert.h"

struct address {
    struct sockaddr_storage storage;
    socklen_t n;
};

static struct sockaddr *sockaddr_of(struct address *a)
{
    return (struct sockaddr *)&a->storage;
}

static void set_port(struct address *a, uint16_t port)
{
    if (a->storage.ss_family == AF_INET)
        ((struct sockaddr_in *)&a->storage)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)&a->storage)->sin6_port = htons(port);
}

static uint16_t get_port(const struct address *a)
{
    if (a->storage.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&a->storage)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)&a->storage)->sin6_port);
}

/* All interfaces: IPv6 that takes IPv4 too, or IPv4 where the kernel has no IPv6. */
static void any_address(struct address *a)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(a, 0, sizeof(*a));
    if (fd >= 0) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->storage;
        in6->sin6_family = AF_INET6;
        in6->sin6_addr = in6addr_any;
        a->n = sizeof(*in6);
        close(fd);
    } else {
        struct sockaddr_in *in4 = (struct sockaddr_in *)&a->storage;
        in4->sin_family = AF_INET;
        in4->sin_addr.s_addr = htonl(INADDR_ANY);
        a->n = sizeof(*in4);
    }
}

static gush_err resolve(const char *host, struct address *out, char *message, size_t message_n)
{
    struct addrinfo hints = {0}, *list = NULL, *best;

    if (host == NULL || host[0] == '\0') {
        any_address(out);
        return GUSH_OK;
    }
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    int failed = getaddrinfo(host, NULL, &hints, &list);
    if (failed) {
        snprintf(message, message_n, "cannot listen on %s: %s", host, gai_strerror(failed));
        return GUSH_EUNKNOWN;
    }
    best = list;
    for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        if (ai->ai_family == AF_INET) {
            best = ai;
            break;
        }
    }
    GUSH_ASSERT(best && best->ai_addrlen <= sizeof(out->storage));
    memset(out, 0, sizeof(*out));
    memcpy(&out->storage, best->ai_addr, best->ai_addrlen);
    out->n = best->ai_addrlen;
    freeaddrinfo(list);
    return GUSH_OK;
}

static bool set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static bool set_options(int fd, int family)
{
    if (family == AF_INET6 && !set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0))
        return false;
    return set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) && set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
           set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) && set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60) &&
           set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15) &&
           set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 4) &&
           set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, GUSH_TCP_NOTSENT_LOWAT);
}

/* One socket; -1 and errno on failure. The first one of an address learns the port. */
static int listen_one(struct address *a, bool first)
{
    int fd = socket(a->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (set_options(fd, a->storage.ss_family) &&
        (first || set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
        bind(fd, sockaddr_of(a), a->n) == 0 &&
        (!first || set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
        (!first || getsockname(fd, sockaddr_of(a), &a->n) == 0) &&
        listen(fd, GUSH_TCP_BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static gush_err explain(const char *host, uint16_t port, char *message, size_t message_n)
{
    const char *shown = host && host[0] ? host : "*";
    bool brackets = strchr(shown, ':') != NULL;
    int saved = errno;

    snprintf(message, message_n, "cannot listen on %s%s%s:%u: %s", brackets ? "[" : "", shown,
             brackets ? "]" : "", port,
             saved == EADDRINUSE ? "already in use by another process" : strerror(saved));
    return saved == EADDRINUSE ? GUSH_EBUSY : GUSH_EIO;
}

/* NOLINTNEXTLINE(readability-function-size): the seventh is only the room of the message */
gush_err gush_tcp_listen(const char *host, uint16_t port, int *fds, size_t fds_n,
                         uint16_t *bound_port, char *message, size_t message_n)
{
    struct address address;
    gush_err err = resolve(host, &address, message, message_n);

    GUSH_ASSERT(fds_n > 0);
    if (err)
        return err;
    set_port(&address, port);
    for (size_t i = 0; i < fds_n; i++) {
        fds[i] = listen_one(&address, i == 0);
        if (fds[i] >= 0)
            continue;
        err = explain(host, get_port(&address), message, message_n);
        while (i > 0)
            close(fds[--i]);
        return err;
    }
    *bound_port = get_port(&address);
    return GUSH_OK;
}
