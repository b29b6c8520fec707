#include "server/rpc/descriptors.h"

#include <stdlib.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/mem.h"

#include "server/rpc/field.h"

#define NAMES_MAX ((size_t)1 << 20)

struct symbol {
    size_t at; /* in |names|, until all are there */
    struct gush_span name;
    uint8_t file;
    bool is_message;
};

struct gush_rpc_descriptors {
    struct gush_rpc_descriptors_file files[GUSH_RPC_DESCRIPTORS_FILES_MAX];
    size_t files_n;
    struct symbol *symbols; /* in order of their names */
    size_t symbols_n, symbols_cap;
    struct gush_buf names; /* full names, one behind the other */
};

/* ---- What declares what. Numbers are those of google/protobuf/descriptor.proto. -------------- */

#define NAME_FIELD 1

struct kind {
    bool is_message;
    bool transparent; /* what it declares stands beside it: values of an enum */
    struct {
        uint32_t field;
        const struct kind *kind;
    } declares[5];
};

static const struct kind leaf_kind = {0};
static const struct kind enum_kind = {.transparent = true, .declares = {{2, &leaf_kind}}};
static const struct kind service_kind = {.declares = {{2, &leaf_kind}}};
static const struct kind message_kind = {
    .is_message = true,
    .declares = {{2, &leaf_kind}, {3, &message_kind}, {4, &enum_kind}, {8, &leaf_kind}}};
static const struct kind file_kind = {
    .declares = {{4, &message_kind}, {5, &enum_kind}, {6, &service_kind}}};

/* Extensions, which none of our schemas has: whoever adds one must answer for it in reflection.c.
 */
#define FILE_EXTENSION    7
#define MESSAGE_EXTENSION 6

static const struct kind *declared_by(const struct kind *kind, uint32_t field)
{
    for (size_t i = 0; i < sizeof(kind->declares) / sizeof(kind->declares[0]); i++) {
        if (kind->declares[i].kind != NULL && kind->declares[i].field == field)
            return kind->declares[i].kind;
    }
    GUSH_ASSERT(kind != &file_kind || field != FILE_EXTENSION);
    GUSH_ASSERT(kind != &message_kind || field != MESSAGE_EXTENSION);
    return NULL;
}

/* ---- Building -------------------------------------------------------------------------------- */

/* The first length-delimited field |number| of |message|. */
static struct gush_span first_of(struct gush_span message, uint32_t number)
{
    struct gush_cursor in = gush_cursor_over(message);
    struct gush_rpc_field field;

    while (gush_rpc_field_next(&in, &field)) {
        if (field.number == number && field.is_bytes)
            return field.bytes;
    }
    return GUSH_SPAN_EMPTY;
}

/* A full name, while it is in the making. */
struct scope {
    size_t at, n; /* in |names| */
};

static struct scope name_within(struct gush_rpc_descriptors *d, struct scope scope,
                                struct gush_span name)
{
    struct scope full = {.at = d->names.n, .n = name.n};
    uint8_t *to = gush_buf_reserve(&d->names, scope.n + 1 + name.n); /* may move the scope's text */

    GUSH_ASSERT(to != NULL && name.n > 0);
    if (scope.n > 0) {
        memcpy(to, d->names.p + scope.at, scope.n);
        to[scope.n] = '.';
        to += scope.n + 1;
        full.n += scope.n + 1;
    }
    memcpy(to, name.p, name.n);
    d->names.n += full.n;
    return full;
}

static void add_symbol(struct gush_rpc_descriptors *d, struct scope name, bool is_message)
{
    if (d->symbols_n == d->symbols_cap) {
        d->symbols_cap = d->symbols_cap ? d->symbols_cap * 2 : 256;
        d->symbols = gush_realloc(d->symbols, d->symbols_cap * sizeof(d->symbols[0]));
    }
    d->symbols[d->symbols_n++] = (struct symbol){.at = name.at,
                                                 .name.n = name.n,
                                                 .file = (uint8_t)(d->files_n - 1),
                                                 .is_message = is_message};
}

/* Enters everything that |message|, a descriptor of |kind|, declares within |scope|. */
static void walk(struct gush_rpc_descriptors *d, const struct kind *kind, struct gush_span message,
                 struct scope scope)
{
    struct gush_cursor in = gush_cursor_over(message);
    struct gush_rpc_field field;

