/* error: how the world's failures travel. One table for code, class and text.
 *
 * Our own bugs are asserts (assert.h); the operator's mistakes are messages (config). What is
 * left is the world: a gush_err, never ignored. Zero is success, codes are negative, and callers
 * branch on the class: RETRY waits, CALLER answers and carries on, PEER disconnects, SYSTEM logs
 * and degrades.
 *
 * Thread    any */
#ifndef GUSH_BASE_ERROR_H
#define GUSH_BASE_ERROR_H

#define GUSH_MUST_USE         __attribute__((warn_unused_result))
#define GUSH_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))

/*    name       class   text */
#define GUSH_ERR_MAP(X)                                                                            \
    X(AGAIN, RETRY, "would block")                                                                 \
    X(MORE, RETRY, "needs more bytes")                                                             \
    X(SYNTAX, PEER, "malformed")                                                                   \
    X(TYPE, PEER, "wrong type")                                                                    \
    X(RANGE, PEER, "number out of range")                                                          \
    X(UTF8, PEER, "not UTF-8")                                                                     \
    X(DEPTH, PEER, "nested too deeply")                                                            \
    X(LIMIT, CALLER, "limit exceeded")                                                             \
    X(DENIED, CALLER, "permission denied")                                                         \
    X(EXPIRED, CALLER, "expired")                                                                  \
    X(UNKNOWN, CALLER, "not known")                                                                \
    X(POSITION, CALLER, "unrecoverable position")                                                  \
    X(CLOSED, PEER, "closed")                                                                      \
    X(CONFIG, SYSTEM, "configuration")                                                             \
    X(IO, SYSTEM, "input/output")                                                                  \
    X(BROKER, SYSTEM, "broker unavailable")                                                        \
    X(BUSY, SYSTEM, "address in use")                                                              \
    X(NOMEM, SYSTEM, "out of memory")

enum gush_err_class {
    GUSH_CLASS_NONE,
    GUSH_CLASS_RETRY,
    GUSH_CLASS_CALLER,
    GUSH_CLASS_PEER,
    GUSH_CLASS_SYSTEM
};

enum gush__err_ordinal {
    GUSH__ORDINAL_OK,
#define X(name, class, text) GUSH__ORDINAL_##name,
    GUSH_ERR_MAP(X)
#undef X
};

typedef enum gush_err {
    GUSH_OK = 0,
#define X(name, class, text) GUSH_E##name = -GUSH__ORDINAL_##name,
    GUSH_ERR_MAP(X)
#undef X
} gush_err;

/* Static text of |err|; never NULL. */
const char *gush_err_text(gush_err err);
enum gush_err_class gush_err_class(gush_err err);

/* Sets |*why| (unless |why| is NULL) to a static explanation and returns |err|. */
static inline gush_err gush_fail(const char **why, gush_err err, const char *text)
{
    if (why)
        *why = text;
    return err;
}

#endif
