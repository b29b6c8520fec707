/* gush_sim: plays seeds, in several processes side by side.
 *
 *   gush_sim [--seeds N] [--from S] [--jobs J]   N plays; exit 0 when all are good, 1 when not
 *   gush_sim --bug NAME|NUMBER [--seeds N]       exit 0 when the bug was found within N plays, in a
 *                                                play that is good without it; 3 when it was not
 *   gush_sim --all [--seeds N] ...               goes on behind a failure, tells every one
 *   gush_sim --seed S [--trace] [--bug B]        one play, in this process
 *
 * Every process tells through shared memory which seed it plays, so that a crash has a name too. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/base/sync.h"

#include "tests/sim/memory.h"
#include "tests/sim/plan.h"
#include "tests/sim/stage.h"
#include "tests/sim/world.h"

#define JOBS_MAX      16
#define CHUNK         16 /* seeds that a process takes at once */
#define PLAY_LIMIT_S  60 /* processor time of one play */
#define BUG_SEEDS     20000
#define DEFAULT_SEEDS 100000

static const char *const bug_names[GUSH_BUG_N] = {
    [GUSH_BUG_NONE] = "none",
    [GUSH_BUG_EPOCH_IGNORED_AT_SEAM] = "epoch-ignored-at-seam",
    [GUSH_BUG_PUSH_AFTER_UNLOCK] = "push-after-unlock",
    [GUSH_BUG_WAKE_LEFT_OUT] = "wake-left-out",
    [GUSH_BUG_BRANCH_FREED_AT_ONCE] = "branch-freed-at-once",
    [GUSH_BUG_POSITION_NOT_SET] = "position-not-set",
    [GUSH_BUG_HISTORY_BEFORE_ACK] = "history-before-ack",
    [GUSH_BUG_OLD_GENERATION_ACCEPTED] = "old-generation-accepted",
    [GUSH_BUG_POSITIONED_FRAME_DROPPED] = "positioned-frame-dropped",
    [GUSH_BUG_SWAP_REMOVE_WHILE_DEALING] = "swap-remove-while-dealing",
    [GUSH_BUG_REPLY_BEFORE_OWN_PUSH] = "reply-before-own-push",
    [GUSH_BUG_CALL_LEFT_ITS_PLACE] = "call-left-its-place",
    [GUSH_BUG_ID_OF_THE_QUEUE] = "id-of-the-queue",
};

struct report {
    atomic_uint_fast64_t seed; /* being played */
    atomic_uint_fast64_t end;  /* of the seeds taken */
    atomic_bool failed;
    char what[1024];
};

/* Between the processes. */
struct board {
    atomic_uint_fast64_t next, played, steps, deliveries;
    struct report reports[JOBS_MAX];
};

static struct board *board;
static struct report *report; /* this process's */
static struct options {
    uint64_t seeds, from;
    long jobs;
    bool single, trace, all;
} options;

static void failed(const char *what)
{
    snprintf(report->what, sizeof report->what, "%s", what);
    atomic_store(&report->failed, true);
    if (options.single)
        printf("seed %llu: %s\n", (unsigned long long)options.from, what);
}

/* |config| is the one of this process, patched for each play. */
static void play(struct gush_config *config, uint64_t seed)
{
    struct stage_options stage = {.seed = seed, .trace = options.trace, .failed = failed};
    size_t before = memory_live();
    struct plan plan;
    char room[256];

    atomic_store(&report->seed, seed);
    plan_make(&plan, seed, false);
    plan_patch(&plan, config);
    world_play(&plan, config, &stage);
    memory_check();
    if (memory_live() != before) {
        memory_describe(before, room, sizeof room);
        stage_fail("%zu blocks of memory are left over: %s", memory_live() - before, room);
    }
    world_judge_counters();
    atomic_fetch_add(&board->played, 1);
    atomic_fetch_add(&board->steps, stage_steps());
    atomic_fetch_add(&board->deliveries, world_deliveries());
}

/* ---- Processes ------------------------------------------------------------------------------- */

static void limit_cpu(void)
{
    struct itimerval t = {.it_value = {.tv_sec = PLAY_LIMIT_S}};

    setitimer(ITIMER_PROF, &t, NULL);
}

/* Plays from |first| to the end of the seeds that |report| took, then takes more. */
static _Noreturn void work(long job, uint64_t first)
{
    uint64_t last = options.from + options.seeds;
    struct gush_config *config;

    report = &board->reports[job];
    atomic_store(&report->failed, false);
    config = plan_config();
    for (;;) {
        for (uint64_t seed = first; seed < atomic_load(&report->end) && seed < last; seed++) {
            limit_cpu();
            play(config, seed);
        }
        first = atomic_fetch_add(&board->next, CHUNK);
        if (first >= last)
            break;
        atomic_store(&report->end, first + CHUNK);
    }
    gush_config_free(config);
    _exit(0);
}

static pid_t start(long job, uint64_t first)
{
    fflush(stdout);
    pid_t pid = fork();

    if (pid < 0) {
        perror("fork");
        exit(GUSH_SIM_EXIT_USAGE);
    }
    if (pid == 0)
        work(job, first);
    return pid;
}

