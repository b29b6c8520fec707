#include "server/net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct gush_peer gush_peer_from(const struct sockaddr *address)
{
    static const uint8_t wrapper[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct gush_peer peer = {0};

    if (address->sa_family == AF_INET) {
        struct sockaddr_in in4;
        memcpy(&in4, address, sizeof(in4));
        memcpy(peer.ip, &in4.sin_addr, 4);
        peer.port = ntohs(in4.sin_port);
        peer.version = 4;
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        peer.port = ntohs(in6.sin6_port);
        if (memcmp(&in6.sin6_addr, wrapper, sizeof(wrapper)) == 0) {
            memcpy(peer.ip, (const uint8_t *)&in6.sin6_addr + sizeof(wrapper), 4);
            peer.version = 4;
        } else {
            memcpy(peer.ip, &in6.sin6_addr, 16);
            peer.version = 6;
        }
    }
    return peer;
}

void gush_peer_format(const struct gush_peer *peer, char out[GUSH_PEER_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN];

    if (peer->version == 4 && inet_ntop(AF_INET, peer->ip, ip, sizeof(ip)))
        snprintf(out, GUSH_PEER_TEXT_MAX, "%s:%u", ip, peer->port);
    else if (peer->version == 6 && inet_ntop(AF_INET6, peer->ip, ip, sizeof(ip)))
        snprintf(out, GUSH_PEER_TEXT_MAX, "[%s]:%u", ip, peer->port);
    else
        snprintf(out, GUSH_PEER_TEXT_MAX, "unknown");
}
