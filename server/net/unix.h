/* unix: listening sockets with a name in the file system.
 *
 * A file left behind by a process that is gone is replaced; one where somebody answers is not, and
 * neither is anything that is not a socket. The listener (listener.h) that gets the descriptor
 * removes the file when it closes, unless it is somebody else's by then.
 *
 * Thread    the caller's: start-up only */
#ifndef GUSH_NET_UNIX_H
#define GUSH_NET_UNIX_H

#include <stddef.h>
#include <sys/types.h>

#include "server/base/error.h"

/* Gives a listening, non-blocking descriptor; the file has |mode| before anybody can connect. On
 * failure |message| says what went wrong with which path.
 *   GUSH_EBUSY   somebody answers there
 *   GUSH_EIO     anything else */
GUSH_MUST_USE gush_err gush_unix_listen(const char *path, mode_t mode, int *fd, char *message,
                                        size_t message_n);

#endif
