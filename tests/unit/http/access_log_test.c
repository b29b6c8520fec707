#include <fcntl.h>
#include <unistd.h>

#include "server/base/log.h"

#include "server/http/access_log.h"
#include "server/http/forwarded.h"

#include "tests/unit/net/unit.h"

static char path[64];
static char text[8192];
static uint64_t now_us;

static uint64_t mono_us(void)
{
    return now_us;
}

static void open_log(enum gush_log_level level)
{
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(gush_log_open(level, path), GUSH_OK);
}

static int setup(void **state)
{
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/gush_access_log_test_XXXXXX");
    fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    now_us = 5000000;
    open_log(GUSH_LOG_INFO);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gush_log_close();
    return unlink(path);
}

/* Everything that was logged, without the time. */
static const char *logged(void)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    assert_true(n >= 0);
    close(fd);
    text[n] = '\0';
    for (char *at = text; (at = strstr(at, ",\"time\":\"")) != NULL;)
        memmove(at, at + 30, strlen(at + 30) + 1);
    return text;
}

static const struct gush_peer peer = {.ip = {192, 0, 2, 1}, .port = 77, .version = 4};

static struct gush_http_request request_of(const char *where)
{
    return (struct gush_http_request){.method = GUSH_SPAN_LIT("GET"),
                                      .path = gush_span_str(where),
                                      .query = GUSH_SPAN_LIT("token=secret"),
                                      .version = GUSH_HTTP_1_1,
                                      .peer = &peer};
}

static struct gush_access_log *log_at(bool at_info)
{
    return gush_access_log_new(
        &(struct gush_access_log_options){.at_info = at_info, .mono_us = mono_us});
}

static void off_is_nothing(void **state)
{
    struct gush_http_request request = request_of("/a");

    (void)state;
    assert_null(log_at(false));
    open_log(GUSH_LOG_WARN);
    assert_null(log_at(true));
    assert_null(gush_access_log_begin(NULL, &request));
    gush_access_log_end(NULL, 200, 1);
    gush_access_log_free(NULL);
    assert_string_equal(logged(), "");
}

static void one_line_a_request(void **state)
{
    struct gush_access_log *log = log_at(true);
    struct gush_http_request request = request_of("/a/b");
    struct gush_access_entry *entry = gush_access_log_begin(log, &request);

    (void)state;
    assert_string_equal(logged(), "");
    now_us += 1234;
    gush_access_log_end(entry, 404, 19);
    assert_string_equal(logged(),
                        "{\"level\":\"info\",\"method\":\"GET\",\"status\":404,\"path\":\"/a/b\","
                        "\"addr\":\"192.0.2.1:77\",\"duration\":\"1.234ms\",\"bytes\":19,"
                        "\"version\":\"HTTP/1.1\",\"message\":\"http request\"}\n");
    gush_access_log_free(log);
}

static void at_debug_as_the_reference(void **state)
{
    (void)state;
    open_log(GUSH_LOG_DEBUG);
    struct gush_access_log *log = log_at(false);
    struct gush_http_request request = request_of("/");
    request.version = GUSH_HTTP_2;
    gush_access_log_end(gush_access_log_begin(log, &request), 200, 0);
    assert_memory_equal(logged(), "{\"level\":\"debug\",", 17);
    assert_non_null(strstr(text, "\"version\":\"HTTP/2.0\""));
    assert_non_null(strstr(text, "\"duration\":\"0s\""));
    gush_access_log_free(log);
}

static void what_has_no_answer_or_no_head(void **state)
{
    struct gush_access_log *log = log_at(true);
    struct gush_http_request nothing = {.version = GUSH_HTTP_1_0, .peer = &peer};

    (void)state;
    gush_access_log_end(gush_access_log_begin(log, &nothing), 0, 0);
    static const char expected[] =
        "{\"level\":\"info\",\"method\":\"\",\"status\":499,\"path\":\"\",";
    assert_memory_equal(logged(), expected, sizeof(expected) - 1);
    assert_non_null(strstr(text, "\"version\":\"HTTP/1.0\""));
    gush_access_log_free(log);
}

static void long_paths_are_cut(void **state)
{
    static char where[3000];
    struct gush_access_log *log = log_at(true);

    (void)state;
    memset(where, 'p', sizeof(where) - 1);
    struct gush_http_request request = request_of(where);
    gush_access_log_end(gush_access_log_begin(log, &request), 200, 0);
    char *at = strstr(logged(), "\"path\":\"");
    assert_non_null(at);
    assert_int_equal(strspn(at + 8, "p"), 1024);
    assert_memory_equal(at + 8 + 1024, "...\"", 4);
    gush_access_log_free(log);
}

static void the_client_that_a_proxy_named(void **state)
{
    char network[] = "192.0.2.0/24", *networks[] = {network};
    struct gush_http_field field = {GUSH_SPAN_LIT("X-Forwarded-For"), GUSH_SPAN_LIT("2001:db8::1")};
    struct gush_access_log *log = log_at(true);
    struct gush_http_request request = request_of("/");
    struct gush_forwarded *trusted;
    size_t bad;

    (void)state;
    assert_int_equal(gush_forwarded_new(networks, 1, &trusted, &bad), GUSH_OK);
    request.fields = &field;
    request.fields_n = 1;
    request.forwarded = trusted;
    gush_access_log_end(gush_access_log_begin(log, &request), 200, 0);
    assert_non_null(strstr(logged(), "\"addr\":\"2001:db8::1\""));
    gush_forwarded_free(trusted);
    gush_access_log_free(log);
}

static void lines_cannot_be_forged(void **state)
{
    struct gush_access_log *log = log_at(true);
    struct gush_http_request request = request_of("/\"}\n{\"\\x\xff");

    (void)state;
    gush_access_log_end(gush_access_log_begin(log, &request), 200, 0);
    assert_non_null(strstr(logged(), "\"path\":\"/\\\"}\\n{\\\"\\\\x\\ufffd\""));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    gush_access_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(off_is_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(one_line_a_request, setup, teardown),
        cmocka_unit_test_setup_teardown(at_debug_as_the_reference, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_no_answer_or_no_head, setup, teardown),
        cmocka_unit_test_setup_teardown(long_paths_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(the_client_that_a_proxy_named, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_cannot_be_forged, setup, teardown),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
