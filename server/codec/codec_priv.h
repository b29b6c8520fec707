/* codec_priv: how one message is written, shared by pushes and replies.
 *
 * A message is written into a gush__out: first into memory on the stack, and only if it does not
 * fit, into the heap. Then it is framed and copied, once, into the counted bytes that are shared.
 * Nothing is allocated per field.
 *
 * Owner     the encoder's stack frame   Thread  any
 * Limits    4 GiB - 1 with framing */
#ifndef GUSH_CODEC_CODEC_PRIV_H
#define GUSH_CODEC_CODEC_PRIV_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/base/error.h"

#include "server/codec/form.h"
#include "server/codec/message.h"

struct gush__out {
    struct gush_buf buf;
    bool bad_raw; /* a raw payload is not JSON, and this message is */
};

/* Writes one whole message without framing. May be called twice: it must not keep anything. */
typedef void gush__write_fn(struct gush__out *o, const void *message, enum gush_format format,
                            enum gush_dialect dialect);

/* Writes |message| and frames it for |form|. |size_hint| is about how long it will be.
 *   GUSH_ESYNTAX   a raw payload is not valid JSON and the form is JSON
 *   GUSH_ELIMIT    longer than 4 GiB - 1 */
GUSH_MUST_USE gush_err gush__encode(gush__write_fn *write, const void *message, enum gush_form form,
                                    size_t size_hint, struct gush_bytes **out);

/* ---- JSON members. Each puts a comma in front where one is due. Zero values are left out, except
 * by the functions that say always. */

/* The name of a member as it is written. */
#define GUSH__KEY(name) GUSH_SPAN_LIT("\"" name "\":")

void gush__json_open(struct gush__out *o, struct gush_span key); /* "key":{ */
void gush__json_close(struct gush__out *o);                      /* } */
/* A comma unless a bracket was just opened; for list elements and map entries. */
void gush__json_comma(struct gush__out *o);
void gush__json_key(struct gush__out *o, struct gush_span key);
void gush__json_bool(struct gush__out *o, struct gush_span key, bool v);
void gush__json_u64(struct gush__out *o, struct gush_span key, uint64_t v);
void gush__json_u64_always(struct gush__out *o, struct gush_span key, uint64_t v);
void gush__json_i64(struct gush__out *o, struct gush_span key, int64_t v);
void gush__json_str(struct gush__out *o, struct gush_span key, struct gush_span v);
void gush__json_str_always(struct gush__out *o, struct gush_span key, struct gush_span v);
/* Less its LF bytes; what is left must be one JSON value. */
void gush__json_raw(struct gush__out *o, struct gush_span key, struct gush_span raw);
/* "key":{ as a map entry: |key| is text, not yet quoted. */
void gush__json_open_entry(struct gush__out *o, struct gush_span key);

/* ---- parts: the members between the braces (JSON) or the fields (protobuf) of one message */

void gush__info_json(struct gush__out *o, const struct gush_client_info *info);
void gush__info_proto(struct gush__out *o, const struct gush_client_info *info);
/* The bare Publication, of which pushes, recovery and history are composed. */
void gush__pub_json(struct gush__out *o, const struct gush_pub *pub);
void gush__pub_proto(struct gush__out *o, const struct gush_pub *pub);
void gush__sub_result_json(struct gush__out *o, const struct gush_sub_result *sub);
void gush__sub_result_proto(struct gush__out *o, const struct gush_sub_result *sub);
/* The same facts stand in another order, under other numbers, in the push and in the reply. */
void gush__connect_push_json(struct gush__out *o, const struct gush_connect_result *c);
void gush__connect_push_proto(struct gush__out *o, const struct gush_connect_result *c);
void gush__connect_reply_json(struct gush__out *o, const struct gush_connect_result *c);
void gush__connect_reply_proto(struct gush__out *o, const struct gush_connect_result *c);
/* "publications":[...] */
void gush__pub_list_json(struct gush__out *o, const struct gush_pub *pubs, size_t n);

/* About how many bytes these become, for the size hint. */
size_t gush__pub_size(const struct gush_pub *pub);
size_t gush__connect_size(const struct gush_connect_result *c);
size_t gush__sub_result_size(const struct gush_sub_result *sub);

#endif
