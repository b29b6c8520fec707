#include "server/engine/admission.h"

#include "server/engine/node_priv.h"

/* Moments are counted in thousandths of the time between two clients: there are 1000 x limit of
 * them in a second, so that no division is rounded. */
#define A_CLIENT 1000
/* So many come nowhere. What is above would overflow, with the years that a machine runs. */
#define RATE_MAX 10000000

static bool crowded(const struct gush_node *node)
{
    int64_t limit = node->config->client.connection_limit;
    uint64_t n = 0;

    if (limit <= 0)
        return false;
    for (size_t i = 0; i < node->lanes_n; i++)
        n += atomic_load_explicit(&node->lanes[i]->stats.clients, memory_order_relaxed);
    return n >= (uint64_t)limit;
}

static bool too_fast(struct gush_node *node)
{
    atomic_uint_fast64_t *paid = &node->admission.paid;
    int64_t limit = node->config->client.connection_rate_limit;

    if (limit <= 0)
        return false;
    uint64_t rate = (uint64_t)(limit < RATE_MAX ? limit : RATE_MAX);
    uint64_t now = gush__node_now_ms(node) * rate;
    uint64_t before = atomic_load_explicit(paid, memory_order_relaxed), after;

    do {
        after = (before > now ? before : now) + A_CLIENT;
        if (after > now + rate * A_CLIENT)
            return true;
    } while (!atomic_compare_exchange_weak_explicit(paid, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    return false;
}

bool gush_admission_try(struct gush_node *node, const struct gush_lane *lane)
{
    if (!crowded(node) && !too_fast(node))
        return true;
    gush__node_tally(node, lane, GUSH_METRIC_CONNECTION_LIMIT, GUSH_AT_NONE);
    return false;
}
