/* event_id: any text is read or refused; what is read is written as it was; and what was written by
 * us is read, while each neighbour of it is refused. */
#include <string.h>

#include "server/base/assert.h"
#include "server/base/cursor.h"
#include "server/base/mem.h"

#include "server/engine/event_id.h"

static struct gush_event_id_key key;

/* |p| as a text of ours. */
static size_t write(const struct gush_event_id_position *p, size_t n, char *out)
{
    struct gush_event_id_list *l = gush_event_id_list_new(n);
    size_t text_n = 0;

    for (size_t i = 0; i < n; i++) {
        struct gush_event_id_entry e;

        gush_event_id_entry_init(&key, p[i].channel, p[i].offset, gush_epoch_span(&p[i].epoch), &e);
        gush_event_id_list_add(l, &e);
    }
    if (l->text_n <= GUSH_EVENT_ID_MAX) {
        gush_event_id_write(&key, l, out);
        text_n = l->text_n;
    }
    gush_event_id_list_free(l);
    return text_n;
}

/* Strangers do not write what is ours; the seeds have some that is. */
static void read_any(struct gush_span text)
{
    struct gush_event_id_position p[GUSH_EVENT_ID_POSITIONS_MAX];
    char again[GUSH_EVENT_ID_MAX];
    size_t n;

    if (gush_event_id_parse(&key, text, p, &n) != GUSH_OK)
        return;
    GUSH_ASSERT(n <= GUSH_EVENT_ID_POSITIONS_MAX);
    size_t again_n = write(p, n, again);
    GUSH_ASSERT(gush_span_eq(text, gush_span_of(again, again_n)));
}

static size_t positions_from(struct gush_span s, struct gush_event_id_position *p, size_t max)
{
    struct gush_cursor c = gush_cursor_over(s);
    size_t n = 0;

    for (; n < max && gush_cursor_left(&c) > 0; n++) {
        p[n] = (struct gush_event_id_position){.channel = gush_cursor_le64(&c),
                                               .offset = gush_cursor_le64(&c)};
        struct gush_span epoch = gush_cursor_take(&c, gush_cursor_u8(&c) % (GUSH_EPOCH_MAX + 1));
        p[n].epoch.n = (uint8_t)epoch.n;
        if (epoch.n)
            memcpy(p[n].epoch.s, epoch.p, epoch.n);
    }
    return n;
}

/* Positions from the input, as a text, and one letter of it altered. */
static void write_and_read(struct gush_span s)
{
    struct gush_event_id_position in[GUSH_EVENT_ID_POSITIONS_MAX], out[GUSH_EVENT_ID_POSITIONS_MAX];
    size_t n = positions_from(s, in, GUSH_EVENT_ID_POSITIONS_MAX), out_n;
    char text[GUSH_EVENT_ID_MAX];
    size_t text_n = write(in, n, text);

    if (text_n == 0)
        return;
    GUSH_ASSERT(gush_event_id_parse(&key, gush_span_of(text, text_n), out, &out_n) == GUSH_OK);
    GUSH_ASSERT(out_n == n);
    for (size_t i = 0; i < n; i++)
        GUSH_ASSERT(in[i].channel == out[i].channel && in[i].offset == out[i].offset &&
                    gush_span_eq(gush_epoch_span(&in[i].epoch), gush_epoch_span(&out[i].epoch)));
    text[s.n % text_n] ^= 1;
    GUSH_ASSERT(gush_event_id_parse(&key, gush_span_of(text, text_n), out, &out_n) != GUSH_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gush_event_id_key_init(&key, GUSH_SPAN_LIT("of the fuzzer"));
    read_any(gush_span_of(data, size));
    write_and_read(gush_span_of(data, size));
    return 0;
}
