#include "server/engine/event_id.h"

#include <endian.h>

#include "server/base/assert.h"
#include "server/base/cursor.h"
#include "server/base/mem.h"
#include "server/base/siphash.h"
#include "server/base/text.h"

#define PROOF_TEXT 16
#define RAW_MAX    (8 + 10 + GUSH_EPOCH_MAX)

_Static_assert(GUSH_EVENT_ID_ENTRY_MAX <= UINT8_MAX, "a length fits");

void gush_event_id_key_init(struct gush_event_id_key *key, struct gush_span secret)
{
    const struct gush_hash_key public = {0, 0};
    struct gush_siphash h = gush_siphash_of(&public, secret);
    struct gush_hash_key root = {h.lo, h.hi};
    struct gush_hash_key *keys[] = {&key->channel, &key->entry, &key->whole};

    for (size_t i = 0; i < 3; i++) {
        const uint8_t number = (uint8_t)i;

        h = gush_siphash_of(&root, gush_span_of(&number, 1));
        *keys[i] = (struct gush_hash_key){h.lo, h.hi};
    }
}

uint64_t gush_event_id_channel(const struct gush_event_id_key *key, struct gush_span name)
{
    return gush_siphash_of(&key->channel, name).lo;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void prove_entry(const struct gush_event_id_key *key, struct gush_span text,
                        uint64_t proof[2])
{
    struct gush_siphash h = gush_siphash_of(&key->entry, text);

    proof[0] = h.lo;
    proof[1] = h.hi;
}

/* |to| has room for |n| bytes as base64url; returns how many characters they are. */
static size_t put_text(const uint8_t *raw, size_t n, char *to, size_t room)
{
    struct gush_buf b = {.p = (uint8_t *)to, .cap = room, .limit_bytes = room};

    gush_base64url_encode(gush_span_of(raw, n), &b);
    GUSH_ASSERT(gush_buf_ok(&b) && b.p == (uint8_t *)to);
    return b.n;
}

void gush_event_id_entry_init(const struct gush_event_id_key *key, uint64_t channel,
                              uint64_t offset, struct gush_span epoch,
                              struct gush_event_id_entry *e)
{
    uint8_t raw[RAW_MAX];
    uint64_t le = htole64(channel);
    size_t n = sizeof le;

    GUSH_ASSERT(epoch.n <= GUSH_EPOCH_MAX);
    memcpy(raw, &le, sizeof le);
    for (; offset >= 0x80; offset >>= 7)
        raw[n++] = (uint8_t)(offset | 0x80);
    raw[n++] = (uint8_t)offset;
    if (epoch.n)
        memcpy(raw + n, epoch.p, epoch.n);
    n += epoch.n;
    e->channel = channel;
    e->text_n = (uint8_t)put_text(raw, n, e->text, sizeof e->text);
    prove_entry(key, gush_span_of(e->text, e->text_n), e->proof);
}

struct gush_event_id_list *gush_event_id_list_new(size_t n)
{
    struct gush_event_id_list *l = gush_alloc(sizeof *l + n * sizeof(struct gush_event_id_entry));

    *l = (struct gush_event_id_list){.text_n = PROOF_TEXT};
    return l;
}

void gush_event_id_list_free(struct gush_event_id_list *l)
{
    gush_free(l);
}

void gush_event_id_list_add(struct gush_event_id_list *l, const struct gush_event_id_entry *e)
{
    l->entries[l->n++] = *e;
    l->text_n += 1u + e->text_n;
    l->sums[0] += e->proof[0];
    l->sums[1] += e->proof[1];
}

bool gush_event_id_list_move(struct gush_event_id_list *l, const struct gush_event_id_entry *e)
{
    for (uint32_t i = 0; i < l->n; i++) {
        struct gush_event_id_entry *was = &l->entries[i];

        if (was->channel != e->channel)
            continue;
        l->text_n += (uint32_t)e->text_n - was->text_n;
        l->sums[0] += e->proof[0] - was->proof[0];
        l->sums[1] += e->proof[1] - was->proof[1];
        *was = *e;
        return true;
    }
    return false;
}

static void prove_whole(const struct gush_event_id_key *key, uint64_t n, const uint64_t sums[2],
                        char out[static PROOF_TEXT])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t words[3] = {htole64(n), htole64(sums[0]), htole64(sums[1])};
    struct gush_siphash h = gush_siphash_of(&key->whole, gush_span_of(words, sizeof words));

    /* 96 bits of it, six for a letter. */
    for (unsigned i = 0; i < PROOF_TEXT / 2; i++, h.lo >>= 6, h.hi >>= 6) {
        out[i] = letters[h.lo & 63];
        out[i + PROOF_TEXT / 2] = letters[h.hi & 63];
    }
}

