/* coroutine: a stack of its own for each actor of the virtual stage.
 *
 * Stacks are mapped once per slot, with a page below that faults, and used again by later plays.
 * Owner     stage_sim                 Thread  one
 * Limits    COROUTINES_MAX slots; 64 KB of stack each (256 KB under ASan) */
#ifndef GUSH_SIM_COROUTINE_H
#define GUSH_SIM_COROUTINE_H

#include <stddef.h>

#define COROUTINES_MAX 24

struct coroutine {
    void *sp;            /* while it is not running */
    const void *stack_p; /* for ASan */
    size_t stack_n;
    void *fake_stack; /* ASan's */
    void (*run)(void *arg);
    void *arg;
};

/* |run| must end in coroutine_leave. */
void coroutine_init(struct coroutine *co, unsigned slot, void (*run)(void *arg), void *arg);
void coroutine_switch(struct coroutine *from, struct coroutine *to);
/* As switch, and |from| never runs again. */
_Noreturn void coroutine_leave(struct coroutine *from, struct coroutine *to);

#endif
