/* h2_mem: what nghttp2 allocates with. Small things come from the heap. The buffer in which a
 * session puts its frames together, 16 KB and by far the largest thing that it has, is one for all
 * sessions of a loop: a frame is handed out by the very call that makes it, and copied before the
 * next one (h2_write.c). Only of a header block that needs several frames the later ones wait; they
 * get buffers of their own, which are allocated when they are needed.
 *
 * This knows how the library works inside. It is done for versions that were looked at only; with
 * others each session has its own buffer. */
#include "server/base/mem.h"

#include "server/http/h2_priv.h"

#define SHARED_LEAST  ((size_t)16 * 1024)
#define VERSION_FIRST 0x013400 /* 1.52.0 */
#define VERSION_LAST  0x013fff /* 1.63 */

struct gush__h2_mem {
    nghttp2_mem functions;
    bool known;   /* this version of the library */
    bool opening; /* a session is being made: what it allocates first is its own */
    void *shared;
    size_t shared_n;
};

/* The first thing of that size that a new session asks for is its buffer. */
static void *share(struct gush__h2_mem *mem, size_t size)
{
    if (!mem->opening || size < SHARED_LEAST || (mem->shared && size != mem->shared_n))
        return NULL;
    mem->opening = false;
    if (mem->shared == NULL) {
        mem->shared = gush_alloc(size);
        mem->shared_n = size;
    }
    return mem->shared;
}

static void *mem_malloc(size_t size, void *arg)
{
    void *shared = share((struct gush__h2_mem *)arg, size);
    return shared ? shared : gush_alloc(size);
}

static void mem_free(void *p, void *arg)
{
    const struct gush__h2_mem *mem = (const struct gush__h2_mem *)arg;

    if (p == NULL || p != mem->shared)
        gush_free(p);
}

static void *mem_calloc(size_t n, size_t size, void *arg)
{
    (void)arg;
    return gush_zalloc(n, size);
}

static void *mem_realloc(void *p, size_t size, void *arg)
{
    struct gush__h2_mem *mem = (struct gush__h2_mem *)arg;

    if (p == NULL)
        return mem_malloc(size, arg);
    GUSH_ASSERT(p != mem->shared); /* it grows only with frames larger than we make */
    return gush_realloc(p, size);
}

nghttp2_session *gush__h2_mem_session(struct gush__h2_mem *mem,
                                      const nghttp2_session_callbacks *callbacks,
                                      const nghttp2_option *option, void *arg)
{
    nghttp2_session *ng;

    mem->opening = mem->known;
    int rv = nghttp2_session_server_new3(&ng, callbacks, arg, option, &mem->functions);
    GUSH_ASSERT(rv == 0); /* memory is there, or we are not */
    mem->opening = false;
    return ng;
}

struct gush__h2_mem *gush__h2_mem_new(void)
{
    struct gush__h2_mem *mem = GUSH_NEW(struct gush__h2_mem);
    int version = nghttp2_version(0)->version_num;

    mem->functions = (nghttp2_mem){mem, mem_malloc, mem_free, mem_calloc, mem_realloc};
    mem->known = version >= VERSION_FIRST && version <= VERSION_LAST;
    return mem;
}

void gush__h2_mem_free(struct gush__h2_mem *mem)
{
    gush_free(mem->shared);
    gush_free(mem);
}
