/* The PROXY header, the first thing that a stranger behind a misconfigured proxy can say.
 *
 * The verdict may not depend on how the bytes were cut or on what follows the header, and nothing
 * is waited for beyond the limits. */
#include <stdlib.h>
#include <string.h>

#include "server/base/assert.h"

#include "server/net/proxy.h"

static gush_err parse(const uint8_t *data, size_t n, struct gush_proxy *out)
{
    uint8_t *copy = malloc(n + 1);
    const char *why = NULL;
    gush_err err;

    GUSH_ASSERT(copy != NULL);
    memcpy(copy, data, n);
    err = gush_proxy_parse(gush_span_of(copy, n), out, &why);
    free(copy);
    GUSH_ASSERT((why == NULL) == (err == GUSH_OK || err == GUSH_EMORE));
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gush_proxy whole = {0}, cut = {0};
    gush_err err = size ? parse(data, size, &whole) : GUSH_EMORE, slow = GUSH_EMORE;
    char text[GUSH_PEER_TEXT_MAX];
    size_t n = 0;

    while (slow == GUSH_EMORE && n < size)
        slow = parse(data, ++n, &cut);
    GUSH_ASSERT(slow == err);
    GUSH_ASSERT(err != GUSH_EMORE || size < GUSH_PROXY_MAX);
    if (err != GUSH_OK)
        return 0;
    GUSH_ASSERT(cut.n == n && whole.n == n && n <= GUSH_PROXY_MAX);
    GUSH_ASSERT(whole.named == cut.named);
    GUSH_ASSERT(memcmp(&whole.peer, &cut.peer, sizeof(whole.peer)) == 0);
    GUSH_ASSERT(whole.named || whole.peer.version == 0);
    gush_peer_format(&whole.peer, text);
    return 0;
}