    while (gush_rpc_field_next(&in, &field)) {
        const struct kind *inner = declared_by(kind, field.number);
        struct scope full;

        if (inner == NULL)
            continue;
        full = name_within(d, scope, first_of(field.bytes, NAME_FIELD));
        add_symbol(d, full, inner->is_message);
        walk(d, inner, field.bytes, inner->transparent ? scope : full);
    }
    GUSH_ASSERT(gush_rpc_field_end(&in) == GUSH_OK);
}

static void add_file(struct gush_rpc_descriptors *d, struct gush_span bytes)
{
    struct gush_rpc_descriptors_file *file = &d->files[d->files_n++];
    struct gush_span package = first_of(bytes, 2);
    struct scope scope = {0};

    GUSH_ASSERT(d->files_n <= GUSH_RPC_DESCRIPTORS_FILES_MAX);
    file->bytes = bytes;
    file->name = first_of(bytes, NAME_FIELD);
    if (package.n > 0)
        scope = name_within(d, scope, package);
    walk(d, &file_kind, bytes, scope);
}

/* protoc writes a file behind those that it imports, so these are complete already. */
static void add_needs(struct gush_rpc_descriptors *d, size_t index)
{
    struct gush_rpc_descriptors_file *file = &d->files[index];
    struct gush_cursor in = gush_cursor_over(file->bytes);
    struct gush_rpc_field field;

    file->needs = (uint64_t)1 << index;
    while (gush_rpc_field_next(&in, &field)) {
        const struct gush_rpc_descriptors_file *import;

        if (field.number != 3)
            continue;
        import = gush_rpc_descriptors_find(d, field.bytes);
        GUSH_ASSERT(import != NULL && import->needs != 0);
        file->needs |= import->needs;
    }
}

static int by_name(const void *a, const void *b)
{
    return gush_span_cmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

struct gush_rpc_descriptors *gush_rpc_descriptors_new(struct gush_span set)
{
    struct gush_rpc_descriptors *d = GUSH_NEW(struct gush_rpc_descriptors);
    struct gush_cursor in = gush_cursor_over(set);
    struct gush_rpc_field field;

    gush_buf_init(&d->names, NAMES_MAX);
    while (gush_rpc_field_next(&in, &field)) {
        if (field.number == 1 && field.is_bytes)
            add_file(d, field.bytes);
    }
    GUSH_ASSERT(gush_rpc_field_end(&in) == GUSH_OK && d->symbols_n > 0);
    for (size_t i = 0; i < d->files_n; i++)
        add_needs(d, i);
    for (size_t i = 0; i < d->symbols_n; i++)
        d->symbols[i].name.p = d->names.p + d->symbols[i].at;
    qsort(d->symbols, d->symbols_n, sizeof(d->symbols[0]), by_name);
    return d;
}

void gush_rpc_descriptors_free(struct gush_rpc_descriptors *d)
{
    if (d == NULL)
        return;
    gush_buf_fini(&d->names);
    gush_free(d->symbols);
    gush_free(d);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

const struct gush_rpc_descriptors_file *
gush_rpc_descriptors_get(const struct gush_rpc_descriptors *d, size_t index)
{
    GUSH_ASSERT(index < d->files_n);
    return &d->files[index];
}

size_t gush_rpc_descriptors_n(const struct gush_rpc_descriptors *d)
{
    return d->files_n;
}

const struct gush_rpc_descriptors_file *
gush_rpc_descriptors_find(const struct gush_rpc_descriptors *d, struct gush_span name)
{
    for (size_t i = 0; i < d->files_n; i++) {
        if (gush_span_eq(d->files[i].name, name))
            return &d->files[i];
    }
    return NULL;
}

static const struct symbol *find_symbol(const struct gush_rpc_descriptors *d, struct gush_span name)
{
    struct symbol wanted = {.name = name};

    return bsearch(&wanted, d->symbols, d->symbols_n, sizeof(d->symbols[0]), by_name);
}

const struct gush_rpc_descriptors_file *
gush_rpc_descriptors_find_symbol(const struct gush_rpc_descriptors *d, struct gush_span name)
{
    const struct symbol *symbol = find_symbol(d, name);

    return symbol ? &d->files[symbol->file] : NULL;
}

bool gush_rpc_descriptors_is_message(const struct gush_rpc_descriptors *d, struct gush_span name)
{
    const struct symbol *symbol = find_symbol(d, name);

    return symbol != NULL && symbol->is_message;
}
