#include <stdio.h>

#include "server/config/config_priv.h"

#define WORD_MAX 128 /* longer keys get no suggestion */

/* How many letters to add, drop, change or swap with the next one to get from |a| to |b|. */
static unsigned distance(const char *a, size_t a_n, const char *b, size_t b_n)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];

    for (unsigned j = 0; j <= b_n; j++)
        last[j] = j;
    for (unsigned i = 1; i <= a_n; i++) {
        now[0] = i;
        for (unsigned j = 1; j <= b_n; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        unsigned *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b_n];
}

static size_t dots(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += *s == '.';
    return n;
}

/* Length of the first |segments| dotted parts of |s|; 0 if it has fewer. */
static size_t head(const char *s, size_t segments)
{
    for (size_t n = 0;; n++) {
        if (s[n] == '\0')
            return segments == 1 ? n : 0;
        if (s[n] == '.' && --segments == 0)
            return n;
    }
}

struct search {
    const char *path;
    size_t path_n, segments;
    unsigned best;
    char *out;
    size_t out_n;
};

/* |mounted|: the path above |table|. Keys of later versions count too: the name may be theirs. */
static void search_table(struct search *s, const struct gush__table *table, const char *mounted)
{
    char full[GUSH__PATH_MAX];

    for (; table != NULL; table = table->later) {
        for (size_t i = 0; i < table->n; i++) {
            const struct gush__key *key = &table->keys[i];
            size_t n;
            unsigned d;

            (void)snprintf(full, sizeof(full), "%s%s%s", mounted, *mounted ? "." : "", key->path);
            n = head(full, s->segments);
            if (n == 0 && key->type == GUSH__MOUNT)
                search_table(s, key->sub, full);
            if (n == 0 || n > WORD_MAX)
                continue;
            d = distance(s->path, s->path_n, full, n);
            if (d > 0 && d < s->best) {
                s->best = d;
                (void)snprintf(s->out, s->out_n, "%.*s", (int)n, full);
            }
        }
    }
}

bool gush__keys_suggest(const struct gush__table *table, const char *path, char *out, size_t out_n)
{
    struct search s = {.path = path, .path_n = strlen(path), .out = out, .out_n = out_n};
    unsigned limit;

    if (s.path_n < 3 || s.path_n > WORD_MAX)
        return false;
    s.segments = dots(path) + 1;
    limit = s.path_n < 8 ? 2 : s.path_n <= 16 ? 3 : 4; /* first distance that is too far */
    s.best = limit;
    search_table(&s, table, "");
    return s.best < limit;
}
