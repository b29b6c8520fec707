#include "server/rpc/field.h"

#define NUMBER_MAX ((1u << 29) - 1)

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

bool gush_rpc_field_next(struct gush_cursor *in, struct gush_rpc_field *field)
{
    uint64_t tag;

    if (!gush_cursor_ok(in) || gush_cursor_left(in) == 0)
        return false;
    tag = gush_cursor_varint(in);
    *field = (struct gush_rpc_field){.number = (uint32_t)(tag >> 3)};
    if (tag >> 3 == 0 || tag >> 3 > NUMBER_MAX)
        gush_cursor_fail(in, GUSH_ESYNTAX);
    switch (tag & 7) {
    case WIRE_VARINT:
        field->value = gush_cursor_varint(in);
        break;
    case WIRE_64:
        (void)gush_cursor_take(in, 8);
        break;
    case WIRE_BYTES:
        field->is_bytes = true;
        field->bytes = gush_cursor_take(in, gush_cursor_varint(in));
        break;
    case WIRE_32:
        (void)gush_cursor_take(in, 4);
        break;
    default:
        gush_cursor_fail(in, GUSH_ESYNTAX);
    }
    return gush_cursor_ok(in);
}

gush_err gush_rpc_field_end(const struct gush_cursor *in)
{
    return gush_cursor_ok(in) ? GUSH_OK : GUSH_ESYNTAX;
}
