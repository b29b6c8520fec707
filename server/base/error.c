#include "server/base/error.h"

const char *gush_err_text(gush_err err)
{
    switch (err) {
    case GUSH_OK:
        return "ok";
#define X(name, class, text)                                                                       \
    case GUSH_E##name:                                                                             \
        return text;
        GUSH_ERR_MAP(X)
#undef X
    }
    return "unknown error";
}

enum gush_err_class gush_err_class(gush_err err)
{
    switch (err) {
    case GUSH_OK:
        return GUSH_CLASS_NONE;
#define X(name, class, text)                                                                       \
    case GUSH_E##name:                                                                             \
        return GUSH_CLASS_##class;
        GUSH_ERR_MAP(X)
#undef X
    }
    return GUSH_CLASS_SYSTEM;
}
