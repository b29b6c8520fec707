#include "server/codec/form.h"

#include "server/base/assert.h"

enum gush_format gush_form_format(enum gush_form form)
{
    static const enum gush_format formats[GUSH_FORMS_N] = {
#define X(name, format, dialect, framing) [GUSH_FORM_##name] = GUSH_##format,
        GUSH_FORM_MAP(X)
#undef X
    };

    GUSH_ASSERT(form < GUSH_FORMS_N);
    return formats[form];
}

enum gush_dialect gush_form_dialect(enum gush_form form)
{
    static const enum gush_dialect dialects[GUSH_FORMS_N] = {
#define X(name, format, dialect, framing) [GUSH_FORM_##name] = GUSH_DIALECT_##dialect,
        GUSH_FORM_MAP(X)
#undef X
    };

    GUSH_ASSERT(form < GUSH_FORMS_N);
    return dialects[form];
}

enum gush_framing gush_form_framing(enum gush_form form)
{
    static const enum gush_framing framings[GUSH_FORMS_N] = {
#define X(name, format, dialect, framing) [GUSH_FORM_##name] = GUSH_FRAMING_##framing,
        GUSH_FORM_MAP(X)
#undef X
    };

    GUSH_ASSERT(form < GUSH_FORMS_N);
    return framings[form];
}
