/* library: the gRPC core library as a whole, once per process.
 *
 * Init starts library threads: fork and daemonize before it, never after.
 * Owner     server/app                Thread  the main one */
#ifndef GUSH_RPC_LIBRARY_H
#define GUSH_RPC_LIBRARY_H

/* What a client begins with, and what to tell one that began with HTTP/1. */
#define GUSH_RPC_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define GUSH_RPC_NOT_HTTP1                                                                         \
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"                \
    "Content-Length: 59\r\n\r\nThis port speaks gRPC, that is HTTP/2 from the first byte.\n"

/* Sets the library's switches (unless the environment has them), sends its log to ours, starts it.
 */
void gush_rpc_library_init(void);
/* After every server and queue was freed. */
void gush_rpc_library_fini(void);

#endif
