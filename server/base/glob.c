/* A pattern is run as a machine whose states are the positions in it: the set of positions that the
 * text read so far can have reached. Each byte of text visits each position at most once, so
 * nothing a stranger writes into a pattern makes it backtrack. */
#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#define SMALL 128 /* longer patterns use the heap */
#define NONE  UINT32_MAX

struct glob {
    struct gush_span pattern;
    uint32_t *sep;        /* of '{' and of each ',' in a group: the next ',' or '}' of that group */
    uint32_t *now, now_n; /* positions that wait for a byte, and pattern.n when all is matched */
    uint32_t *next, next_n; /* the same after the byte */
    uint32_t *todo;         /* positions to follow; no more than the pattern has at a time */
    uint32_t *seen;         /* round in which a position was last visited */
    uint32_t round;
};

/* Position behind the class that starts at |i|, or NONE. */
static uint32_t class_end(struct gush_span p, uint32_t i)
{
    uint32_t first = ++i;

    if (i < p.n && p.p[i] == '!')
        first = ++i;
    for (; i < p.n; i++) {
        if (p.p[i] == '\\')
            i++;
        else if (p.p[i] == ']')
            return i == first ? NONE : i + 1;
    }
    return NONE;
}

/* One character of a class, its escape resolved. */
static uint8_t class_char(struct gush_span p, uint32_t *i)
{
    if (p.p[*i] == '\\')
        ++*i;
    return p.p[(*i)++];
}

/* Next range of the class; |end| is its ']'. */
static void class_range(struct gush_span p, uint32_t *i, uint32_t end, uint8_t *low, uint8_t *high)
{
    *low = *high = class_char(p, i);
    if (*i + 1 < end && p.p[*i] == '-') {
        ++*i;
        *high = class_char(p, i);
    }
}

static bool class_has(struct gush_span p, uint32_t i, uint32_t end, uint8_t c)
{
    bool negated = p.p[++i] == '!', found = false;

    if (negated)
        i++;
    while (i < end && !found) {
        uint8_t low, high;

        class_range(p, &i, end, &low, &high);
        found = c >= low && c <= high;
    }
    return found != negated;
}

static bool class_in_order(struct gush_span p, uint32_t i, uint32_t end)
{
    if (p.p[++i] == '!')
        i++;
    while (i < end) {
        uint8_t low, high;

        class_range(p, &i, end, &low, &high);
        if (low > high)
            return false;
    }
    return true;
}

/* Checks the pattern and fills |sep|; |open| is room for as many positions: the separators that
 * wait for the next one of their group. */
static gush_err link_groups(struct gush_span p, uint32_t *sep, uint32_t *open)
{
    uint32_t depth = 0;

    for (uint32_t i = 0; i < p.n; i++) {
        uint32_t end;

        switch (p.p[i]) {
        case '\\':
            if (++i == p.n)
                return GUSH_ESYNTAX;
            break;
        case '[':
            end = class_end(p, i);
            if (end == NONE || !class_in_order(p, i, end - 1))
                return GUSH_ESYNTAX;
            i = end - 1;
            break;
        case '{':
            open[depth++] = i;
            break;
        case ',':
            if (depth == 0)
                break;
            sep[open[depth - 1]] = i;
            open[depth - 1] = i;
            break;
        case '}':
            if (depth == 0)
                break;
            sep[open[--depth]] = i;
            sep[i] = i;
            break;
        default:
            break;
        }
    }
    return depth ? GUSH_ESYNTAX : GUSH_OK;
}

static void visit(struct glob *g, uint32_t *todo_n, uint32_t at)
{
    if (g->seen[at] == g->round)
        return;
    g->seen[at] = g->round;
    g->todo[(*todo_n)++] = at;
}

/* Where one can be at |at| without reading: positions that read something go to |next|. A ',' or
 * '}' is met here only at the end of an alternative. */
static void follow(struct glob *g, uint32_t at)
{
    struct gush_span p = g->pattern;
    uint32_t todo_n = 0;

    visit(g, &todo_n, at);
    while (todo_n) {
        at = g->todo[--todo_n];
        if (at == p.n) {
            g->next[g->next_n++] = at;
        } else if (p.p[at] == '{') {
            for (uint32_t i = at; p.p[i] != '}'; i = g->sep[i])
                visit(g, &todo_n, i + 1);
        } else if (p.p[at] == ',' && g->sep[at] != NONE) {
            visit(g, &todo_n, g->sep[at]);
        } else if (p.p[at] == '}' && g->sep[at] != NONE) {
            visit(g, &todo_n, at + 1);
        } else {
            if (p.p[at] == '*')
                visit(g, &todo_n, at + 1);
            g->next[g->next_n++] = at;
        }
    }
}

/* The position behind |at| if what stands there takes |c|, else NONE. */
static uint32_t take(const struct glob *g, uint32_t at, uint8_t c)
{
    struct gush_span p = g->pattern;
    uint32_t end;

    switch (p.p[at]) {
    case '*':
        return at;
    case '?':
        return at + 1;
    case '\\':
        return p.p[at + 1] == c ? at + 2 : NONE;
    case '[':
        end = class_end(p, at);
        return class_has(p, at, end - 1, c) ? end : NONE;
    default:
        return p.p[at] == c ? at + 1 : NONE;
    }
}

static void begin_round(struct glob *g)
{
    uint32_t *swap = g->now;

    g->now = g->next;
    g->now_n = g->next_n;
    g->next = swap;
    g->next_n = 0;
    g->round++;
}

static bool run(struct glob *g, struct gush_span text)
{
    begin_round(g);
    follow(g, 0);
    for (size_t i = 0; i < text.n && g->next_n; i++) {
        begin_round(g);
        for (uint32_t k = 0; k < g->now_n; k++) {
            uint32_t at = g->now[k], to;

            if (at == g->pattern.n)
                continue;
            to = take(g, at, text.p[i]);
            if (to != NONE)
                follow(g, to);
        }
    }
    return g->seen[g->pattern.n] == g->round;
}

/* Five arrays of pattern.n + 1 positions. */
static void divide(struct glob *g, uint32_t *memory)
{
    size_t n = g->pattern.n + 1;

    g->sep = memory;
    g->now = memory + n;
    g->next = memory + 2 * n;
    g->todo = memory + 3 * n;
    g->seen = memory + 4 * n;
    for (size_t i = 0; i < n; i++) {
        g->sep[i] = NONE;
        g->seen[i] = 0;
    }
}

gush_err gush_glob_valid(struct gush_span pattern)
{
    uint32_t *memory;
    gush_err err;

    if (pattern.n >= NONE / 2)
        return GUSH_ESYNTAX;
    memory = gush_zalloc(2 * (pattern.n + 1), sizeof(*memory));
    err = link_groups(pattern, memory, memory + pattern.n + 1);
    gush_free(memory);
    return err;
}

bool gush_glob_match(struct gush_span pattern, struct gush_span text)
{
    uint32_t small[5 * (SMALL + 1)], *memory = small;
    struct glob g = {.pattern = pattern};
    bool matches;

    if (pattern.n >= NONE / 2 || text.n >= NONE)
        return false;
    if (pattern.n > SMALL)
        memory = gush_zalloc(5 * (pattern.n + 1), sizeof(*memory));
    divide(&g, memory);
    matches = link_groups(pattern, g.sep, g.todo) == GUSH_OK && run(&g, text);
    if (memory != small)
        gush_free(memory);
    return matches;
}
