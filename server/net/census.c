#include "server/net/census.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/assert.h"
#include "server/base/clock.h"
#include "server/base/map.h"
#include "server/base/mem.h"
#include "server/base/sync.h"

#define PAGE_SLOTS 1024
#define LOOKS_PER_CALL                                                                             \
    65536            /* at slots of other ports and empty ones, when a port is gone through */
#define KEY_BYTES 10 /* port, version, address or its first half */

/* Those of one address on one port; only where there is a limit. */
struct address {
    uint8_t key[KEY_BYTES];
    uint64_t n;
    uint32_t first, last; /* descriptors, longest unasked first */
};

struct slot {
    uint64_t cookie;
    struct address *address; /* NULL: the port has no limit per address */
    uint32_t next, prev;     /* of |address|; NOBODY ends the list */
    uint8_t port;
    bool used;
};

#define NOBODY UINT32_MAX

struct port {
    uint64_t most, most_per_address, n;
};

struct gush_census {
    struct gush_mutex mutex; /* of all below */
    struct slot **pages;     /* by descriptor / PAGE_SLOTS; NULL: nobody was there yet */
    size_t pages_n;
    struct port ports[GUSH_CENSUS_PORTS_MAX];
    unsigned ports_n;
    struct gush_map addresses;
    struct gush_hash_key hash_key;
    size_t hand;        /* where going through a port goes on */
    uint64_t asked_us;  /* when |questions| was brought up to date */
    uint64_t questions; /* that may be asked now */
};

/* ---- slots ---------------------------------------------------------------------------------- */

static struct slot *slot_at(const struct gush_census *c, size_t fd)
{
    struct slot *page = fd / PAGE_SLOTS < c->pages_n ? c->pages[fd / PAGE_SLOTS] : NULL;

    return page ? &page[fd % PAGE_SLOTS] : NULL;
}

/* Of somebody who is on a list, so it is there. */
static struct slot *neighbour(const struct gush_census *c, uint32_t fd)
{
    struct slot *s = slot_at(c, fd);

    GUSH_ASSERT(s != NULL);
    return s;
}

static struct slot *slot_for(struct gush_census *c, size_t fd)
{
    size_t at = fd / PAGE_SLOTS;

    if (at >= c->pages_n) {
        size_t n = at + 1 > c->pages_n * 2 ? at + 1 : c->pages_n * 2;
        c->pages = gush_realloc(c->pages, n * sizeof(*c->pages));
        memset(c->pages + c->pages_n, 0, (n - c->pages_n) * sizeof(*c->pages));
        c->pages_n = n;
    }
    if (c->pages[at] == NULL)
        c->pages[at] = gush_zalloc(PAGE_SLOTS, sizeof(struct slot));
    return &c->pages[at][fd % PAGE_SLOTS];
}

/* 0 is nobody's. */
static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t n = sizeof(cookie);

    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) == 0 ? cookie : 0;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static struct gush_span address_key(const void *entry)
{
    const struct address *a = entry;

    return gush_span_of(a->key, sizeof(a->key));
}

static void make_key(uint8_t key[KEY_BYTES], unsigned port, const struct gush_peer *peer)
{
    memset(key, 0, KEY_BYTES);
    key[0] = (uint8_t)port;
    key[1] = peer->version;
    memcpy(key + 2, peer->ip, peer->version == 4 ? 4 : 8);
}

static void list_remove(struct gush_census *c, struct slot *s)
{
    if (s->prev == NOBODY)
        s->address->first = s->next;
    else
        neighbour(c, s->prev)->next = s->next;
    if (s->next == NOBODY)
        s->address->last = s->prev;
    else
        neighbour(c, s->next)->prev = s->prev;
}

static void list_append(struct gush_census *c, struct slot *s, uint32_t fd)
{
    s->prev = s->address->last;
    s->next = NOBODY;
    if (s->prev == NOBODY)
        s->address->first = fd;
    else
        neighbour(c, s->prev)->next = fd;
    s->address->last = fd;
}

/* ---- leaving -------------------------------------------------------------------------------- */

static void release(struct gush_census *c, struct slot *s)
{
    struct address *a = s->address;

    GUSH_ASSERT(s->used && c->ports[s->port].n > 0);
    c->ports[s->port].n--;
    s->used = false;
    if (a == NULL)
        return;
    list_remove(c, s);
    s->address = NULL;
    if (--a->n > 0)
        return;
    gush_map_remove(&c->addresses, address_key(a));
    gush_free(a);
}

static void refill(struct gush_census *c, uint64_t now_us)
{
    uint64_t more = now_us > c->asked_us ? now_us - c->asked_us : 0;

    c->asked_us = now_us > c->asked_us ? now_us : c->asked_us;
    c->questions =
        more >= GUSH_CENSUS_ASK_MAX - c->questions ? GUSH_CENSUS_ASK_MAX : c->questions + more;
}

/* Whether the one at |fd| turns out to have left. */
static bool ask(struct gush_census *c, struct slot *s, size_t fd)
{
    c->questions--;
    if (cookie_of((int)fd) == s->cookie)
        return false;
    release(c, s);
    return true;
}

