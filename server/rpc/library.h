/* library: the gRPC core library as a whole, once per process.
 *
 * Init starts library threads: fork and daemonize before it, never after.
 * Owner     server/app                Thread  the main one */
#ifndef GUSH_RPC_LIBRARY_H
#define GUSH_RPC_LIBRARY_H

#include <stdbool.h>

/* What a client begins with, and what to tell one that began with HTTP/1. */
#define GUSH_RPC_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define GUSH_RPC_NOT_HTTP1                                                                         \
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"                \
    "Content-Length: 59\r\n\r\nThis port speaks gRPC, that is HTTP/2 from the first byte.\n"

/* Sets the library's switches (unless the environment has them), sends its log to ours, starts it.
 */
void gush_rpc_library_init(void);
/* As the library counts: 29.0.0 is what Debian 12 packages. */
const char *gush_rpc_library_version(void);
/* Whether it bounds what a stranger can make it do: docs/hostile-networks.md. */
bool gush_rpc_library_hardened(void);
/* After every server and queue was freed. */
void gush_rpc_library_fini(void);

#endif
