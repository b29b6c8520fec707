/* permission: who may do what in a channel. Pure rules over options and names.
 *
 * Thread    any
 * spec: channels 1, 4, 5, 8 */
#ifndef GUSH_ENGINE_PERMISSION_H
#define GUSH_ENGINE_PERMISSION_H

#include <stdbool.h>

#include "server/base/span.h"

#include "server/config/config.h"

/* ASCII only. */
bool gush_permission_name_valid(struct gush_span channel);
/* The options have user limits and |channel| names users. */
bool gush_permission_user_limited(const struct gush_config *config,
                                  const struct gush_channel_options *options,
                                  struct gush_span channel);
/* |user| is in the list behind the last user boundary. */
bool gush_permission_user_listed(const struct gush_config *config, struct gush_span channel,
                                 struct gush_span user);
/* A subscription asked for in a connect request, without a token of its own. */
bool gush_permission_connect_sub(const struct gush_config *config,
                                 const struct gush_channel_options *options,
                                 struct gush_span channel, struct gush_span user);
bool gush_permission_publish(const struct gush_config *config,
                             const struct gush_channel_options *options, struct gush_span user,
                             bool subscribed);
/* |data| is of the format that the channel takes. */
bool gush_permission_data(const struct gush_config *config,
                          const struct gush_channel_options *options, struct gush_span data);

#endif
