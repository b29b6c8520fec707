#include "server/http/message.h"

#include "server/base/text.h"

struct gush_span gush_http_field_find(const struct gush_http_field *fields, size_t fields_n,
                                      const char *name, bool *found)
{
    struct gush_span wanted = gush_span_str(name);

    for (size_t i = 0; i < fields_n; i++) {
        if (gush_span_eq_nocase(fields[i].name, wanted)) {
            if (found)
                *found = true;
            return fields[i].value;
        }
    }
    if (found)
        *found = false;
    return GUSH_SPAN_EMPTY;
}

const char *gush_http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } table[] = {
        {100, "Continue"},
        {200, "OK"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].status == status)
            return table[i].text;
    }
    return "";
}

struct gush_span gush_http_trim(struct gush_span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}
