/* The ConnectRequest of JSON clients. The first byte picks how many members are allowed. */
#include "server/base/assert.h"
#include "server/base/text.h"

#include "server/codec/connect_decode.h"
#include "server/codec/json_scan.h"

static void check_names(const struct gush_connect_request *r)
{
    for (size_t i = 0; i < r->subs_n; i++) {
        const struct gush_connect_sub *sub = &r->subs[i];

        GUSH_ASSERT(i == 0 || gush_span_cmp(r->subs[i - 1].channel, sub->channel) < 0);
        GUSH_ASSERT(gush_utf8_valid(sub->channel) && gush_utf8_valid(sub->epoch));
        GUSH_ASSERT(gush_utf8_valid(sub->delta));
    }
    for (size_t i = 0; i < r->headers_n; i++) {
        GUSH_ASSERT(i == 0 || gush_span_cmp(r->headers[i - 1].name, r->headers[i].name) < 0);
        GUSH_ASSERT(gush_utf8_valid(r->headers[i].name) && gush_utf8_valid(r->headers[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gush_connect_request r;
    const char *why = NULL;
    size_t members_max;
    gush_err err;

    if (size == 0)
        return 0;
    members_max = data[0] == 255 ? GUSH_CONNECT_MEMBERS_MAX : data[0];
    err = gush_connect_decode_json(gush_span_of(data + 1, size - 1), members_max, &r, &why);
    if (err != GUSH_OK) {
        GUSH_ASSERT(why != NULL && err != GUSH_EMORE);
        return 0;
    }
    GUSH_ASSERT(r.subs_n + r.headers_n <= members_max);
    GUSH_ASSERT(r.data.n == 0 || gush_json_valid(r.data));
    GUSH_ASSERT(gush_utf8_valid(r.token) && gush_utf8_valid(r.name) && gush_utf8_valid(r.version));
    check_names(&r);
    gush_connect_request_fini(&r);
    return 0;
}
