/* text: UTF-8, base64, decimal, durations, globs. Pure functions, in
 * utf8.c, base64.c, parse.c, glob.c and text.c.
 *
 * Thread    any */
#ifndef GUSH_BASE_TEXT_H
#define GUSH_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/span.h"

/* Whole span is well-formed UTF-8 (no surrogates, no overlongs, at most U+10FFFF). */
bool gush_utf8_valid(struct gush_span s);
/* Length in bytes (1-4) of the well-formed sequence at s.p, or 0. */
size_t gush_utf8_sequence(struct gush_span s);
/* Writes 1-4 bytes of |rune| to |out|. */
size_t gush_utf8_put(uint32_t rune, uint8_t out[4]);

/* base64url without padding (JWT). Any other character or '=': GUSH_ESYNTAX. Appends to |out|. */
GUSH_MUST_USE gush_err gush_base64url_decode(struct gush_span in, struct gush_buf *out);
void gush_base64url_encode(struct gush_span in, struct gush_buf *out);
/* Standard base64 with required padding: GUSH_ESYNTAX otherwise. */
GUSH_MUST_USE gush_err gush_base64_decode(struct gush_span in, struct gush_buf *out);
void gush_base64_encode(struct gush_span in, struct gush_buf *out);

/* Decimal digits only, whole span, no sign: GUSH_ESYNTAX, GUSH_ERANGE. */
GUSH_MUST_USE gush_err gush_parse_u64(struct gush_span s, uint64_t *out);
GUSH_MUST_USE gush_err gush_parse_i64(struct gush_span s, int64_t *out);

/* Go duration text ("25s", "1h30m", "1.5h", "-1s", "0") to nanoseconds: GUSH_ESYNTAX, GUSH_ERANGE.
 */
GUSH_MUST_USE gush_err gush_parse_duration(struct gush_span s, int64_t *out_ns);
/* Canonical Go form ("1m0s"); appends. */
void gush_format_duration(int64_t ns, struct gush_buf *out);

/* 36 characters of a random UUIDv4 from 16 random bytes; no NUL. */
void gush_uuid_format(const uint8_t random[16], char out[36]);

/* Glob: * any run, ? one byte, [abc] [a-z] [!..], {a,b}, \ escape; no separators. Time is bounded
 * by |pattern| x |text|. gush_glob_valid: GUSH_ESYNTAX for an unclosed class, group or escape. */
GUSH_MUST_USE gush_err gush_glob_valid(struct gush_span pattern);
bool gush_glob_match(struct gush_span pattern, struct gush_span text);

/* ASCII only. */
bool gush_span_eq_nocase(struct gush_span a, struct gush_span b);
/* Same time whatever differs; lengths may leak. */
bool gush_span_eq_secret(struct gush_span a, struct gush_span b);

#endif
