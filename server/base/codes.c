#include "server/base/codes.h"

const char *gush_error_text(uint32_t code)
{
    switch (code) {
#define X(name, number, text, temporary)                                                           \
    case number:                                                                                   \
        return text;
        GUSH_ERROR_MAP(X)
#undef X
    default:
        return "";
    }
}

bool gush_error_temporary(uint32_t code)
{
    switch (code) {
#define X(name, number, text, temporary)                                                           \
    case number:                                                                                   \
        return temporary;
        GUSH_ERROR_MAP(X)
#undef X
    default:
        return false;
    }
}

const char *gush_disconnect_text(uint32_t code)
{
    switch (code) {
#define X(name, number, text)                                                                      \
    case number:                                                                                   \
        return text;
        GUSH_DISCONNECT_MAP(X)
#undef X
    default:
        return "";
    }
}

const char *gush_unsubscribe_text(uint32_t code)
{
    switch (code) {
#define X(name, number, text)                                                                      \
    case number:                                                                                   \
        return text;
        GUSH_UNSUBSCRIBE_MAP(X)
#undef X
    default:
        return "";
    }
}