/* Goes through those of |port| until there are fewer than |enough|. */
static void ask_port(struct gush_census *c, unsigned port, uint64_t enough)
{
    size_t all = c->pages_n * PAGE_SLOTS;
    size_t looks = all < LOOKS_PER_CALL ? all : LOOKS_PER_CALL;

    for (; looks > 0 && c->questions > 0 && c->ports[port].n >= enough; looks--) {
        size_t fd = c->hand < all ? c->hand : 0;
        struct slot *s = slot_at(c, fd);

        c->hand = fd + 1;
        if (s != NULL && s->used && s->port == port)
            (void)ask(c, s, fd);
    }
}

/* True: |a| has fewer than |most| now, and may be gone with the last of them. */
static bool ask_address(struct gush_census *c, struct address *a, uint64_t most)
{
    uint64_t n = a->n;

    for (; n > 0 && c->questions > 0; n--) {
        uint32_t fd = a->first;
        struct slot *s = slot_at(c, fd);

        if (ask(c, s, fd))
            return true; /* one place is enough */
        list_remove(c, s);
        list_append(c, s, fd);
    }
    return a->n < most;
}

/* ---- entering ------------------------------------------------------------------------------- */

static bool address_has_room(struct gush_census *c, const uint8_t key[KEY_BYTES], uint64_t most)
{
    struct address *a = gush_map_find(&c->addresses, gush_span_of(key, KEY_BYTES));

    return a == NULL || a->n < most || ask_address(c, a, most);
}

static void join_address(struct gush_census *c, struct slot *s, uint32_t fd,
                         const uint8_t key[KEY_BYTES])
{
    struct address *a = gush_map_find(&c->addresses, gush_span_of(key, KEY_BYTES));

    if (a == NULL) {
        a = GUSH_NEW(struct address);
        memcpy(a->key, key, KEY_BYTES);
        a->first = a->last = NOBODY;
        gush_map_insert(&c->addresses, a);
    }
    a->n++;
    s->address = a;
    list_append(c, s, fd);
}

static enum gush_census_answer enter(struct gush_census *c, unsigned port, uint32_t fd,
                                     const struct gush_peer *peer)
{
    struct port *p = &c->ports[port];
    struct slot *s = slot_for(c, fd);
    bool by_address = p->most_per_address > 0 && peer->version != 0;
    uint8_t key[KEY_BYTES];

    if (s->used)
        release(c, s); /* the number is the newcomer's: its last holder has left */
    make_key(key, port, peer);
    if (by_address && !address_has_room(c, key, p->most_per_address))
        return GUSH_CENSUS_ADDRESS_FULL;
    if (p->most > 0 && p->n >= p->most) {
        ask_port(c, port, p->most);
        if (p->n >= p->most)
            return GUSH_CENSUS_FULL;
    }
    *s = (struct slot){.cookie = cookie_of((int)fd), .port = (uint8_t)port, .used = true};
    p->n++;
    if (by_address)
        join_address(c, s, fd, key);
    return GUSH_CENSUS_IN;
}

enum gush_census_answer gush_census_enter(struct gush_census *c, unsigned port, int fd,
                                          const struct gush_peer *peer, uint64_t now_us)
{
    enum gush_census_answer answer;

    GUSH_ASSERT(port < c->ports_n && fd >= 0);
    gush_mutex_lock(&c->mutex);
    refill(c, now_us);
    answer = enter(c, port, (uint32_t)fd, peer);
    gush_mutex_unlock(&c->mutex);
    return answer;
}

void gush_census_leave(struct gush_census *c, int fd)
{
    struct slot *s;

    gush_mutex_lock(&c->mutex);
    s = slot_at(c, (size_t)fd);
    GUSH_ASSERT(s != NULL && s->used);
    release(c, s);
    gush_mutex_unlock(&c->mutex);
}

uint64_t gush_census_count(struct gush_census *c, unsigned port, uint64_t now_us)
{
    uint64_t n;

    GUSH_ASSERT(port < c->ports_n);
    gush_mutex_lock(&c->mutex);
    refill(c, now_us);
    ask_port(c, port, 1);
    n = c->ports[port].n;
    gush_mutex_unlock(&c->mutex);
    return n;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct gush_census *gush_census_new(void)
{
    struct gush_census *c = GUSH_NEW(struct gush_census);

    gush_mutex_init(&c->mutex);
    gush_clock_random(&c->hash_key, sizeof(c->hash_key));
    gush_map_init(&c->addresses, address_key, &c->hash_key);
    return c;
}

unsigned gush_census_add_port(struct gush_census *c, uint64_t most, uint64_t most_per_address)
{
    GUSH_ASSERT(c->ports_n < GUSH_CENSUS_PORTS_MAX);
    c->ports[c->ports_n] = (struct port){.most = most, .most_per_address = most_per_address};
    return c->ports_n++;
}

void gush_census_free(struct gush_census *c)
{
    struct address *a;
    uint32_t at = 0;

    if (c == NULL)
        return;
    while ((a = gush_map_next(&c->addresses, &at)) != NULL)
        gush_free(a);
    gush_map_fini(&c->addresses);
    for (size_t i = 0; i < c->pages_n; i++)
        gush_free(c->pages[i]);
    gush_free(c->pages);
    gush_mutex_fini(&c->mutex);
    gush_free(c);
}
