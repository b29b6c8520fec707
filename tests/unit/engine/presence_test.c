/* Who is in a channel: members by client, users counted as they come and go. */
#include "server/engine/presence.h"

#include "tests/unit/engine/harness.h"

static const struct gush_hash_key key = {1, 2};

static struct gush_publication *member(const char *client, const char *user, const char *info)
{
    struct gush_bytes *name = gush_bytes_copy(GUSH_SPAN_LIT("a"));
    struct gush_client_info i = {.client = gush_span_str(client),
                                 .user = gush_span_str(user),
                                 .conn_info = gush_span_str(info)};
    struct gush_publication *p = gush_publication_new(name, &(struct gush_pub){.info = &i});

    gush_bytes_unref(name);
    return p;
}

static void assert_counts(struct gush_presence *p, size_t clients, uint32_t users)
{
    struct gush_presence_call call = {.stats_only = true};

    gush_presence_read(p, &call);
    assert_int_equal(call.clients_n, clients);
    assert_int_equal(call.users_n, users);
    assert_null(call.clients);
    assert_null(call.memory);
    gush_presence_call_fini(&call);
    assert_int_equal(gush_presence_n(p), clients);
}

static void nobody_is_in_no_presence(void **state)
{
    (void)state;
    assert_int_equal(gush_presence_n(NULL), 0);
    gush_presence_free(NULL);
}

static void users_are_counted_once_each(void **state) /* spec: server API, presence_stats */
{
    struct gush_presence *p = gush_presence_new(&key);
    struct gush_publication *m[4] = {member("c0", "u", ""), member("c1", "u", ""),
                                     member("c2", "v", ""), member("c3", "", "")};

    (void)state;
    assert_counts(p, 0, 0);
    gush_presence_add(p, m[0]);
    assert_counts(p, 1, 1);
    gush_presence_add(p, m[1]);
    assert_counts(p, 2, 1);
    gush_presence_add(p, m[2]);
    gush_presence_add(p, m[3]); /* the empty user is one user */
    assert_counts(p, 4, 3);
    gush_presence_remove(p, m[0]);
    assert_counts(p, 3, 3);
    gush_presence_remove(p, m[1]);
    assert_counts(p, 2, 2);
    gush_presence_add(p, m[1]);
    assert_counts(p, 3, 3);
    for (size_t i = 1; i < 4; i++)
        gush_presence_remove(p, m[i]);
    assert_counts(p, 0, 0);
    gush_presence_free(p);
    for (size_t i = 0; i < 4; i++)
        gush_publication_unref(m[i]);
    assert_int_equal(gush_publication_live(), 0);
}

static void what_was_read_stays_when_members_go(void **state)
{
    struct gush_presence *p = gush_presence_new(&key);
    struct gush_presence_call call = {0};
    bool seen[40] = {false};

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        char client[16], user[16];
        (void)snprintf(client, sizeof(client), "c%u", i);
        (void)snprintf(user, sizeof(user), "u%u", i % 7);
        struct gush_publication *m = member(client, user, "{\"i\":1}");
        gush_presence_add(p, m);
        gush_publication_unref(m); /* presence holds its own */
    }
    gush_presence_read(p, &call);
    assert_int_equal(call.clients_n, 40);
    assert_int_equal(call.users_n, 7);
    for (unsigned i = 0; i < 40; i++) {
        char client[16];
        (void)snprintf(client, sizeof(client), "c%u", i);
        for (size_t k = 0; k < call.clients_n; k++)
            if (gush_span_eq_str(call.clients[k].client, client)) {
                struct gush_publication *found = ((struct gush_publication **)call.memory)[k];
                gush_presence_remove(p, found);
            }
    }
    assert_counts(p, 0, 0);
    gush_presence_free(p);
    for (size_t k = 0; k < call.clients_n; k++) {
        struct gush_span id = call.clients[k].client;
        uint64_t i = 0;
        assert_int_equal(gush_parse_u64(gush_span_of(id.p + 1, id.n - 1), &i), GUSH_OK);
        assert_false(seen[i]);
        seen[i] = true;
        assert_true(gush_span_eq_str(call.clients[k].conn_info, "{\"i\":1}"));
    }
    assert_int_equal(gush_publication_live(), 40);
    gush_presence_call_fini(&call);
    assert_null(call.clients);
    gush_presence_call_fini(&call); /* again is fine */
    assert_int_equal(gush_publication_live(), 0);
    assert_int_equal(gush_bytes_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_in_no_presence),
        cmocka_unit_test(users_are_counted_once_each),
        cmocka_unit_test(what_was_read_stays_when_members_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
