/* cli: the commands beside the server. They make and check configurations and tokens, and end.
 *
 * All that they say, errors too, goes to stdout; a log line of a check command to stderr.
 * Owner     main                      Thread  main's
 * spec: configuration 13 */
#ifndef GUSH_APP_CLI_H
#define GUSH_APP_CLI_H

#include <stdbool.h>
#include <stdio.h>

/* Runs the command argv[0] if there is one of that name; false if not. |*status| is the exit
 * status: 0, or 1 after any error. */
bool gush_cli_run(int argc, char **argv, int *status);

/* One line per command. */
void gush_cli_usage(FILE *out);

#endif
