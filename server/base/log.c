#include "server/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/text.h"

#define LINE_LIMIT_BYTES  65536
#define VALUE_LIMIT_BYTES 4096 /* longer values are cut: they come from strangers */

enum gush_log_level gush_log_threshold = GUSH_LOG_INFO;

static int sink = STDERR_FILENO; /* frozen after gush_log_open */
static bool human;               /* frozen after gush_log_open */

static const struct {
    const char *name, *label; /* label: coloured, for people */
} levels[] = {
    [GUSH_LOG_TRACE] = {"trace", "\x1b[34mTRC\x1b[0m"},
    [GUSH_LOG_DEBUG] = {"debug", "\x1b[36mDBG\x1b[0m"},
    [GUSH_LOG_INFO] = {"info", "\x1b[32mINF\x1b[0m"},
    [GUSH_LOG_WARN] = {"warn", "\x1b[33mWRN\x1b[0m"},
    [GUSH_LOG_ERROR] = {"error", "\x1b[31mERR\x1b[0m"},
    [GUSH_LOG_FATAL] = {"fatal", "\x1b[1;31mFTL\x1b[0m"},
    [GUSH_LOG_NONE] = {"none", "???"},
};

gush_err gush_log_open(enum gush_log_level level, const char *file)
{
    bool to_file = file && *file;
    int fd = STDERR_FILENO;

    if (to_file) {
        fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            return GUSH_EIO;
    }
    gush_log_close();
    human = !to_file && isatty(STDOUT_FILENO);
    sink = human ? STDOUT_FILENO : fd;
    gush_log_threshold = level;
    return GUSH_OK;
}

void gush_log_close(void)
{
    if (sink > STDERR_FILENO)
        close(sink);
    sink = STDERR_FILENO;
    human = false;
}

bool gush_log_level_parse(struct gush_span name, enum gush_log_level *out)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (gush_span_eq_nocase(name, gush_span_str(levels[i].name))) {
            *out = (enum gush_log_level)i;
            return true;
        }
    }
    return false;
}

/* |s| as the inside of a JSON string: what is not UTF-8 becomes U+FFFD. */
static void put_escaped(struct gush_buf *b, struct gush_span s)
{
    bool cut = s.n > VALUE_LIMIT_BYTES;

    if (cut)
        s.n = VALUE_LIMIT_BYTES;
    while (s.n) {
        size_t n = gush_utf8_sequence(s);

        if (n == 0) {
            gush_buf_put_str(b, "\\ufffd");
            n = 1;
        } else if (s.p[0] == '"' || s.p[0] == '\\') {
            gush_buf_put_u8(b, '\\');
            gush_buf_put_u8(b, s.p[0]);
        } else if (s.p[0] == '\n') {
            gush_buf_put_str(b, "\\n");
        } else if (s.p[0] < 0x20 || s.p[0] == 0x7f) {
            gush_buf_printf(b, "\\u%04x", (unsigned)s.p[0]);
        } else {
            gush_buf_put(b, s.p, n);
        }
        s = gush_span_of(s.p + n, s.n - n);
    }
    if (cut)
        gush_buf_put_str(b, "...");
}

static void put_quoted(struct gush_buf *b, struct gush_span s)
{
    gush_buf_put_u8(b, '"');
    put_escaped(b, s);
    gush_buf_put_u8(b, '"');
}

static void put_value(struct gush_buf *b, const struct gush_log_field *f)
{
    switch (f->kind) {
    case GUSH_FIELD_SPAN:
        put_quoted(b, f->s);
        break;
    case GUSH_FIELD_U64:
        gush_buf_put_u64(b, f->u);
        break;
    case GUSH_FIELD_I64:
        gush_buf_put_i64(b, f->i);
        break;
    }
}

static void put_json_line(struct gush_buf *b, enum gush_log_level level, const char *message,
                          const struct gush_log_field *fields, size_t fields_n, time_t now)
{
    char text[32] = "";
    struct tm tm;

    gush_buf_printf(b, "{\"level\":\"%s\"", levels[level].name);
    for (size_t i = 0; i < fields_n; i++) {
        gush_buf_put_u8(b, ',');
        put_quoted(b, gush_span_str(fields[i].name));
        gush_buf_put_u8(b, ':');
        put_value(b, &fields[i]);
    }
    if (gmtime_r(&now, &tm))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    gush_buf_printf(b, ",\"time\":\"%s\",\"message\":", text);
    put_quoted(b, gush_span_str(message));
    gush_buf_put_str(b, "}\n");
}

static void put_human_line(struct gush_buf *b, enum gush_log_level level, const char *message,
                           const struct gush_log_field *fields, size_t fields_n, time_t now)
{
    char text[32] = "";
    struct tm tm;

    if (localtime_r(&now, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    gush_buf_printf(b, "\x1b[90m%s\x1b[0m %s ", text, levels[level].label);
    put_escaped(b, gush_span_str(message));
    for (size_t i = 0; i < fields_n; i++) {
        gush_buf_printf(b, " \x1b[36m%s=\x1b[0m", fields[i].name);
        put_value(b, &fields[i]);
    }
    gush_buf_put_u8(b, '\n');
}

static void write_whole(struct gush_span s)
{
    while (s.n) {
        ssize_t n = write(sink, s.p, s.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nowhere to complain to */
        s = gush_span_of(s.p + n, s.n - (size_t)n);
    }
}

void gush_log_write(enum gush_log_level level, const char *message,
                    const struct gush_log_field *fields, size_t fields_n)
{
    time_t now = (time_t)(gush_clock_wall_ms() / 1000);
    int saved_errno = errno;
    struct gush_buf line;

    gush_buf_init(&line, LINE_LIMIT_BYTES);
    if (human)
        put_human_line(&line, level, message, fields, fields_n, now);
    else
        put_json_line(&line, level, message, fields, fields_n, now);
    if (gush_buf_ok(&line))
        write_whole(gush_buf_span(&line));
    gush_buf_fini(&line);
    errno = saved_errno;
}
