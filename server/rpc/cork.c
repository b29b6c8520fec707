#include "server/rpc/cork.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/mem.h"

#define STEP 1024 /* descriptors by which the tables grow */

static void set_cork(int fd, int on)
{
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static struct gush_rpc_cork_socket *socket_of(struct gush_rpc_cork *cork, int fd)
{
    size_t n = ((size_t)fd / STEP + 1) * STEP;

    if (n > cork->sockets_n) {
        cork->sockets = gush_realloc(cork->sockets, n * sizeof(*cork->sockets));
        memset(cork->sockets + cork->sockets_n, 0, (n - cork->sockets_n) * sizeof(*cork->sockets));
        cork->written = gush_realloc(cork->written, n * sizeof(*cork->written));
        cork->sockets_n = n;
    }
    return &cork->sockets[fd];
}

void gush_rpc_cork_write(struct gush_rpc_cork *cork, int fd)
{
    struct gush_rpc_cork_socket *s;

    if (fd < 0)
        return;
    s = socket_of(cork, fd);
    if (!s->written)
        cork->written[cork->written_n++] = fd;
    if (!s->corked && (s->written || s->pays)) {
        set_cork(fd, 1);
        s->corked = true;
    }
    s->again = s->written;
    s->written = true;
}

void gush_rpc_cork_end(struct gush_rpc_cork *cork)
{
    /* A socket that was closed in this turn may belong to somebody else by now: a cork that is
     * taken off where there is none does no harm. */
    while (cork->written_n > 0) {
        int fd = cork->written[--cork->written_n];
        struct gush_rpc_cork_socket *s = &cork->sockets[fd];

        if (s->corked)
            set_cork(fd, 0);
        *s = (struct gush_rpc_cork_socket){.pays = s->again};
    }
}

void gush_rpc_cork_fini(struct gush_rpc_cork *cork)
{
    gush_free(cork->sockets);
    gush_free(cork->written);
}
