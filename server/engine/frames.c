#include "server/engine/frames.h"

#include <stdatomic.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/sync.h"

#include "server/codec/push_encode.h"

#include "server/engine/node.h"

struct gush_frames {
    atomic_uint refs;
    enum gush_push_kind kind;
    struct gush_publication *publication;
    struct gush_epoch epoch;
    gush_atomic_ptr slots[GUSH_FORMS_N]; /* NULL, &refused_*, or struct gush_bytes */
};

static atomic_uint_fast64_t live;
/* What a slot holds when the payload cannot travel in its form. */
static char refused_syntax, refused_limit;

uint64_t gush_frames_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

struct gush_frames *gush_frames_new(enum gush_push_kind kind, struct gush_publication *publication,
                                    struct gush_span epoch)
{
    GUSH_ASSERT(kind == GUSH_PUSH_PUB || kind == GUSH_PUSH_JOIN || kind == GUSH_PUSH_LEAVE);
    GUSH_ASSERT(epoch.n <= GUSH_EPOCH_MAX);
    struct gush_frames *f = GUSH_NEW(struct gush_frames);

    atomic_init(&f->refs, 1);
    f->kind = kind;
    f->publication = gush_publication_ref(publication);
    f->epoch.n = (uint8_t)epoch.n;
    if (epoch.n)
        memcpy(f->epoch.s, epoch.p, epoch.n);
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return f;
}

struct gush_frames *gush_frames_ref(struct gush_frames *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

static gush_err refusal(const void *slot)
{
    return slot == &refused_syntax ? GUSH_ESYNTAX : slot == &refused_limit ? GUSH_ELIMIT : GUSH_OK;
}

void gush_frames_unref(struct gush_frames *f)
{
    if (f == NULL || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < GUSH_FORMS_N; i++) {
        void *slot = atomic_load_explicit(&f->slots[i], memory_order_relaxed);
        if (slot && refusal(slot) == GUSH_OK)
            gush_bytes_unref(slot);
    }
    gush_publication_unref(f->publication);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    gush_free(f);
}

static gush_err encode(const struct gush_frames *f, enum gush_form form, struct gush_bytes **out)
{
    struct gush_pub pub = gush_publication_view(f->publication, gush_epoch_span(&f->epoch));
    struct gush_push push = {.kind = f->kind, .channel = gush_publication_channel(f->publication)};

    if (f->kind == GUSH_PUSH_PUB)
        push.u.pub = &pub;
    else
        push.u.info = pub.info;
    return gush_push_encode(&push, form, out);
}

gush_err gush_frames_get(struct gush_frames *f, enum gush_form form, struct gush_bytes **out)
{
    void *slot = gush_atomic_load(&f->slots[form]);

    if (slot == NULL) {
        struct gush_bytes *bytes = NULL;
        gush_err err = encode(f, form, &bytes);
        void *mine = err == GUSH_OK        ? (void *)bytes
                     : err == GUSH_ESYNTAX ? (void *)&refused_syntax
                                           : (void *)&refused_limit;
        if (gush_atomic_cas(&f->slots[form], &slot, mine))
            slot = mine;
        else
            gush_bytes_unref(bytes); /* another lane was first */
    }
    gush_err err = refusal(slot);
    if (err == GUSH_OK)
        *out = slot;
    return err;
}

struct gush_bytes *gush_frames_again(struct gush_frames *f, enum gush_form form)
{
    void *slot = gush_atomic_load(&f->slots[form]);

    GUSH_DEBUG_ASSERT(slot && refusal(slot) == GUSH_OK);
    return slot;
}

struct gush_publication *gush_frames_publication(const struct gush_frames *f)
{
    return f->publication;
}
