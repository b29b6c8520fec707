/* Certificates and keys: three kinds of values, what is refused, and files that change. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/base/text.h"

#include "server/net/tls.h"

#include "tests/unit/net/unit.h"

#define PEM_MAX 4096

struct pair {
    char cert[PEM_MAX], key[PEM_MAX];
};

static struct pair ours, other;
static char folder[] = P_tmpdir "/gush-tls-XXXXXX";
static char cert_path[64], key_path[64];

static void take(BIO *from, char *out)
{
    int n = BIO_read(from, out, PEM_MAX - 1);

    assert_true(n > 0 && n < PEM_MAX - 1);
    out[n] = '\0';
    BIO_free(from);
}

static void make_pair(struct pair *pair)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *out;

    assert_non_null(key);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(out, cert), 1);
    take(out, pair->cert);
    out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    take(out, pair->key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* In place of what was there, by another file: so it differs whatever the clock says. */
static void put(const char *path, const char *text)
{
    char fresh[80];
    int fd;

    (void)snprintf(fresh, sizeof(fresh), "%s.new", path);
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    assert_int_equal(rename(fresh, path), 0);
}

static int setup(void **state)
{
    (void)state;
    gush_log_threshold = GUSH_LOG_NONE;
    make_pair(&ours);
    make_pair(&other);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", folder);
    (void)snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(cert_path);
    (void)unlink(key_path);
    return rmdir(folder);
}

static struct gush_tls *load(const char *cert, const char *key, const char *ca)
{
    struct gush_tls_options options = {"x.tls", cert, key, ca};
    struct gush_tls *tls = NULL;
    char message[300] = "";

    if (gush_tls_new(&options, &tls, message, sizeof(message)) != GUSH_OK)
        fail_msg("%s", message);
    return tls;
}

static void refuse(const char *cert, const char *key, const char *ca, const char *want)
{
    struct gush_tls_options options = {"x.tls", cert, key, ca};
    struct gush_tls *tls = NULL;
    char message[300] = "";

    assert_int_equal(gush_tls_new(&options, &tls, message, sizeof(message)), GUSH_ECONFIG);
    assert_null(tls);
    if (strncmp(message, want, strlen(want)) != 0)
        fail_msg("\"%s\", not \"%s\"", message, want);
}

static bool shows(struct gush_tls *tls, const struct pair *pair)
{
    struct gush_tls_pems pems = gush_tls_get(tls);
    bool same = strcmp(pems.cert, pair->cert) == 0 && strcmp(pems.key, pair->key) == 0;

    gush_tls_pems_free(&pems);
    return same;
}

static void three_kinds_of_values(void **state)
{
    struct gush_buf packed;
    struct gush_tls *tls;
    struct gush_tls_pems pems;

    (void)state;
    gush_buf_init(&packed, SIZE_MAX);
    gush_base64_encode(gush_span_str(ours.key), &packed);
    gush_buf_put_str(&packed, "\n"); /* as tools end it */
    gush_buf_put_u8(&packed, '\0');
    put(cert_path, ours.cert);
    tls = load(cert_path, (const char *)packed.p, other.cert);
    assert_true(shows(tls, &ours));
    pems = gush_tls_get(tls);
    assert_string_equal(pems.client_ca, other.cert);
    gush_tls_pems_free(&pems);
    gush_tls_free(tls);
    gush_buf_fini(&packed);
}

static void what_is_refused(void **state)
{
    static char broken[PEM_MAX], two[2 * PEM_MAX];

    (void)state;
    memcpy(broken, ours.cert, sizeof(broken));
    broken[60]++;
    (void)snprintf(two, sizeof(two), "%s%s", ours.cert, broken);
    refuse("", ours.key, "", "x.tls.cert_pem: is required");
    refuse(ours.cert, "", "", "x.tls.key_pem: is required");
    refuse("/nowhere", ours.key, "", "x.tls.cert_pem: neither PEM nor base64 of PEM, and no file");
    refuse(folder, ours.key, "", "x.tls.cert_pem: \"" P_tmpdir);
    refuse(ours.key, ours.key, "", "x.tls.cert_pem: holds no PEM certificate");
    refuse(broken, ours.key, "", "x.tls.cert_pem: holds no PEM certificate, or a broken one");
    refuse(two, ours.key, "", "x.tls.cert_pem: holds no PEM certificate, or a broken one");
    refuse(ours.cert, ours.cert, "", "x.tls.key_pem: holds no PEM private key");
    refuse(ours.cert, other.key, "", "x.tls.key_pem: is not the key of the certificate");
    refuse(ours.cert, ours.key, ours.key, "x.tls.client_ca_pem: holds no PEM certificate");
}

