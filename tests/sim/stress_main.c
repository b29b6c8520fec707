/* gush_stress: the play of the simulation on real threads, round after round, for a given time.
 * Interleavings are the simulation's job; this is for memory order, under ThreadSanitizer.
 *
 *   gush_stress [--seconds N] [--seed S] [--trace]     exit 0 when every round was good, else 1 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"

#include "tests/sim/plan.h"
#include "tests/sim/stage.h"
#include "tests/sim/world.h"

static uint64_t seed; /* of the round that is played */

static void failed(const char *what)
{
    printf("round %llu: %s\nagain: gush_stress --seed %llu\n", (unsigned long long)seed, what,
           (unsigned long long)seed);
}

static uint64_t number(const char *s)
{
    char *end;
    unsigned long long v = s ? strtoull(s, &end, 10) : 0;

    if (s == NULL || *s == '\0' || *end != '\0') {
        fprintf(stderr, "usage: gush_stress [--seconds N] [--seed S] [--trace]\n");
        exit(GUSH_SIM_EXIT_USAGE);
    }
    return v;
}

int main(int argc, char **argv)
{
    uint64_t seconds = 10, rounds = 0, deliveries = 0, begun_us = stage_now_us();
    struct gush_config *config;
    bool trace = false;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--trace") == 0)
            trace = true;
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = number(value), i++;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = number(value), i++;
        else
            (void)number(NULL);
    }
    gush_log_threshold = GUSH_LOG_NONE;
    config = plan_config();
    for (; stage_now_us() - begun_us < seconds * 1000000; seed++) {
        struct stage_options stage = {.seed = seed, .trace = trace, .failed = failed};
        struct plan plan;

        plan_make(&plan, seed, true);
        plan_patch(&plan, config);
        world_play(&plan, config, &stage);
        world_judge_counters();
        rounds++;
        deliveries += world_deliveries();
    }
    gush_config_free(config);
    printf("%llu rounds, %llu deliveries, all good\n", (unsigned long long)rounds,
           (unsigned long long)deliveries);
    return 0;
}
