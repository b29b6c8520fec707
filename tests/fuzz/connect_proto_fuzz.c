/* Protobuf from strangers: what the guard lets through unpacks, for every request of the server
 * API, for a client command and for ConnectRequest; and our own reader of ConnectRequest agrees
 * with protobuf-c. The first byte picks the message. */
#include "server/base/assert.h"

#include "proto/api.pb-c.h"
#include "proto/client.pb-c.h"
#include "server/codec/connect_decode.h"
#include "server/codec/proto_guard.h"

#define MEMBERS_MAX 500

typedef Centrifugal__Centrifuge__Protocol__ConnectRequest wire_connect;
typedef Centrifugal__Centrifuge__Protocol__ConnectRequest__SubsEntry wire_sub;

/* The last entry for |channel|. */
static const wire_sub *find_sub(const wire_connect *m, struct gush_span channel)
{
    for (size_t i = m->n_subs; i-- > 0;) {
        if (gush_span_eq_str(channel, m->subs[i]->key))
            return m->subs[i];
    }
    return NULL;
}

static void compare(const struct gush_connect_request *r, const wire_connect *m)
{
    GUSH_ASSERT(gush_span_eq_str(r->token, m->token));
    GUSH_ASSERT(gush_span_eq_str(r->name, m->name));
    GUSH_ASSERT(gush_span_eq_str(r->version, m->version));
    GUSH_ASSERT(gush_span_eq(r->data, gush_span_of(m->data.data, m->data.len)));
    GUSH_ASSERT(r->subs_n <= m->n_subs && r->headers_n <= m->n_headers);
    for (size_t i = 0; i < r->subs_n; i++) {
        const struct gush_connect_sub *sub = &r->subs[i];
        const wire_sub *other = find_sub(m, sub->channel);

        GUSH_ASSERT(other != NULL);
        if (other->value == NULL)
            continue;
        GUSH_ASSERT(sub->recover == (other->value->recover != 0));
        GUSH_ASSERT(sub->offset == other->value->offset);
        GUSH_ASSERT(gush_span_eq_str(sub->epoch, other->value->epoch));
        GUSH_ASSERT(gush_span_eq_str(sub->delta, other->value->delta));
    }
    for (size_t i = 0; i < m->n_subs; i++) { /* and none is missing */
        size_t found = 0;
        for (size_t k = 0; k < r->subs_n; k++)
            found += gush_span_eq_str(r->subs[k].channel, m->subs[i]->key);
        GUSH_ASSERT(found == 1);
    }
}

static void check_connect(struct gush_span in, gush_err guarded, const ProtobufCMessage *m)
{
    struct gush_connect_request r;
    const char *why = NULL;
    gush_err err = gush_connect_decode_proto(in, MEMBERS_MAX, &r, &why);

    GUSH_ASSERT(err == guarded);
    if (err != GUSH_OK)
        return;
    compare(&r, (const wire_connect *)(const void *)m);
    gush_connect_request_fini(&r);
}

static const ProtobufCMessageDescriptor *pick(uint8_t selector)
{
    const ProtobufCServiceDescriptor *api =
        &centrifugal__centrifugo__api__centrifugo_api__descriptor;

    if (selector < api->n_methods)
        return api->methods[selector].input;
    if (selector < 128)
        return &centrifugal__centrifuge__protocol__command__descriptor;
    return &centrifugal__centrifuge__protocol__connect_request__descriptor;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *descriptor;
    ProtobufCMessage *m = NULL;
    struct gush_span in;
    const char *why = NULL;
    gush_err err;

    if (size == 0)
        return 0;
    descriptor = pick(data[0]);
    in = gush_span_of(data + 1, size - 1);
    err = gush_proto_guard(descriptor, in, MEMBERS_MAX, &why);
    if (err == GUSH_OK) {
        m = protobuf_c_message_unpack(descriptor, NULL, in.n, in.p);
        GUSH_ASSERT(m != NULL);
    }
    if (descriptor == &centrifugal__centrifuge__protocol__connect_request__descriptor)
        check_connect(in, err, m);
    if (m)
        protobuf_c_message_free_unpacked(m, NULL);
    return 0;
}