static void a_certificate_cut_anywhere_is_refused(void **state)
{
    char cut[PEM_MAX];

    (void)state;
    for (size_t n = strlen("-----BEGIN "); n < strlen(ours.cert) - 1; n += 7) {
        memcpy(cut, ours.cert, n);
        cut[n] = '\0';
        refuse(cut, ours.key, "", "x.tls.cert_pem: ");
    }
}

static void files_are_read_again_once_a_second(void **state)
{
    struct gush_tls *tls;
    uint64_t now_ms = 5000;

    (void)state;
    put(cert_path, ours.cert);
    put(key_path, ours.key);
    tls = load(cert_path, key_path, "");
    assert_int_equal(gush_tls_refresh(tls, now_ms), 1);
    put(cert_path, other.cert);
    put(key_path, other.key);
    assert_int_equal(gush_tls_refresh(tls, now_ms + GUSH_TLS_LOOK_MS - 1), 1);
    assert_int_equal(gush_tls_refresh(tls, now_ms += GUSH_TLS_LOOK_MS), 2);
    assert_true(shows(tls, &other));
    assert_int_equal(gush_tls_refresh(tls, now_ms += GUSH_TLS_LOOK_MS), 2); /* nothing changed */
    gush_tls_free(tls);
}

static void what_cannot_be_used_changes_nothing(void **state)
{
    struct gush_tls *tls;
    uint64_t now_ms = 5000;

    (void)state;
    put(cert_path, ours.cert);
    put(key_path, ours.key);
    tls = load(cert_path, key_path, "");
    put(cert_path, "rubbish");
    assert_int_equal(gush_tls_refresh(tls, now_ms += GUSH_TLS_LOOK_MS), 1);
    put(cert_path, other.cert); /* its key is not there yet */
    assert_int_equal(gush_tls_refresh(tls, now_ms += GUSH_TLS_LOOK_MS), 1);
    assert_int_equal(unlink(key_path), 0);
    assert_int_equal(gush_tls_refresh(tls, now_ms += GUSH_TLS_LOOK_MS), 1);
    assert_true(shows(tls, &ours));
    put(key_path, other.key);
    assert_int_equal(gush_tls_refresh(tls, now_ms += GUSH_TLS_LOOK_MS), 2);
    assert_true(shows(tls, &other));
    gush_tls_free(tls);
}

static size_t lines_of(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n = 0;
    int c;

    assert_non_null(f);
    while ((c = fgetc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

/* Whoever connects makes us look: the log must not grow by that. */
static void what_cannot_be_used_is_told_once(void **state)
{
    struct gush_tls *tls;
    uint64_t now_ms = 5000;
    char log_path[64], huge[80];

    (void)state;
    put(cert_path, ours.cert);
    put(key_path, ours.key);
    tls = load(cert_path, key_path, "");
    (void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
    assert_int_equal(gush_log_open(GUSH_LOG_ERROR, log_path), GUSH_OK);
    assert_int_equal(unlink(cert_path), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(gush_tls_refresh(tls, now_ms += GUSH_TLS_LOOK_MS), 1);
    assert_int_equal(lines_of(log_path), 1);
    assert_int_equal(mkdir(cert_path, 0700), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(gush_tls_refresh(tls, now_ms += GUSH_TLS_LOOK_MS), 1);
    assert_int_equal(lines_of(log_path), 2);
    assert_int_equal(rmdir(cert_path), 0);
    (void)snprintf(huge, sizeof(huge), "%s.new", cert_path);
    put(huge, "");
    assert_int_equal(truncate(huge, (off_t)GUSH_TLS_FILE_MAX + 1), 0);
    assert_int_equal(rename(huge, cert_path), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(gush_tls_refresh(tls, now_ms += GUSH_TLS_LOOK_MS), 1);
    assert_int_equal(lines_of(log_path), 3);
    put(cert_path, other.cert);
    put(key_path, other.key);
    assert_int_equal(gush_tls_refresh(tls, now_ms + GUSH_TLS_LOOK_MS), 2);
    assert_int_equal(lines_of(log_path), 3);
    gush_log_close();
    gush_log_threshold = GUSH_LOG_NONE;
    (void)unlink(log_path);
    gush_tls_free(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_kinds_of_values),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(a_certificate_cut_anywhere_is_refused),
        cmocka_unit_test(files_are_read_again_once_a_second),
        cmocka_unit_test(what_cannot_be_used_changes_nothing),
        cmocka_unit_test(what_cannot_be_used_is_told_once),
    };

    return UNIT_RUN(tests, setup, teardown);
}
