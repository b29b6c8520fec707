#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/base/log.h"

#include "tests/unit/base/unit.h"

static char path[64];
static char text[100000];

static int setup(void **state)
{
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/gush_log_test_XXXXXX");
    fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    return gush_log_open(GUSH_LOG_INFO, path) == GUSH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    gush_log_close();
    return unlink(path);
}

/* Everything that was logged. */
static const char *logged(void)
{
    int fd = open(path, O_RDONLY);
    ssize_t n;

    assert_true(fd >= 0);
    n = read(fd, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

/* The time in the middle of the one line, cut out of it; false unless it is of now. */
static bool cut_time(char *line)
{
    char *at = strstr(line, ",\"time\":\""), expected[32];
    time_t now = time(NULL);
    bool found = false;

    if (at == NULL)
        return false;
    /* time() reads a coarser clock, and may still be in the second before. */
    for (time_t t = now - 60; t <= now + 1 && !found; t++) {
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
        found = strncmp(at + 9, expected, 20) == 0 && at[29] == '"';
    }
    memmove(at, at + 30, strlen(at + 30) + 1);
    return found;
}

static void below_the_level_nothing_happens(void **state)
{
    unsigned evaluated = 0;

    (void)state;
    gush_log(GUSH_LOG_DEBUG, "hidden", GUSH_FU("n", ++evaluated));
    gush_log(GUSH_LOG_TRACE, "hidden");
    assert_int_equal(evaluated, 0);
    assert_string_equal(logged(), "");
}

static void one_line_of_json(void **state)
{
    (void)state;
    gush_log(GUSH_LOG_WARN, "slow client", GUSH_F("client", "c1"), GUSH_FU("code", 3008),
             GUSH_FI("left", -5), GUSH_FS("name", GUSH_SPAN_LIT("abc")), GUSH_F("none", NULL));
    logged();
    assert_true(cut_time(text));
    assert_string_equal(text, "{\"level\":\"warn\",\"client\":\"c1\",\"code\":3008,\"left\":-5,"
                              "\"name\":\"abc\",\"none\":\"\",\"message\":\"slow client\"}\n");
}

static void a_message_alone(void **state)
{
    (void)state;
    gush_log(GUSH_LOG_FATAL, "end");
    logged();
    assert_true(cut_time(text));
    assert_string_equal(text, "{\"level\":\"fatal\",\"message\":\"end\"}\n");
}

/* What strangers send cannot break or forge a line. */
static void values_are_escaped(void **state)
{
    (void)state;
    gush_log(GUSH_LOG_INFO, "m\"\\",
             GUSH_FS("v", GUSH_SPAN_LIT("a\"\\\n\r\t\x01\x7f\0\xc3\xa9\xff\xed\xa0\x80z")));
    logged();
    assert_true(cut_time(text));
    assert_string_equal(
        text, "{\"level\":\"info\",\"v\":\"a\\\"\\\\\\n\\u000d\\u0009\\u0001\\u007f"
              "\\u0000\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffdz\",\"message\":\"m\\\"\\\\\"}\n");
}

static void long_values_are_cut(void **state)
{
    static char huge[50000];

    (void)state;
    memset(huge, 'x', sizeof(huge) - 1);
    gush_log(GUSH_LOG_INFO, "m", GUSH_F("v", huge));
    logged();
    assert_true(strlen(text) < 5000);
    assert_non_null(strstr(text, "xxx...\","));
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void lines_are_appended(void **state)
{
    (void)state;
    gush_log(GUSH_LOG_INFO, "one");
    gush_log_close();
    assert_int_equal(gush_log_open(GUSH_LOG_ERROR, path), GUSH_OK);
    gush_log(GUSH_LOG_INFO, "hidden");
    gush_log(GUSH_LOG_ERROR, "two");
    logged();
    assert_non_null(strstr(text, "\"one\""));
    assert_non_null(strstr(text, "\"two\""));
    assert_null(strstr(text, "hidden"));
    gush_log_threshold = GUSH_LOG_INFO;
}

static void a_file_that_cannot_be_opened(void **state)
{
    (void)state;
    assert_int_equal(gush_log_open(GUSH_LOG_INFO, "/nonexistent/gush.log"), GUSH_EIO);
    gush_log(GUSH_LOG_INFO, "still the old file");
    assert_non_null(strstr(logged(), "still the old file"));
}

static void level_names(void **state)
{
    enum gush_log_level level = GUSH_LOG_FATAL;

    (void)state;
    assert_false(gush_log_level_parse(GUSH_SPAN_LIT(""), &level));
    assert_false(gush_log_level_parse(GUSH_SPAN_LIT("inf"), &level));
    assert_false(gush_log_level_parse(GUSH_SPAN_LIT("info "), &level));
    assert_int_equal(level, GUSH_LOG_FATAL);
    assert_true(gush_log_level_parse(GUSH_SPAN_LIT("Debug"), &level));
    assert_int_equal(level, GUSH_LOG_DEBUG);
    assert_true(gush_log_level_parse(GUSH_SPAN_LIT("none"), &level));
    assert_int_equal(level, GUSH_LOG_NONE);
}

/* In a child: |out| becomes both stdout and stderr, then one line is logged without a file. */
static void log_without_file(int out)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0 ||
            gush_log_open(GUSH_LOG_INFO, "") != GUSH_OK)
            _exit(1);
        gush_log(GUSH_LOG_INFO, "hello", GUSH_FU("n", 1));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void read_some(int fd)
{
    ssize_t n = read(fd, text, sizeof(text) - 1);

    assert_true(n > 0);
    text[n] = '\0';
}

static void people_see_colours_on_a_terminal(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave = -1;

    (void)state;
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        (slave = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0) {
        print_message("no pseudo terminals here (devpts is not mounted)\n");
        skip();
    }
    log_without_file(slave);
    read_some(master);
    assert_non_null(strstr(text, "INF"));
    assert_non_null(strstr(text, "hello"));
    assert_null(strstr(text, "{\"level\""));
    close(master);
    close(slave);
}

static void machines_see_json_on_stderr(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    log_without_file(fds[1]);
    read_some(fds[0]);
    assert_true(cut_time(text));
    assert_string_equal(text, "{\"level\":\"info\",\"n\":1,\"message\":\"hello\"}\n");
    close(fds[0]);
    close(fds[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(below_the_level_nothing_happens),
        TEST(one_line_of_json),
        TEST(a_message_alone),
        TEST(values_are_escaped),
        TEST(long_values_are_cut),
        TEST(lines_are_appended),
        TEST(a_file_that_cannot_be_opened),
        TEST(level_names),
        TEST(people_see_colours_on_a_terminal),
        TEST(machines_see_json_on_stderr),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
