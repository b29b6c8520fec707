/* wire: the client's side of a test, with plain blocking sockets. Every wait ends after
 * WIRE_PATIENCE_S at the latest, as a failure. */
#ifndef GUSH_TESTS_UNIT_NET_WIRE_H
#define GUSH_TESTS_UNIT_NET_WIRE_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/unit/net/unit.h"

#define WIRE_PATIENCE_S 20

struct wire {
    int fd;
    char got[1 << 17]; /* everything read and not taken yet, NUL-terminated */
    size_t n;
};

static inline void wire_open(struct wire *w, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {WIRE_PATIENCE_S, 0};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w->n = 0;
    w->got[0] = '\0';
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(w->fd >= 0);
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    int one = 1;
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    assert_int_equal(connect(w->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static inline void wire_close(struct wire *w)
{
    close(w->fd);
    w->fd = -1;
}

/* As if the network or the process died: a reset, no goodbye. */
static inline void wire_reset(struct wire *w)
{
    struct linger hard = {1, 0};
    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    wire_close(w);
}

static inline void wire_send_n(struct wire *w, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        ssize_t k = send(w->fd, p, n, MSG_NOSIGNAL);
        assert_true(k > 0);
        p += k;
        n -= (size_t)k;
    }
}

static inline void wire_send(struct wire *w, const char *text)
{
    wire_send_n(w, text, strlen(text));
}

/* One more piece: its length, 0 at the end, -1 when the connection was reset. */
static inline ssize_t wire_more(struct wire *w)
{
    assert_true(w->n < sizeof(w->got) - 1);
    ssize_t k = recv(w->fd, w->got + w->n, sizeof(w->got) - 1 - w->n, 0);
    if (k < 0 && errno != ECONNRESET)
        fail_msg("nothing came (%s); so far:\n%s", strerror(errno), w->got);
    if (k > 0)
        w->n += (size_t)k;
    w->got[w->n] = '\0';
    return k;
}

/* Reads until |text| is there. */
static inline void wire_await(struct wire *w, const char *text)
{
    while (strstr(w->got, text) == NULL) {
        if (wire_more(w) <= 0)
            fail_msg("ended before '%s':\n%s", text, w->got);
    }
}

/* Reads at least |n| bytes. */
static inline void wire_await_n(struct wire *w, size_t n)
{
    while (w->n < n)
        assert_true(wire_more(w) > 0);
}

/* Forgets everything up to the end of |text|, which must be there. */
static inline void wire_take(struct wire *w, const char *text)
{
    char *at = strstr(w->got, text);
    assert_non_null(at);
    at += strlen(text);
    w->n -= (size_t)(at - w->got);
    memmove(w->got, at, w->n + 1);
}

/* Reads to the end; true: a proper one, false: a reset. */
static inline bool wire_ends(struct wire *w)
{
    ssize_t k;
    while ((k = wire_more(w)) > 0)
        continue;
    return k == 0;
}

#endif
