/* library: the gRPC core library as a whole, once per process.
 *
 * Init starts library threads: fork and daemonize before it, never after.
 * Owner     server/app                Thread  the main one */
#ifndef GUSH_RPC_LIBRARY_H
#define GUSH_RPC_LIBRARY_H

/* Sets the library's switches (unless the environment has them), sends its log to ours, starts it.
 */
void gush_rpc_library_init(void);
/* After every server and queue was freed. */
void gush_rpc_library_fini(void);

#endif
