#include "server/rpc/roster.h"

#include <stdatomic.h>

#include "server/base/assert.h"
#include "server/base/lane.h"
#include "server/base/mem.h"

#define LEAVE_MS 1000 /* to tell the last thing and go, before it is done by force */

/* One lane's streams. */
struct page {
    struct gush_letter letter;
    struct gush_timer leave;
    struct gush_rpc_roster *roster;
    struct gush_lane *lane;
    struct gush_rpc_roster_entry *first; /* lane */
    size_t n;                            /* lane */
    atomic_bool posted;                  /* the letter is on its way */
};

struct gush_rpc_roster {
    size_t pages_n, per_lane_max;
    void (*look)(struct gush_rpc_roster_entry *entry);
    atomic_bool ended;
    struct page pages[];
};

static void leave_soon(struct page *page)
{
    if (page->n > 0 && !gush_timer_armed(&page->leave))
        gush_wheel_arm(&page->lane->wheel, &page->leave, gush_lane_now_ms(page->lane) + LEAVE_MS);
}

static void letter_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct page *page = GUSH_CONTAINER(letter, struct page, letter);
    struct gush_rpc_roster_entry *entry, *next;

    (void)lane;
    atomic_store(&page->posted, false); /* before looking: what changes from now on posts again */
    for (entry = page->first; entry != NULL; entry = next) {
        next = entry->next;
        page->roster->look(entry);
    }
    if (gush_rpc_roster_is_ended(page->roster))
        leave_soon(page);
}

static void letter_drop(struct gush_letter *letter)
{
    (void)letter; /* part of its page; a closed lane has no streams */
}

static const struct gush_letter_kind letter_kind = {"roster", letter_open, letter_drop};

static void on_leave(void *lane, struct gush_timer *timer)
{
    struct page *page = GUSH_CONTAINER(timer, struct page, leave);

    (void)lane;
    for (struct gush_rpc_roster_entry *e = page->first; e != NULL; e = e->next)
        gush_rpc_call_cancel(e->call, GUSH_RPC_UNAVAILABLE, "the server is going down");
}

static struct page *page_of(struct gush_rpc_roster *roster, const struct gush_lane *lane)
{
    size_t i = 0;

    while (i < roster->pages_n && roster->pages[i].lane != lane)
        i++;
    GUSH_ASSERT(i < roster->pages_n); /* a lane of its doors */
    gush_lane_assert(lane);
    return &roster->pages[i];
}

bool gush_rpc_roster_try_add(struct gush_rpc_roster *roster, struct gush_rpc_roster_entry *entry,
                             struct gush_rpc_call *call)
{
    struct page *page = page_of(roster, gush_rpc_call_lane(call));

    if (page->n >= roster->per_lane_max)
        return false;
    *entry = (struct gush_rpc_roster_entry){.call = call, .next = page->first};
    if (page->first != NULL)
        page->first->prev = entry;
    page->first = entry;
    page->n++;
    if (gush_rpc_roster_is_ended(roster))
        leave_soon(page);
    return true;
}

void gush_rpc_roster_remove(struct gush_rpc_roster *roster, struct gush_rpc_roster_entry *entry)
{
    struct page *page = page_of(roster, gush_rpc_call_lane(entry->call));

    *(entry->prev ? &entry->prev->next : &page->first) = entry->next;
    if (entry->next != NULL)
        entry->next->prev = entry->prev;
    page->n--;
    if (page->n == 0)
        gush_wheel_disarm(&page->lane->wheel, &page->leave);
}

void gush_rpc_roster_look(struct gush_rpc_roster *roster)
{
    for (size_t i = 0; i < roster->pages_n; i++) {
        if (!atomic_exchange(&roster->pages[i].posted, true))
            gush_lane_post(roster->pages[i].lane, &roster->pages[i].letter);
    }
}

void gush_rpc_roster_end(struct gush_rpc_roster *roster)
{
    atomic_store(&roster->ended, true);
    gush_rpc_roster_look(roster);
}

bool gush_rpc_roster_is_ended(const struct gush_rpc_roster *roster)
{
    return atomic_load(&roster->ended);
}

struct gush_rpc_roster *gush_rpc_roster_new(struct gush_lane *const *lanes, size_t lanes_n,
                                            size_t per_lane_max,
                                            void (*look)(struct gush_rpc_roster_entry *entry))
{
    struct gush_rpc_roster *roster =
        gush_zalloc(1, sizeof(*roster) + lanes_n * sizeof(roster->pages[0]));

    roster->pages_n = lanes_n;
    roster->per_lane_max = per_lane_max;
    roster->look = look;
    for (size_t i = 0; i < lanes_n; i++) {
        roster->pages[i].letter.kind = &letter_kind;
        roster->pages[i].leave.fire = on_leave;
        roster->pages[i].roster = roster;
        roster->pages[i].lane = lanes[i];
    }
    return roster;
}

void gush_rpc_roster_free(struct gush_rpc_roster *roster)
{
    if (roster == NULL)
        return;
    for (size_t i = 0; i < roster->pages_n; i++)
        GUSH_ASSERT(roster->pages[i].n == 0);
    gush_free(roster);
}
