/* browser: what a peer of a transport with ids makes of them: it keeps the last one it saw with a
 * whole event, brings it back when it comes again, and judges it: an id must say exactly where its
 * bearer stands.
 *
 * Owner     its peer                  Thread  its lane's */
#ifndef GUSH_SIM_BROWSER_H
#define GUSH_SIM_BROWSER_H

#include <stdbool.h>

#include "server/codec/form.h"
#include "server/codec/message.h"

#define BROWSER_ID_MAX 512

struct conn;

/* Takes the line of an id off |frame|, into |id| (may be NULL). False: nothing else is there. */
bool browser_strip(enum gush_form form, struct gush_span *frame, char id[BROWSER_ID_MAX]);
/* An event came whole, with the id that stood before it if there was one. */
void browser_heard(struct conn *conn);
/* It connects: perhaps with the last id, perhaps with half of it. What its views expect is the id's
 * matter then. */
void browser_ask(struct conn *conn, struct gush_connect_request *request);

#endif
