/* app: the one place that knows every room. Reads nothing by itself: it is given a configuration,
 * builds the rooms, plugs transports and APIs into their ports, and takes it all down in order.
 *
 * Owner     main                      Thread  main's
 * Lifetime  new .. start .. drain .. free */
#ifndef GUSH_APP_APP_H
#define GUSH_APP_APP_H

#include <stddef.h>

#include "server/base/error.h"

#include "server/config/config.h"

struct gush_app;

/* Builds everything that can fail without having a client yet, listening sockets included.
 * |config| is borrowed. On failure |message| says what to change.
 *   GUSH_ECONFIG   a setting cannot work
 *   GUSH_EBUSY     a port is in use
 *   GUSH_EIO       the system refuses something */
GUSH_MUST_USE gush_err gush_app_new(const struct gush_config *config, struct gush_app **out,
                                    char *message, size_t message_n);
/* Threads run, listeners accept. Same errors. */
GUSH_MUST_USE gush_err gush_app_start(struct gush_app *app, char *message, size_t message_n);
/* SIGHUP: reads and checks |sources| again. Certificates are renewed, other changes are told and
 * wait for a restart; what is wrong with |sources| is told and changes nothing. Main thread. */
void gush_app_reload(struct gush_app *app, const struct gush_config_sources *sources);
/* After start, also one that failed. No newcomers, calls under way finish, everybody is told 3001
 * at the configured pace. False: shutdown.timeout passed with somebody still there. */
bool gush_app_drain(struct gush_app *app);
/* Drained, or never started. */
void gush_app_free(struct gush_app *app);

#endif
