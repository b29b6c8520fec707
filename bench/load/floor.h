/* floor: a server that does nothing but what no server can leave out. It keeps sockets of SSE
 * readers and, for each publication, calls send() once for each of them, with the same bytes. No
 * queues, no timers, no positions: what it spends for a delivery is the price of TCP on this
 * machine.
 *
 *   POST ... {"subs":{"NAME_C":{}}}      an SSE stream of channel number C
 *   PUBLISH\n {u32 C, u32 n, n bytes}... answered with one byte each; host byte order
 *
 * What does not fit into a socket is dropped; the reader will notice. */
#ifndef BENCH_LOAD_FLOOR_H
#define BENCH_LOAD_FLOOR_H

#include <stdint.h>

/* Serves on 127.0.0.1:|port| (0: any; it is printed) until killed; the exit status. */
int load_floor_run(uint16_t port);

#endif
