/* log: one JSON object per line to stderr or a file; a coloured line when stdout is a terminal.
 *
 * An event is logged where it is decided, not on the way up. Fields follow the message as pairs:
 *     gush_log(GUSH_LOG_INFO, "client disconnected", GUSH_F("client", id), GUSH_FU("code", 3008));
 * Levels below the configured one cost one comparison.
 * Thread    any (one write(2) per line) */
#ifndef GUSH_BASE_LOG_H
#define GUSH_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/span.h"

enum gush_log_level {
    GUSH_LOG_TRACE,
    GUSH_LOG_DEBUG,
    GUSH_LOG_INFO,
    GUSH_LOG_WARN,
    GUSH_LOG_ERROR,
    GUSH_LOG_FATAL, /* does not end the process by itself */
    GUSH_LOG_NONE
};

struct gush_log_field {
    const char *name;
    enum { GUSH_FIELD_SPAN, GUSH_FIELD_U64, GUSH_FIELD_I64 } kind;
    struct gush_span s;
    uint64_t u;
    int64_t i;
};

#define GUSH_F(name, str)                                                                          \
    ((struct gush_log_field){(name), GUSH_FIELD_SPAN, gush_span_str(str), 0, 0})
#define GUSH_FS(name, span) ((struct gush_log_field){(name), GUSH_FIELD_SPAN, (span), 0, 0})
#define GUSH_FU(name, v)                                                                           \
    ((struct gush_log_field){(name), GUSH_FIELD_U64, GUSH_SPAN_EMPTY, (uint64_t)(v), 0})
#define GUSH_FI(name, v)                                                                           \
    ((struct gush_log_field){(name), GUSH_FIELD_I64, GUSH_SPAN_EMPTY, 0, (int64_t)(v)})

/* Opens the sink. |file| NULL or "": stderr, or the human format if stdout is a terminal.
 *   GUSH_EIO   the file cannot be opened for appending (errno tells) */
GUSH_MUST_USE gush_err gush_log_open(enum gush_log_level level, const char *file);
void gush_log_close(void);
/* "info", any case; false if unknown. */
bool gush_log_level_parse(struct gush_span name, enum gush_log_level *out);

extern enum gush_log_level gush_log_threshold; /* frozen after gush_log_open */

void gush_log_write(enum gush_log_level level, const char *message,
                    const struct gush_log_field *fields, size_t fields_n);

#define gush_log(level, ...)                                                                       \
    do {                                                                                           \
        if ((level) >= gush_log_threshold)                                                         \
            GUSH__LOG_PICK(level, __VA_ARGS__, GUSH__LOG_END);                                     \
    } while (0)
#define GUSH__LOG_END ((struct gush_log_field){0})
/* A message alone still yields a one-element array: the end marker, which is not counted. */
#define GUSH__LOG_PICK(level, message, ...)                                                        \
    gush_log_write(                                                                                \
        (level), (message), (struct gush_log_field[]){__VA_ARGS__},                                \
        sizeof((struct gush_log_field[]){__VA_ARGS__}) / sizeof(struct gush_log_field) - 1)

#endif
