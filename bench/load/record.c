#include "bench/load/record.h"

#include <inttypes.h>

#define MARK     '~'
#define T_DIGITS 19
#define S_DIGITS 12
#define C_DIGITS 6
#define LENGTH   (1 + T_DIGITS + S_DIGITS + C_DIGITS + 1)

void load_record_write(struct gush_buf *out, const struct load_record *r, size_t size)
{
    gush_buf_printf(out, "{\"r\":\"~%019" PRIu64 "%012" PRIu64 "%06" PRIu32 "~\",\"p\":\"",
                    r->intended_ns, r->seq, r->channel);
    for (size_t n = LOAD_RECORD_MIN; n < size; n++)
        gush_buf_put_u8(out, 'x');
    gush_buf_put_str(out, "\"}");
}

static bool digits(const uint8_t *p, unsigned n, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(p[i] - '0');
    }
    *out = v;
    return true;
}

bool load_record_find(struct gush_span s, struct load_record *r, const uint8_t **end)
{
    const uint8_t *p = s.n ? memchr(s.p, MARK, s.n) : NULL;
    uint64_t channel;

    if (p == NULL || s.n - (size_t)(p - s.p) < LENGTH || p[LENGTH - 1] != MARK ||
        !digits(p + 1, T_DIGITS, &r->intended_ns) || !digits(p + 1 + T_DIGITS, S_DIGITS, &r->seq) ||
        !digits(p + 1 + T_DIGITS + S_DIGITS, C_DIGITS, &channel))
        return false;
    r->channel = (uint32_t)channel;
    *end = p + LENGTH;
    return true;
}
