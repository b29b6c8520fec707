#include "server/http/access_log.h"

#include <arpa/inet.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/http/forwarded.h"

#define METHOD_MAX         24
#define PATH_MAX_BYTES     1024
#define STATUS_CLIENT_GONE 499

struct gush_access_log {
    enum gush_log_level level;
    struct gush_access_log_options options;
};

/* Not more than the line needs: one of them lives with each request. */
struct gush_access_entry {
    const struct gush_access_log *log;
    uint64_t began_us;
    struct gush_peer client;
    enum gush_http_version version;
    bool cut; /* the path was longer */
    uint16_t method_n, path_n;
    uint8_t text[]; /* method, then path */
};

struct gush_access_log *gush_access_log_new(const struct gush_access_log_options *options)
{
    enum gush_log_level level = options->at_info ? GUSH_LOG_INFO : GUSH_LOG_DEBUG;

    GUSH_ASSERT(options->mono_us != NULL);
    if (level < gush_log_threshold && options->answered == NULL)
        return NULL;
    struct gush_access_log *log = GUSH_NEW(struct gush_access_log);
    log->level = level;
    log->options = *options;
    return log;
}

void gush_access_log_free(struct gush_access_log *log)
{
    gush_free(log);
}

struct gush_access_entry *gush_access_log_begin(struct gush_access_log *log,
                                                const struct gush_http_request *request)
{
    size_t method_n = request->method.n < METHOD_MAX ? request->method.n : METHOD_MAX;
    size_t path_n = request->path.n < PATH_MAX_BYTES ? request->path.n : PATH_MAX_BYTES;
    struct gush_access_entry *entry;

    if (log == NULL)
        return NULL;
    entry = (struct gush_access_entry *)gush_alloc(sizeof(*entry) + method_n + path_n);
    *entry = (struct gush_access_entry){.log = log,
                                        .began_us = log->options.mono_us(),
                                        .client = gush_forwarded_client(request),
                                        .version = request->version,
                                        .cut = path_n < request->path.n,
                                        .method_n = (uint16_t)method_n,
                                        .path_n = (uint16_t)path_n};
    if (method_n)
        memcpy(entry->text, request->method.p, method_n);
    if (path_n)
        memcpy(entry->text + method_n, request->path.p, path_n);
    return entry;
}

static void put_address(const struct gush_peer *client, struct gush_buf *out)
{
    char text[GUSH_PEER_TEXT_MAX];

    if (client->port == 0 && client->version != 0) /* told by a proxy */
        inet_ntop(client->version == 4 ? AF_INET : AF_INET6, client->ip, text, sizeof(text));
    else
        gush_peer_format(client, text);
    gush_buf_put_str(out, text);
}

static const char *version_text(enum gush_http_version version)
{
    switch (version) {
    case GUSH_HTTP_1_0:
        return "HTTP/1.0";
    case GUSH_HTTP_1_1:
        return "HTTP/1.1";
    case GUSH_HTTP_2:
        break;
    }
    return "HTTP/2.0";
}

static void write_line(const struct gush_access_entry *entry, unsigned status, uint64_t bytes)
{
    struct gush_buf path, duration, address;

    uint64_t us = entry->log->options.mono_us() - entry->began_us;
    gush_buf_init(&path, PATH_MAX_BYTES + 4);
    gush_buf_put(&path, entry->text + entry->method_n, entry->path_n);
    if (entry->cut)
        gush_buf_put_str(&path, "...");
    gush_buf_init(&duration, 64);
    gush_format_duration((int64_t)(us * 1000), &duration);
    gush_buf_init(&address, GUSH_PEER_TEXT_MAX);
    put_address(&entry->client, &address);
    gush_log(entry->log->level, "http request",
             GUSH_FS("method", gush_span_of(entry->text, entry->method_n)),
             GUSH_FU("status", status ? status : STATUS_CLIENT_GONE),
             GUSH_FS("path", gush_buf_span(&path)), GUSH_FS("addr", gush_buf_span(&address)),
             GUSH_FS("duration", gush_buf_span(&duration)), GUSH_FU("bytes", bytes),
             GUSH_F("version", version_text(entry->version)));
    gush_buf_fini(&path);
    gush_buf_fini(&duration);
    gush_buf_fini(&address);
}

void gush_access_log_end(struct gush_access_entry *entry, unsigned status, uint64_t bytes)
{
    if (entry == NULL)
        return;
    const struct gush_access_log_options *o = &entry->log->options;
    if (entry->log->level >= gush_log_threshold)
        write_line(entry, status, bytes);
    if (o->answered && status && !entry->cut)
        o->answered(o->answered_arg, gush_span_of(entry->text, entry->method_n),
                    gush_span_of(entry->text + entry->method_n, entry->path_n), status);
    gush_free(entry);
}
