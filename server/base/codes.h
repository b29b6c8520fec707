/* codes: what peers are told. Errors, disconnects and unsubscribes of the client protocol, one
 * table each; a number and its text appear here and nowhere else.
 *
 * Thread    any */
#ifndef GUSH_BASE_CODES_H
#define GUSH_BASE_CODES_H

#include <stdbool.h>
#include <stdint.h>

/*    name       code text                       temporary */
#define GUSH_ERROR_MAP(X)                                                                          \
    X(INTERNAL, 100, "internal server error", true)                                                \
    X(UNAUTHORIZED, 101, "unauthorized", false)                                                    \
    X(UNKNOWN_CHANNEL, 102, "unknown channel", false)                                              \
    X(PERMISSION_DENIED, 103, "permission denied", false)                                          \
    X(METHOD_NOT_FOUND, 104, "method not found", false)                                            \
    X(ALREADY_SUBSCRIBED, 105, "already subscribed", false)                                        \
    X(LIMIT_EXCEEDED, 106, "limit exceeded", false)                                                \
    X(BAD_REQUEST, 107, "bad request", false)                                                      \
    X(NOT_AVAILABLE, 108, "not available", false)                                                  \
    X(TOKEN_EXPIRED, 109, "token expired", false)                                                  \
    X(EXPIRED, 110, "expired", false)                                                              \
    X(TOO_MANY_REQUESTS, 111, "too many requests", true)                                           \
    X(UNRECOVERABLE_POSITION, 112, "unrecoverable position", false)                                \
    X(CONCURRENT_PAGINATION, 113, "concurrent pagination", true)

/*    name            code  text */
#define GUSH_DISCONNECT_MAP(X)                                                                     \
    X(CONNECTION_CLOSED, 3000, "connection closed")                                                \
    X(SHUTDOWN, 3001, "shutdown")                                                                  \
    X(SERVER_ERROR, 3004, "internal server error")                                                 \
    X(EXPIRED, 3005, "connection expired")                                                         \
    X(SUBSCRIPTION_EXPIRED, 3006, "subscription expired")                                          \
    X(SLOW, 3008, "slow")                                                                          \
    X(WRITE_ERROR, 3009, "write error")                                                            \
    X(INSUFFICIENT_STATE, 3010, "insufficient state")                                              \
    X(FORCE_RECONNECT, 3011, "force reconnect")                                                    \
    X(NO_PONG, 3012, "no pong")                                                                    \
    X(TOO_MANY_REQUESTS, 3013, "too many requests")                                                \
    X(STATE_INVALIDATED, 3014, "state invalidated")                                                \
    X(INVALID_TOKEN, 3500, "invalid token")                                                        \
    X(BAD_REQUEST, 3501, "bad request")                                                            \
    X(STALE, 3502, "stale")                                                                        \
    X(FORCE_NO_RECONNECT, 3503, "force disconnect")                                                \
    X(CONNECTION_LIMIT, 3504, "connection limit")                                                  \
    X(CHANNEL_LIMIT, 3505, "channel limit")                                                        \
    X(INAPPROPRIATE_PROTOCOL, 3506, "inappropriate protocol")                                      \
    X(PERMISSION_DENIED, 3507, "permission denied")                                                \
    X(NOT_AVAILABLE, 3508, "not available")                                                        \
    X(TOO_MANY_ERRORS, 3509, "too many errors")

/*    name        code  text */
#define GUSH_UNSUBSCRIBE_MAP(X)                                                                    \
    X(CLIENT, 0, "client unsubscribe")                                                             \
    X(DISCONNECT, 1, "disconnect")                                                                 \
    X(SERVER, 2000, "server unsubscribe")                                                          \
    X(INSUFFICIENT, 2500, "insufficient state")                                                    \
    X(EXPIRED, 2501, "subscription expired")                                                       \
    X(STATE_INVALIDATED, 2502, "state invalidated")

enum gush_error_code {
    GUSH_ERROR_NONE = 0,
#define X(name, code, text, temporary) GUSH_ERROR_##name = (code),
    GUSH_ERROR_MAP(X)
#undef X
};

enum gush_disconnect_code {
    GUSH_DISCONNECT_NONE = 0,
#define X(name, code, text) GUSH_DISCONNECT_##name = (code),
    GUSH_DISCONNECT_MAP(X)
#undef X
};

enum gush_unsubscribe_code {
#define X(name, code, text) GUSH_UNSUBSCRIBE_##name = (code),
    GUSH_UNSUBSCRIBE_MAP(X)
#undef X
};

/* Static texts; "" for a code that is not in the table. */
const char *gush_error_text(uint32_t code);
bool gush_error_temporary(uint32_t code);
const char *gush_disconnect_text(uint32_t code);
const char *gush_unsubscribe_text(uint32_t code);

#endif
