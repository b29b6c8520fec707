/* json_scan: a pull scanner that slices JSON without building anything.
 *
 * Strict JSON; strings must be UTF-8 (lone surrogate escapes become U+FFFD when read). Nesting is
 * bounded by a counter, not by the stack.
 * Thread    one per scanner */
#ifndef GUSH_CODEC_JSON_SCAN_H
#define GUSH_CODEC_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/span.h"

#define GUSH_JSON_DEPTH_MAX 10000 /* inside raw payloads, as the reference's */

enum gush_json_type {
    GUSH_JSON_NULL,
    GUSH_JSON_BOOL,
    GUSH_JSON_NUMBER,
    GUSH_JSON_STRING,
    GUSH_JSON_ARRAY,
    GUSH_JSON_OBJECT
};

/* One value: its type and its exact bytes (quotes and brackets included). */
struct gush_json_value {
    enum gush_json_type type;
    struct gush_span raw;
};

struct gush_json_scan {
    const uint8_t *p, *end;
    gush_err err;
    const char *why;
};

void gush_json_scan_init(struct gush_json_scan *s, struct gush_span in);
/* Next whole value at the cursor, validated to its end. False: see |err| (GUSH_EMORE at the end of
 * the input, GUSH_ESYNTAX, GUSH_EUTF8, GUSH_EDEPTH). */
bool gush_json_next(struct gush_json_scan *s, struct gush_json_value *out);
/* Only white space is left. */
bool gush_json_at_end(struct gush_json_scan *s);

/* Iterates over members or elements of an already validated value:
 *     struct gush_json_iter it = gush_json_members(v);
 *     while (gush_json_member(&it, &key_raw, &value)) ...                                    */
struct gush_json_iter {
    const uint8_t *p, *end;
};
struct gush_json_iter gush_json_members(struct gush_json_value object);
bool gush_json_member(struct gush_json_iter *it, struct gush_span *key_raw,
                      struct gush_json_value *out);
struct gush_json_iter gush_json_elements(struct gush_json_value array);
bool gush_json_element(struct gush_json_iter *it, struct gush_json_value *out);

/* Appends the text of a raw string (with its quotes) to |out|, escapes resolved. */
void gush_json_unescape(struct gush_span raw, struct gush_buf *out);
/* Same text as |name|, without regard to ASCII case, escapes resolved. */
bool gush_json_key_is(struct gush_span key_raw, const char *name);
/* Integers only: "2.0" and "1e3" are GUSH_ETYPE, out of range is GUSH_ERANGE. */
GUSH_MUST_USE gush_err gush_json_u64(struct gush_json_value v, uint64_t *out);
GUSH_MUST_USE gush_err gush_json_i64(struct gush_json_value v, int64_t *out);

/* |s| is exactly one valid JSON value (white space around it allowed). */
bool gush_json_valid(struct gush_span s);

#endif