void gush_event_id_write(const struct gush_event_id_key *key, const struct gush_event_id_list *l,
                         char *out)
{
    char *to = out + PROOF_TEXT;

    prove_whole(key, l->n, l->sums, out);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct gush_event_id_entry *e = &l->entries[i];

        *to++ = '.';
        memcpy(to, e->text, e->text_n);
        to += e->text_n;
    }
    GUSH_ASSERT(to == out + l->text_n);
}

/* ---- reading --------------------------------------------------------------------------------- */

static gush_err parse_entry(struct gush_span text, struct gush_event_id_position *p)
{
    uint8_t raw[GUSH_EVENT_ID_ENTRY_MAX];
    struct gush_buf b = {.p = raw, .cap = sizeof raw, .limit_bytes = sizeof raw};

    if (text.n > GUSH_EVENT_ID_ENTRY_MAX || gush_base64url_decode(text, &b) != GUSH_OK)
        return GUSH_ESYNTAX;
    struct gush_cursor c = gush_cursor_over(gush_buf_span(&b));
    p->channel = gush_cursor_le64(&c);
    p->offset = gush_cursor_varint(&c);
    size_t n = gush_cursor_left(&c);
    if (!gush_cursor_ok(&c) || n > GUSH_EPOCH_MAX)
        return GUSH_ESYNTAX;
    p->epoch.n = (uint8_t)n;
    if (n)
        memcpy(p->epoch.s, gush_cursor_take(&c, n).p, n);
    return GUSH_OK;
}

/* The next part, up to a dot or the end. */
static struct gush_span next_part(struct gush_span *rest)
{
    const uint8_t *dot = memchr(rest->p, '.', rest->n);
    struct gush_span part = {rest->p, dot ? (size_t)(dot - rest->p) : rest->n};
    size_t gone = part.n + (dot != NULL);

    rest->p += gone;
    rest->n -= gone;
    return part;
}

gush_err gush_event_id_parse(const struct gush_event_id_key *key, struct gush_span text,
                             struct gush_event_id_position positions[GUSH_EVENT_ID_POSITIONS_MAX],
                             size_t *n)
{
    uint64_t sums[2] = {0, 0};
    char proof[PROOF_TEXT];

    *n = 0;
    if (text.n < PROOF_TEXT || text.n > GUSH_EVENT_ID_MAX)
        return GUSH_ESYNTAX;
    struct gush_span rest = text, claimed = next_part(&rest);
    while (rest.n > 0) {
        struct gush_span entry = next_part(&rest);
        uint64_t one[2];

        if (*n == GUSH_EVENT_ID_POSITIONS_MAX || parse_entry(entry, &positions[*n]) != GUSH_OK)
            return GUSH_ESYNTAX;
        prove_entry(key, entry, one);
        sums[0] += one[0];
        sums[1] += one[1];
        (*n)++;
    }
    prove_whole(key, *n, sums, proof);
    /* A dot at the end is not ours either. */
    return text.p[text.n - 1] != '.' &&
                   gush_span_eq_secret(claimed, gush_span_of(proof, PROOF_TEXT))
               ? GUSH_OK
               : GUSH_ESYNTAX;
}
