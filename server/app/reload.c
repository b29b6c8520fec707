/* reload: what SIGHUP does. The configuration is read and checked as at a start. If anything is
 * wrong with it, it is told and nothing changes. If all is well, certificates are looked at once
 * more, so that renewed ones are shown from the next connection on; what else differs from the
 * running configuration is told key by key, because it takes a restart. */
#include "server/base/log.h"
#include "server/base/metrics.h"

#include "server/app/app_priv.h"
#include "server/app/pems.h"

static void warn(void *arg, const char *message, const char *field, const char *value)
{
    (void)arg;
    gush_log(GUSH_LOG_WARN, message, GUSH_F(field, value));
}

static void tell_change(void *arg, const char *key)
{
    uint64_t *changes_n = arg;

    (*changes_n)++;
    gush_log(GUSH_LOG_WARN, "changed in the configuration, takes effect after a restart",
             GUSH_F("key", key));
}

/* Files that were looked at a moment ago are looked at again. */
static void refresh_certificates(const struct gush_app *app)
{
    struct gush_tls *all[] = {app->http_tls.pems, app->http_internal_tls.pems, app->api_tls.tls,
                              app->uni_tls.tls};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i])
            gush_tls_refresh(all[i], 0);
}

static void count(const struct gush_app *app, uint32_t result)
{
    gush_metrics_add(gush_node_metrics(app->node), 0, GUSH_METRIC_RELOADS, GUSH_AT(result), 1);
}

static void refuse(const struct gush_app *app, const char *message)
{
    gush_log(GUSH_LOG_ERROR, "configuration not reloaded, the old one stays",
             GUSH_F("error", message));
    count(app, GUSH_RELOAD_FAILED);
}

void gush_app_reload(struct gush_app *app, const struct gush_config_sources *sources)
{
    char message[1024] = "";
    struct gush_config *config = NULL;
    uint64_t changes_n = 0;

    if (gush_config_load(sources, warn, NULL, &config, message, sizeof message) != GUSH_OK) {
        refuse(app, message);
        return;
    }
    if (gush_pems_check(config, message, sizeof message) != GUSH_OK) {
        refuse(app, message);
    } else {
        refresh_certificates(app);
        gush_config_changes(app->config, config, tell_change, &changes_n);
        gush_log(GUSH_LOG_INFO, "configuration successfully reloaded",
                 GUSH_FU("wait_for_restart", changes_n));
        count(app, GUSH_RELOAD_OK);
    }
    gush_config_free(config);
}
