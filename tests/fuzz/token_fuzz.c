/* token_fuzz: any bytes as a token, and any bytes as the claims of a well-formed one.
 *
 * The signature is not checked, so that the claims are reached; a second verifier checks it, which
 * must deny everything. */
#include <stdlib.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/text.h"

#include "server/codec/json_scan.h"

#include "server/auth/token.h"

#define NOW_MS INT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct gush_token_verifier *skipping, *checking;

static struct gush_token_verifier *verifier(char *user_claim, bool skip)
{
    static char secret[] = "a secret that no input is signed with";
    struct gush_token_config config = {.hmac_secret_key = secret, .user_id_claim = user_claim};
    struct gush_token_verifier *v = NULL;
    const char *why = NULL;

    if (gush_token_verifier_new(&config, skip, &v, &why) != GUSH_OK)
        abort();
    return v;
}

/* Touches every byte that is handed out. */
static unsigned sum(struct gush_span s)
{
    unsigned total = 0;

    for (size_t i = 0; i < s.n; i++)
        total += s.p[i];
    return total;
}

static void verify(const struct gush_token_verifier *v, struct gush_span token, bool must_fail)
{
    struct gush_claims c;
    const char *why = NULL;
    volatile unsigned total;
    gush_err err = gush_token_verify(v, token, NOW_MS, &c, &why);

    GUSH_ASSERT(err == GUSH_OK || why != NULL);
    GUSH_ASSERT(err == GUSH_OK || (c.memory == NULL && c.subs == NULL));
    GUSH_ASSERT(!must_fail || err == GUSH_EDENIED);
    if (err)
        return;
    GUSH_ASSERT(c.subs_n <= GUSH_TOKEN_SUBS_MAX);
    total = sum(c.user) + sum(c.info) + sum(c.meta);
    GUSH_ASSERT(c.meta.n == 0 || gush_json_valid(c.meta));
    for (size_t i = 0; i < c.subs_n; i++) {
        total += sum(c.subs[i].channel) + sum(c.subs[i].info) + sum(c.subs[i].data);
        GUSH_ASSERT(i == 0 || gush_span_cmp(c.subs[i - 1].channel, c.subs[i].channel) < 0);
    }
    (void)total;
    gush_claims_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char user_claim[] = "uid";
    struct gush_buf token;

    if (skipping == NULL) {
        skipping = verifier(user_claim, true);
        checking = verifier(NULL, false);
    }
    verify(skipping, gush_span_of(data, n), false);
    verify(checking, gush_span_of(data, n), true);
    gush_buf_init(&token, 2 * GUSH_TOKEN_BYTES_MAX);
    gush_buf_put_str(&token, "eyJhbGciOiJIUzI1NiJ9.");
    gush_base64url_encode(gush_span_of(data, n), &token);
    gush_buf_put_str(&token, ".AAAA");
    verify(skipping, gush_buf_span(&token), false);
    verify(checking, gush_buf_span(&token), true);
    gush_buf_fini(&token);
    return 0;
}
