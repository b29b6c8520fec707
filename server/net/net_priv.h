/* net_priv: what the files of server/net share. Included by no other room: it brings uv.h. */
#ifndef GUSH_NET_PRIV_H
#define GUSH_NET_PRIV_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "server/base/span.h"

#include "server/net/gate.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/net/peer.h"
#include "server/net/tls_server.h"

/* Something that lives on a loop and must be gone before its thread ends. Embedded. */
struct gush__item {
    struct gush__item *next, **pprev;
    /* Begins its end; it leaves the list by gush__item_leave when it is gone. May be called while
     * it is ending already. */
    void (*stop)(struct gush__item *item);
};

void gush__item_join(struct gush_loop *loop, struct gush__item *item);
void gush__item_leave(struct gush_loop *loop, struct gush__item *item);
/* True once gush_loop_stop was seen: nothing new should start. */
bool gush__loop_stopping(const struct gush_loop *loop);
/* To be called first by every callback of an input event: the lane's clock stood still while the
 * loop slept. */
void gush__loop_refresh(struct gush_loop *loop);
uv_loop_t *gush__loop_uv(struct gush_loop *loop);
/* GUSH__TLS_ROOM bytes that all TLS connections of the loop share, made when the first one asks. */
uint8_t *gush__loop_tls_room(struct gush_loop *loop);

/* ---- unix: the file of a listening descriptor -------------------------------------------------
 */

#define GUSH__UNIX_BACKLOG 4096 /* the kernel caps it at net.core.somaxconn */

struct gush__unix_file {
    bool known; /* false: |fd| is no unix socket */
    dev_t device;
    ino_t inode;
};

struct gush__unix_file gush__unix_file_of(int fd);
/* Removes it, if it is still the same one. Before |fd| is closed. */
void gush__unix_remove(int fd, const struct gush__unix_file *file);

/* ---- gate: what the porches tell and ask ----------------------------------------------------- */

const struct gush_gate_options *gush__gate_options(const struct gush_gate *gate);
void gush__gate_arrive(struct gush_gate *gate);
/* False: |*reason| says why not. True: counted as in, until its descriptor is closed or it leaves.
 */
bool gush__gate_enter(struct gush_gate *gate, int fd, const struct gush_peer *peer,
                      enum gush_gate_reason *reason);
/* Before |fd|, which entered, is closed here. */
void gush__gate_leave(struct gush_gate *gate, int fd);
void gush__gate_refuse(struct gush_gate *gate, enum gush_gate_reason reason,
                       const struct gush_peer *peer);
void gush__gate_wait(struct gush_gate *gate, int by);
void gush__gate_admit(struct gush_gate *gate);
/* Closes with a reset. */
void gush__gate_close(int fd);

/* ---- porch: one loop's part of a gate -------------------------------------------------------- */

struct gush__porch;

/* Hands those who may come in to |pass|. Lives on |loop| until close, or the loop's stop.
 *   GUSH_EIO   no descriptors left, or the loop is stopping */
GUSH_MUST_USE gush_err gush__porch_open(struct gush_loop *loop, struct gush_gate *gate,
                                        gush_listener_fn *pass, void *arg,
                                        struct gush__porch **out);
/* Takes |fd|, accepted just now. May call pass. */
void gush__porch_take(struct gush__porch *porch, int fd, const struct gush_peer *peer);
/* Closes those who wait; frees itself. */
void gush__porch_close(struct gush__porch *porch);

/* ---- tls_server: what connections ask and tell ------------------------------------------------
 */

enum gush__tls_count {
    GUSH__TLS_HANDSHAKE,
    GUSH__TLS_RESUMED,
    GUSH__TLS_FAILURE,
    GUSH__TLS_TIMEOUT,
    GUSH__TLS_COUNTS_N
};

/* A connection's SSL, of the newest certificates. NULL: no memory. */
struct ssl_st *gush__tls_server_begin(struct gush_tls_server *server);
void gush__tls_server_count(struct gush_tls_server *server, enum gush__tls_count what);

/* ---- tls_stream: one connection's TLS on its descriptor ---------------------------------------
 */

#define GUSH__TLS_RECORD    ((size_t)16 * 1024) /* plain bytes of one record at most */
#define GUSH__TLS_RAW_BYTES (GUSH_LOOP_READ_BYTES - GUSH__TLS_RECORD - 2048)
#define GUSH__TLS_ROOM      (GUSH__TLS_RAW_BYTES + GUSH__TLS_RECORD)

struct gush__tls;

enum gush__tls_said {
    GUSH__TLS_DONE,
    GUSH__TLS_MORE,  /* wants to read */
    GUSH__TLS_FULL,  /* wants to write */
    GUSH__TLS_ENDED, /* by close_notify or FIN */
    GUSH__TLS_BROKEN
};

/* Borrows |fd|. NULL: no memory. */
struct gush__tls *gush__tls_open(struct gush_tls_server *server, struct gush_loop *loop, int fd);
void gush__tls_free(struct gush__tls *tls);
/* DONE, MORE, FULL or BROKEN; |*why| (may be NULL if it simply went away) only when BROKEN. */
enum gush__tls_said gush__tls_handshake(struct gush__tls *tls, const char **why);
bool gush__tls_resumed(const struct gush__tls *tls);
/* Reads once from the socket, unless |kept_only|, and decrypts all that came into the loop's read
 * buffer: |*n| bytes, whatever is said of what follows them: MORE, ENDED or BROKEN. */
enum gush__tls_said gush__tls_read(struct gush__tls *tls, bool kept_only, size_t *n);
/* Looks for the end only. DONE: there are bytes before it, and gush__tls_read has kept ones now; or
 * none can be looked at before what was written is out. */
enum gush__tls_said gush__tls_peek(struct gush__tls *tls);
/* As gush_conn_write. */
GUSH_MUST_USE gush_err gush__tls_write(struct gush__tls *tls, const struct gush_span *parts,
                                       size_t parts_n, size_t *written);
/* Sends close_notify. FULL: again when there is room. BROKEN: it cannot be sent. */
enum gush__tls_said gush__tls_goodbye(struct gush__tls *tls);
bool gush__tls_alpn_is(const struct gush__tls *tls, const char *protocol);

#endif
