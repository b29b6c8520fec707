#include "server/engine/permission.h"

#include <string.h>

#include "server/codec/json_scan.h"

bool gush_permission_name_valid(struct gush_span channel)
{
    for (size_t i = 0; i < channel.n; i++)
        if (channel.p[i] >= 0x80)
            return false;
    return true;
}

/* Where |what| begins last in |s|, or s.n. */
static size_t find_last(struct gush_span s, struct gush_span what)
{
    if (what.n == 0 || what.n > s.n)
        return s.n;
    for (size_t at = s.n - what.n + 1; at-- > 0;)
        if (memcmp(s.p + at, what.p, what.n) == 0)
            return at;
    return s.n;
}

bool gush_permission_user_limited(const struct gush_config *config,
                                  const struct gush_channel_options *options,
                                  struct gush_span channel)
{
    return options->allow_user_limited_channels &&
           find_last(channel, gush_span_str(config->channel.user_boundary)) < channel.n;
}

bool gush_permission_user_listed(const struct gush_config *config, struct gush_span channel,
                                 struct gush_span user)
{
    struct gush_span boundary = gush_span_str(config->channel.user_boundary);
    struct gush_span separator = gush_span_str(config->channel.user_separator);
    size_t at = find_last(channel, boundary);

    if (at == channel.n)
        return false;
    size_t from = at + boundary.n;
    for (size_t i = from; i <= channel.n; i++) {
        bool ends = i == channel.n || (separator.n && i + separator.n <= channel.n &&
                                       memcmp(channel.p + i, separator.p, separator.n) == 0);
        if (!ends)
            continue;
        if (gush_span_eq(gush_span_of(channel.p + from, i - from), user))
            return true;
        if (i == channel.n)
            break;
        from = i + separator.n;
        i = from - 1;
    }
    return false;
}

static bool has_prefix(struct gush_span s, struct gush_span prefix)
{
    return prefix.n > 0 && s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

bool gush_permission_connect_sub(const struct gush_config *config,
                                 const struct gush_channel_options *options,
                                 struct gush_span channel, struct gush_span user)
{
    if (has_prefix(channel, gush_span_str(config->channel.private_prefix)) ||
        !gush_permission_name_valid(channel))
        return false;
    bool limited = gush_permission_user_limited(config, options, channel);
    if (limited && user.n > 0 && gush_permission_user_listed(config, channel, user))
        return true;
    if (!limited && options->allow_subscribe_for_client &&
        (user.n > 0 || options->allow_subscribe_for_anonymous))
        return true;
    return config->client.insecure;
}

bool gush_permission_publish(const struct gush_config *config,
                             const struct gush_channel_options *options, struct gush_span user,
                             bool subscribed)
{
    bool known = user.n > 0 || options->allow_publish_for_anonymous;

    if (known && (options->allow_publish_for_client ||
                  (options->allow_publish_for_subscriber && subscribed)))
        return true;
    return config->client.insecure;
}

bool gush_permission_data(const struct gush_config *config,
                          const struct gush_channel_options *options, struct gush_span data)
{
    enum gush_data_format format =
        options->data_format_set ? options->data_format : config->channel.data_format;

    switch (format) {
    case GUSH_DATA_ANY:
        return data.n > 0;
    case GUSH_DATA_JSON:
        return gush_json_valid(data);
    case GUSH_DATA_JSON_OBJECT: {
        size_t i = 0;
        while (i < data.n && strchr(" \t\r\n", data.p[i]))
            i++;
        return i < data.n && data.p[i] == '{' && gush_json_valid(data);
    }
    case GUSH_DATA_BINARY:
        break;
    }
    return true;
}
