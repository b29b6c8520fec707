/* certs: certificates and keys for tests, made on the spot. */
#ifndef GUSH_TESTS_UNIT_NET_CERTS_H
#define GUSH_TESTS_UNIT_NET_CERTS_H

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/net/unit.h"

#define CERTS_PEM_MAX 4096

struct certs_pair {
    X509 *x509;
    EVP_PKEY *pkey;
    char cert[CERTS_PEM_MAX], key[CERTS_PEM_MAX];
};

static inline void certs_take(BIO *from, char *out)
{
    int n = BIO_read(from, out, CERTS_PEM_MAX - 1);

    assert_true(n > 0 && n < CERTS_PEM_MAX - 1);
    out[n] = '\0';
    BIO_free(from);
}

/* |issuer| NULL: its own, an authority. |until_s| from now, negative: it has ended. A key that is
 * there already is used. */
static inline void certs_make(struct certs_pair *p, const char *name,
                              const struct certs_pair *issuer, long until_s)
{
    static long serial;
    X509_NAME *subject;
    BIO *out;

    if (p->pkey == NULL)
        p->pkey = EVP_EC_gen("P-256");
    p->x509 = X509_new();
    assert_non_null(p->pkey);
    assert_int_equal(X509_set_version(p->x509, X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(p->x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(p->x509), -7200);
    X509_gmtime_adj(X509_getm_notAfter(p->x509), until_s);
    subject = X509_get_subject_name(p->x509);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(
        X509_set_issuer_name(p->x509, issuer ? X509_get_subject_name(issuer->x509) : subject), 1);
    if (issuer == NULL) {
        X509_EXTENSION *ca =
            X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
        assert_int_equal(X509_add_ext(p->x509, ca, -1), 1);
        X509_EXTENSION_free(ca);
    }
    assert_int_equal(X509_set_pubkey(p->x509, p->pkey), 1);
    assert_true(X509_sign(p->x509, issuer ? issuer->pkey : p->pkey, EVP_sha256()) > 0);
    out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(out, p->x509), 1);
    certs_take(out, p->cert);
    out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(out, p->pkey, NULL, NULL, 0, NULL, NULL), 1);
    certs_take(out, p->key);
}

static inline void certs_drop(struct certs_pair *p)
{
    X509_free(p->x509);
    EVP_PKEY_free(p->pkey);
}

/* In place of what was there, by another file: so it differs whatever the clock says. */
static inline void certs_put(const char *path, const char *text)
{
    char fresh[200];
    int fd;

    (void)snprintf(fresh, sizeof(fresh), "%s.new", path);
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    assert_int_equal(rename(fresh, path), 0);
}

#endif
