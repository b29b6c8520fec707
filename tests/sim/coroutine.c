#include "tests/sim/coroutine.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_BYTES (256 * 1024)
#else
#define STACK_BYTES (64 * 1024)
#endif
#define GUARD_BYTES 4096

static uint8_t *stacks[COROUTINES_MAX];
static struct coroutine *entering; /* who runs for the first time */
static const void *home_p;         /* the process's own stack */
static size_t home_n;

/* ---- The switch itself ----------------------------------------------------------------------- */

#if defined(__x86_64__)

void coroutine__swap(void **from_sp, void *to_sp);

/* Callee-saved registers of the System V ABI; everything else the compiler saves at the call. */
__asm__(".text\n"
        ".type coroutine__swap, @function\n"
        "coroutine__swap:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size coroutine__swap, .-coroutine__swap\n");

static void prepare(struct coroutine *co, uint8_t *stack, void (*enter)(void))
{
    uint64_t *top = (uint64_t *)(void *)(stack + STACK_BYTES);

    *--top = 0; /* the entry sees a stack as after a call: 8 bytes off 16 */
    *--top = (uint64_t)(uintptr_t)enter;
    for (int i = 0; i < 6; i++)
        *--top = 0;
    co->sp = top;
}

#else

#include <ucontext.h>

static ucontext_t contexts[COROUTINES_MAX + 1];
static unsigned contexts_n;

static void coroutine__swap(void **from_sp, void *to_sp)
{
    if (*from_sp == NULL) /* the way home: not made by prepare */
        *from_sp = &contexts[COROUTINES_MAX];
    swapcontext(*from_sp, to_sp);
}

static void prepare(struct coroutine *co, uint8_t *stack, void (*enter)(void))
{
    ucontext_t *uc = &contexts[contexts_n++ % COROUTINES_MAX];

    getcontext(uc);
    uc->uc_stack.ss_sp = stack;
    uc->uc_stack.ss_size = STACK_BYTES;
    uc->uc_link = NULL;
    makecontext(uc, enter, 0);
    co->sp = uc;
}

#endif

/* ---- Telling ASan ---------------------------------------------------------------------------- */

static void before(struct coroutine *from, const struct coroutine *to, int leaving)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(leaving ? NULL : &from->fake_stack, to->stack_p, to->stack_n);
#else
    (void)from, (void)to, (void)leaving;
#endif
}

static void after(struct coroutine *self)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
#else
    (void)self;
#endif
}

/* The first switch away tells where the process's own stack lies. */
static void enter(void)
{
    struct coroutine *self = entering;

#ifdef WITH_ASAN
    const void *p = NULL;
    size_t n = 0;
    __sanitizer_finish_switch_fiber(NULL, &p, &n);
    if (home_p == NULL) {
        home_p = p;
        home_n = n;
    }
#endif
    self->run(self->arg);
    abort();
}

void coroutine_init(struct coroutine *co, unsigned slot, void (*run)(void *arg), void *arg)
{
    if (stacks[slot] == NULL) {
        uint8_t *p = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED || mprotect(p, GUARD_BYTES, PROT_NONE) != 0) {
            perror("stack");
            exit(2);
        }
        stacks[slot] = p + GUARD_BYTES;
    }
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(stacks[slot], STACK_BYTES); /* frames of an earlier play */
#endif
    *co =
        (struct coroutine){.stack_p = stacks[slot], .stack_n = STACK_BYTES, .run = run, .arg = arg};
    prepare(co, stacks[slot], enter);
}

void coroutine_switch(struct coroutine *from, struct coroutine *to)
{
    entering = to;
    before(from, to, 0);
    coroutine__swap(&from->sp, to->sp);
    after(from);
}

_Noreturn void coroutine_leave(struct coroutine *from, struct coroutine *to)
{
    entering = to;
    if (to->stack_p == NULL) { /* home: its stack was learned at the first switch */
        to->stack_p = home_p;
        to->stack_n = home_n;
    }
    before(from, to, 1);
    coroutine__swap(&from->sp, to->sp);
    abort();
}
