/* Requests of the server API as JSON: the first byte chooses the method. What is read and written
 * again reads and writes as itself. */
#include "server/base/assert.h"
#include "server/base/buf.h"

#include "server/codec/json_scan.h"

#include "api/core/arena.h"
#include "api/core/methods.h"
#include "api/http/from_json.h"
#include "api/http/to_json.h"

#define OUT_MAX ((size_t)64 << 20)

static gush_err read_text(const struct gush_method *method, struct gush_span text,
                          struct gush_arena *arena, ProtobufCMessage **out)
{
    const char *why = NULL;
    gush_err err = gush_from_json(method->request, text, arena, out, &why);

    GUSH_ASSERT(err == GUSH_OK || why != NULL);
    GUSH_ASSERT(err == GUSH_OK || err == GUSH_ESYNTAX || err == GUSH_EUTF8 || err == GUSH_EDEPTH ||
                err == GUSH_ETYPE || err == GUSH_ERANGE || err == GUSH_ELIMIT);
    GUSH_ASSERT(err != GUSH_OK || gush_json_valid(text));
    return err;
}

static struct gush_buf written(const ProtobufCMessage *message)
{
    struct gush_buf out;
    gush_err err;

    gush_buf_init(&out, OUT_MAX);
    err = gush_to_json(message, &out);
    GUSH_ASSERT(err == GUSH_OK); /* its payloads came from JSON */
    GUSH_ASSERT(gush_json_valid(gush_buf_span(&out)));
    return out;
}

/* Elements that are null have no other form. */
static bool has_null(struct gush_span text)
{
    return memmem(text.p, text.n, "null", 4) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t methods_n;
    const struct gush_method *methods = gush_methods_all(&methods_n);
    struct gush_arena first = {0}, second = {0};
    ProtobufCMessage *message;
    struct gush_span text;

    if (size == 0)
        return 0;
    methods += data[0] % methods_n;
    text = gush_span_of(data + 1, size - 1);
    if (read_text(methods, text, &first, &message) == GUSH_OK && !has_null(text)) {
        struct gush_buf once = written(message), twice;
        gush_err err = read_text(methods, gush_buf_span(&once), &second, &message);

        GUSH_ASSERT(err == GUSH_OK);
        twice = written(message);
        GUSH_ASSERT(gush_span_eq(gush_buf_span(&once), gush_buf_span(&twice)));
        gush_buf_fini(&once);
        gush_buf_fini(&twice);
    }
    gush_arena_fini(&first);
    gush_arena_fini(&second);
    return 0;
}