static void say_failure(const struct report *r, int status, const char *program)
{
    unsigned long long seed = (unsigned long long)atomic_load(&r->seed);
    char replay[200];

    snprintf(replay, sizeof replay, "%s --seed %llu --trace%s%s", program, seed,
             gush_sim_bug ? " --bug " : "", gush_sim_bug ? bug_names[gush_sim_bug] : "");
    if (atomic_load(&r->failed))
        printf("seed %llu: %s\n", seed, r->what);
    else if (WIFSIGNALED(status))
        printf("seed %llu: ended by signal %d (%s)\n", seed, WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    else
        printf("seed %llu: ended with status %d\n", seed, WEXITSTATUS(status));
    printf("replay: %s\n", replay);
}

static void stop(const pid_t *pids)
{
    for (long i = 0; i < options.jobs; i++)
        if (pids[i])
            kill(pids[i], SIGKILL);
}

/* Plays all seeds. The first failing report, or NULL. */
static const struct report *run(const char *program)
{
    pid_t pids[JOBS_MAX];
    const struct report *bad = NULL;
    long left = options.jobs;

    atomic_store(&board->next, options.from);
    for (long i = 0; i < options.jobs; i++) {
        atomic_store(&board->reports[i].end, 0);
        pids[i] = start(i, 0);
    }
    while (left > 0) {
        int status = 0;
        pid_t pid = wait(&status);
        long i = 0;

        while (i < options.jobs && pids[i] != pid)
            i++;
        if (i == options.jobs)
            continue;
        pids[i] = 0;
        left--;
        if (status == 0 || (bad && !options.all))
            continue;
        bad = &board->reports[i];
        say_failure(bad, status, program);
        if (options.all) {
            pids[i] = start(i, atomic_load(&bad->seed) + 1);
            left++;
        } else {
            stop(pids);
        }
    }
    return bad;
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static void say_total(const struct timespec *begun)
{
    double s = seconds_since(begun);
    double n = (double)atomic_load(&board->played);

    printf("%.0f seeds in %.1f s: %.0f a second; %.0f points and %.1f deliveries a seed\n", n, s,
           n / s, (double)atomic_load(&board->steps) / (n > 0 ? n : 1),
           (double)atomic_load(&board->deliveries) / (n > 0 ? n : 1));
}

/* Found: a play fails with the bug, and is good without it. */
static int hunt(const char *program)
{
    struct timespec begun;
    int bug = gush_sim_bug;

    clock_gettime(CLOCK_MONOTONIC, &begun);
    const struct report *bad = run(program);
    say_total(&begun);
    if (bad == NULL) {
        printf("%s was not found\n", bug_names[bug]);
        return GUSH_SIM_EXIT_MISSED;
    }
    uint64_t seed = atomic_load(&bad->seed), first = options.from;
    gush_sim_bug = GUSH_BUG_NONE;
    options.from = seed;
    options.seeds = 1;
    options.jobs = 1;
    if (run(program)) {
        printf("the same play fails without %s\n", bug_names[bug]);
        return GUSH_SIM_EXIT_FAILED;
    }
    printf("%s: found in play %llu\n", bug_names[bug], (unsigned long long)(seed - first + 1));
    return 0;
}

/* ---- Command line ---------------------------------------------------------------------------- */

static _Noreturn void usage(void)
{
    fprintf(stderr,
            "usage: gush_sim [--seeds N] [--from S] [--jobs J] [--all] [--bug NAME|NUMBER]\n"
            "       gush_sim --seed S [--trace] [--bug NAME|NUMBER]\n"
            "bugs:\n");
    for (int i = 1; i < GUSH_BUG_N; i++)
        fprintf(stderr, "  %2d %s\n", i, bug_names[i]);
    exit(GUSH_SIM_EXIT_USAGE);
}

static uint64_t number(const char *s)
{
    char *end;
    unsigned long long v = s ? strtoull(s, &end, 10) : 0;

    if (s == NULL || *s == '\0' || *end != '\0')
        usage();
    return v;
}

static int bug_by_name(const char *s)
{
    for (int i = 0; s && i < GUSH_BUG_N; i++)
        if (strcmp(s, bug_names[i]) == 0)
            return i;
    uint64_t v = number(s);
    if (v >= GUSH_BUG_N)
        usage();
    return (int)v;
}

static void parse(int argc, char **argv)
{
    const char *from_env = getenv("GUSH_SIM_SEEDS");
    bool seeds_given = false;

    options.jobs = sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--trace") == 0) {
            options.trace = true;
            continue;
        }
        if (strcmp(argv[i], "--all") == 0) {
            options.all = true;
            continue;
        }
        if (strcmp(argv[i], "--seeds") == 0) {
            options.seeds = number(value);
            seeds_given = true;
        } else if (strcmp(argv[i], "--from") == 0) {
            options.from = number(value);
        } else if (strcmp(argv[i], "--jobs") == 0) {
            options.jobs = (long)number(value);
        } else if (strcmp(argv[i], "--bug") == 0) {
            gush_sim_bug = bug_by_name(value);
        } else if (strcmp(argv[i], "--seed") == 0) {
            options.single = true;
            options.from = number(value);
        } else {
            usage();
        }
        i++;
    }
    if (!seeds_given)
        options.seeds = gush_sim_bug ? BUG_SEEDS : from_env ? number(from_env) : DEFAULT_SEEDS;
    if (options.jobs < 1)
        options.jobs = 1;
    if (options.jobs > JOBS_MAX)
        options.jobs = JOBS_MAX;
}

static int play_single(void)
{
    struct gush_config *config = plan_config();

    report = &board->reports[0];
    play(config, options.from);
    printf("seed %llu: good\n", (unsigned long long)options.from);
    gush_config_free(config);
    return 0;
}

int main(int argc, char **argv)
{
    struct timespec begun;

    parse(argc, argv);
    gush_log_threshold = GUSH_LOG_NONE;
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED) {
        perror("mmap");
        return GUSH_SIM_EXIT_USAGE;
    }
    if (options.single)
        return play_single();
    if (gush_sim_bug)
        return hunt(argv[0]);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    bool bad = run(argv[0]) != NULL;
    say_total(&begun);
    return bad ? GUSH_SIM_EXIT_FAILED : 0;
}
