#include "server/rpc/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/mem.h"

#define PORTS_N    65536
#define STEP       1024 /* descriptors by which the table grows */
#define NAME_BYTES 80

/* Descriptors are counted from 1 here: 0 is none. */
struct entry {
    int next; /* with the same port */
    uint16_t port;
};

struct gush_rpc_peers {
    pthread_mutex_t mutex; /* of all that follows */
    int *by_port;
    struct entry *entries; /* by descriptor */
    size_t entries_n;
};

struct gush_rpc_peers *gush_rpc_peers_new(void)
{
    struct gush_rpc_peers *peers = GUSH_NEW(struct gush_rpc_peers);

    pthread_mutex_init(&peers->mutex, NULL);
    peers->by_port = gush_zalloc(PORTS_N, sizeof(*peers->by_port));
    return peers;
}

void gush_rpc_peers_free(struct gush_rpc_peers *peers)
{
    if (peers == NULL)
        return;
    pthread_mutex_destroy(&peers->mutex);
    gush_free(peers->by_port);
    gush_free(peers->entries);
    gush_free(peers);
}

/* Writes the library's name for the peer of |fd|; returns its port, 0: it is no TCP connection. */
static uint16_t name_of(int fd, char name[NAME_BYTES])
{
    struct sockaddr_storage at = {0};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    socklen_t n = sizeof(at);
    char host[INET6_ADDRSTRLEN];

    if (getpeername(fd, (struct sockaddr *)&at, &n) != 0)
        return 0;
    memcpy(&v4, &at, sizeof(v4));
    memcpy(&v6, &at, sizeof(v6));
    if (at.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        memcpy(&v4.sin_addr, &v6.sin6_addr.s6_addr[12], sizeof(v4.sin_addr));
        v4.sin_port = v6.sin6_port;
    } else if (at.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof(host));
        snprintf(name, NAME_BYTES, "ipv6:%%5B%s%%5D:%u", host, ntohs(v6.sin6_port));
        return ntohs(v6.sin6_port);
    } else if (at.ss_family != AF_INET) {
        return 0;
    }
    inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
    snprintf(name, NAME_BYTES, "ipv4:%s:%u", host, ntohs(v4.sin_port));
    return ntohs(v4.sin_port);
}

static void unlink_entry(struct gush_rpc_peers *peers, int fd)
{
    int *at = &peers->by_port[peers->entries[fd].port];

    while (*at != 0 && *at != fd + 1)
        at = &peers->entries[*at - 1].next;
    if (*at != 0)
        *at = peers->entries[fd].next;
}

void gush_rpc_peers_add(struct gush_rpc_peers *peers, int fd)
{
    char name[NAME_BYTES];
    uint16_t port = name_of(fd, name);
    size_t n = ((size_t)fd / STEP + 1) * STEP;

    if (port == 0)
        return;
    pthread_mutex_lock(&peers->mutex);
    if (n > peers->entries_n) {
        peers->entries = gush_realloc(peers->entries, n * sizeof(*peers->entries));
        memset(peers->entries + peers->entries_n, 0,
               (n - peers->entries_n) * sizeof(*peers->entries));
        peers->entries_n = n;
    }
    unlink_entry(peers, fd);
    peers->entries[fd] = (struct entry){.next = peers->by_port[port], .port = port};
    peers->by_port[port] = fd + 1;
    pthread_mutex_unlock(&peers->mutex);
}

int gush_rpc_peers_find(struct gush_rpc_peers *peers, const char *name)
{
    const char *colon = strrchr(name, ':');
    char now[NAME_BYTES];
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    int fd = -1;

    if (port == 0 || port >= PORTS_N)
        return -1;
    pthread_mutex_lock(&peers->mutex);
    for (int at = peers->by_port[port]; at != 0 && fd < 0; at = peers->entries[at - 1].next) {
        if (name_of(at - 1, now) == port && strcmp(now, name) == 0)
            fd = at - 1;
    }
    pthread_mutex_unlock(&peers->mutex);
    return fd;
}
