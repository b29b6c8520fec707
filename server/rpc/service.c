#include "server/rpc/service.h"

#include <stdio.h>
#include <string.h>

#define NAME_TOLD_MAX 100 /* bytes of a peer's name that are repeated to it */

struct gush_span gush_rpc_head_find(const struct gush_rpc_head *head, const char *key)
{
    return head->find(head, key);
}

static int told_n(struct gush_span name)
{
    return (int)(name.n < NAME_TOLD_MAX ? name.n : NAME_TOLD_MAX);
}

void gush_rpc_verdict_unknown(struct gush_rpc_verdict *verdict, const struct gush_rpc_head *head,
                              const char *feature)
{
    verdict->status = GUSH_RPC_UNIMPLEMENTED;
    snprintf(verdict->message, sizeof(verdict->message), "method %.*s not implemented%s%s",
             told_n(head->method), (const char *)head->method.p,
             feature ? ": this server has no " : "", feature ? feature : "");
}

static bool split_path(struct gush_span path, struct gush_span *service, struct gush_span *method)
{
    const uint8_t *slash;

    if (path.n < 2 || path.p[0] != '/')
        return false;
    slash = memrchr(path.p + 1, '/', path.n - 1);
    if (slash == NULL)
        return false;
    *service = gush_span_of(path.p + 1, (size_t)(slash - path.p - 1));
    *method = gush_span_of(slash + 1, (size_t)(path.p + path.n - slash - 1));
    return true;
}

const struct gush_rpc_service *
gush_rpc_service_admit(const struct gush_rpc_service *const *services, struct gush_span path,
                       struct gush_rpc_head *head, struct gush_rpc_verdict *verdict)
{
    struct gush_span name = GUSH_SPAN_EMPTY;

    *verdict = (struct gush_rpc_verdict){.status = GUSH_RPC_UNIMPLEMENTED};
    if (!split_path(path, &name, &head->method)) {
        snprintf(verdict->message, sizeof(verdict->message), "malformed method name");
        return NULL;
    }
    for (size_t i = 0; services[i] != NULL; i++) {
        const struct gush_rpc_service *service = services[i];

        if (!gush_span_eq_str(name, service->name))
            continue;
        *verdict = (struct gush_rpc_verdict){.status = GUSH_RPC_OK};
        service->admit(service->ctx, head, verdict);
        return verdict->status == GUSH_RPC_OK ? service : NULL;
    }
    snprintf(verdict->message, sizeof(verdict->message), "unknown service %.*s", told_n(name),
             (const char *)name.p);
    return NULL;
}
