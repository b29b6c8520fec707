/* Walks a JSON text only to learn where a key stands; the values are jansson's. The text has been
 * parsed by it before, so nothing here complains: an odd byte ends the walk. */
#include <stdio.h>

#include "server/config/config_priv.h"

#define DEPTH_MAX 64 /* no key is deeper; what is, is stepped over */

struct walk {
    const char *p, *end;
    const char *wanted;
    char path[GUSH__PATH_MAX];
    size_t path_n;
    const char *found, *found_end;
};

static void walk_value(struct walk *w, unsigned depth);

static void blanks(struct walk *w)
{
    while (w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\r' || *w->p == '\n'))
        w->p++;
}

static bool take(struct walk *w, char c)
{
    blanks(w);
    if (w->p == w->end || *w->p != c)
        return false;
    w->p++;
    return true;
}

/* At an opening quote; ends behind the closing one. */
static void skip_string(struct walk *w)
{
    for (w->p++; w->p < w->end && *w->p != '"'; w->p++)
        if (*w->p == '\\' && w->p + 1 < w->end)
            w->p++;
    if (w->p < w->end)
        w->p++;
}

/* Steps over an array or object of any depth. */
static void skip_nested(struct walk *w)
{
    size_t open = 0;

    do {
        if (*w->p == '"') {
            skip_string(w);
            continue;
        }
        if (*w->p == '{' || *w->p == '[')
            open++;
        if (*w->p == '}' || *w->p == ']')
            open--;
        w->p++;
    } while (w->p < w->end && open > 0);
}

/* Appends a key or index and returns the length to go back to. A path that does not fit is cut; it
 * then equals no key. */
static size_t push(struct walk *w, const char *s, size_t n)
{
    size_t before = w->path_n;

    if (w->path_n > 0 && w->path_n + 1 < sizeof(w->path))
        w->path[w->path_n++] = '.';
    for (; n > 0 && w->path_n + 1 < sizeof(w->path); n--, s++)
        w->path[w->path_n++] = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
    w->path[w->path_n] = '\0';
    return before;
}

static void pop(struct walk *w, size_t path_n)
{
    w->path_n = path_n;
    w->path[path_n] = '\0';
}

static void walk_object(struct walk *w, unsigned depth)
{
    w->p++;
    while (!take(w, '}')) {
        const char *key;
        size_t before;

        blanks(w);
        if (w->p == w->end || *w->p != '"')
            break;
        key = w->p + 1;
        skip_string(w);
        if (w->p == key) /* the text ends behind the opening quote */
            break;
        before = push(w, key, (size_t)(w->p - key) - 1);
        if (!take(w, ':'))
            break;
        walk_value(w, depth);
        pop(w, before);
        (void)take(w, ',');
    }
}

static void walk_array(struct walk *w, unsigned depth)
{
    w->p++;
    for (size_t i = 0; !take(w, ']') && w->p < w->end; i++) {
        char index[32];
        int n = snprintf(index, sizeof(index), "[%zu]", i);
        size_t before = push(w, index, (size_t)n);
        const char *at = w->p;

        walk_value(w, depth);
        pop(w, before);
        (void)take(w, ',');
        if (w->p == at)
            return;
    }
}

/* Where a list is wanted, one object stands for a list of one. */
static bool stands_for_list(const struct walk *w)
{
    static const char first[] = ".[0]";

    return *w->p == '{' && strncmp(w->wanted, w->path, w->path_n) == 0 &&
           strncmp(w->wanted + w->path_n, first, sizeof(first) - 1) == 0;
}

static void walk_value(struct walk *w, unsigned depth)
{
    size_t whole = w->path_n;
    const char *start;

    blanks(w);
    if (w->p == w->end)
        return;
    start = w->p;
    if (stands_for_list(w))
        (void)push(w, "[0]", 3);
    if ((*w->p == '{' || *w->p == '[') && depth == 0)
        skip_nested(w);
    else if (*w->p == '{')
        walk_object(w, depth - 1);
    else if (*w->p == '[')
        walk_array(w, depth - 1);
    else if (*w->p == '"')
        skip_string(w);
    else
        while (w->p < w->end && strchr(" \t\r\n,]}", *w->p) == NULL)
            w->p++;
    if (strcmp(w->path, w->wanted) == 0) {
        w->found = start;
        w->found_end = w->p;
    }
    pop(w, whole);
}

bool gush__position_find(const struct gush__source *source, const char *path,
                         struct gush_span *value)
{
    struct walk w = {.wanted = path};

    if (source->text == NULL)
        return false;
    w.p = source->text;
    w.end = source->text + source->text_n;
    (void)push(&w, source->root, strlen(source->root));
    walk_value(&w, DEPTH_MAX);
    if (w.found == NULL)
        return false;
    *value = gush_span_of(w.found, (size_t)(w.found_end - w.found));
    return true;
}

unsigned gush__position_line(const struct gush__source *source, struct gush_span value)
{
    unsigned line = 1;

    for (const char *p = source->text; p < (const char *)value.p; p++)
        line += *p == '\n';
    return line;
}
