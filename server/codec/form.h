/* form: the shapes in which one push travels. A form is a format (json or protobuf), a dialect
 * (bare pushes, or replies that carry pushes) and the framing that its transport puts around it.
 *
 * A publication is encoded at most once per form, and the bytes are shared by every connection
 * that uses it. A new transport adds a line here only if its bytes differ from all of these.
 *
 * Thread    any */
#ifndef GUSH_CODEC_FORM_H
#define GUSH_CODEC_FORM_H

enum gush_format { GUSH_JSON, GUSH_PROTOBUF };

enum gush_dialect {
    GUSH_DIALECT_PUSH, /* unidirectional: bare Push */
    GUSH_DIALECT_REPLY /* bidirectional: Reply, pushes wrapped */
};

enum gush_framing {
    GUSH_FRAMING_NONE,
    GUSH_FRAMING_VARINT,      /* length-prefixed protobuf */
    GUSH_FRAMING_GRPC,        /* 0, four bytes of length, protobuf */
    GUSH_FRAMING_SSE,         /* data: <message> LF LF */
    GUSH_FRAMING_SSE_CHUNKED, /* the same, as one whole chunk of HTTP/1.1 */
    GUSH_FRAMING_LINE,        /* <message> LF */
    GUSH_FRAMING_LINE_CHUNKED /* the same, as one whole chunk of HTTP/1.1 */
};
#define GUSH_FRAMINGS_N (GUSH_FRAMING_LINE_CHUNKED + 1)

/*    name          format    dialect  framing */
#define GUSH_FORM_MAP(X)                                                                           \
    X(GRPC, PROTOBUF, PUSH, NONE)             /* uni_grpc; C core adds the 5-byte prefix itself */ \
    X(GRPC_FRAMED, PROTOBUF, PUSH, GRPC)      /* uni_grpc on the HTTP port */                      \
    X(PUSH_JSON, JSON, PUSH, NONE)            /* one bare JSON push */                             \
    X(SSE, JSON, PUSH, SSE)                   /* uni_sse over HTTP/1.0 and HTTP/2 */               \
    X(SSE_CHUNKED, JSON, PUSH, SSE_CHUNKED)   /* uni_sse over HTTP/1.1 */                          \
    X(LINE, JSON, PUSH, LINE)                 /* uni_http_stream over HTTP/1.0 and HTTP/2 */       \
    X(LINE_CHUNKED, JSON, PUSH, LINE_CHUNKED) /* uni_http_stream over HTTP/1.1 */                  \
    X(REPLY_JSON, JSON, REPLY, NONE)          /* one message of a bidirectional JSON transport */  \
    X(REPLY_PROTOBUF, PROTOBUF, REPLY, VARINT) /* the same in protobuf, length-prefixed */

enum gush_form {
#define X(name, format, dialect, framing) GUSH_FORM_##name,
    GUSH_FORM_MAP(X)
#undef X
        GUSH_FORMS_N
};

enum gush_format gush_form_format(enum gush_form form);
enum gush_dialect gush_form_dialect(enum gush_form form);
enum gush_framing gush_form_framing(enum gush_form form);

#endif
