/* pems: whether the certificates that a configuration names are usable. Nobody listens yet: this
 * is for checkconfig and for a reload.
 *
 * Thread    the main one: files are read */
#ifndef GUSH_APP_PEMS_H
#define GUSH_APP_PEMS_H

#include <stddef.h>

#include "server/base/error.h"

#include "server/config/config.h"

/* All TLS objects that are enabled. On failure |message| names the key and what is wrong.
 *   GUSH_ECONFIG   not readable, not PEM, certificate and key do not belong together, or what
 * listens would not take them */
GUSH_MUST_USE gush_err gush_pems_check(const struct gush_config *config, char *message,
                                       size_t message_n);

#endif
