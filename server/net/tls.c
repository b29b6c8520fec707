#include "server/net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/sync.h"
#include "server/base/text.h"

#define BEGIN "-----BEGIN "

enum part { CERT, KEY, CLIENT_CA, PARTS_N };

static const char *const part_names[PARTS_N] = {"cert_pem", "key_pem", "client_ca_pem"};

/* By which a changed file is known. */
struct mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct source {
    const char *value; /* as configured; "": not given */
    bool is_file;      /* frozen after new */
    struct mark mark;  /* of the file when it was last read, well or not */
};

struct gush_tls {
    struct gush_tls_options options;
    struct gush_mutex mutex; /* of all below */
    struct source sources[PARTS_N];
    struct gush_tls_pems pems;
    uint64_t edition, looked_ms;
};

/* Where to say what went wrong. */
struct failure {
    const struct gush_tls *tls;
    char *message;
    size_t message_n;
};

static gush_err fail(const struct failure *f, enum part part, const char *what)
{
    snprintf(f->message, f->message_n, "%s.%s: %s", f->tls->options.name, part_names[part], what);
    return GUSH_ECONFIG;
}

/* ---- values --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* PEM out of base64, which tools like to break into lines; NULL if it is anything else. */
static char *from_base64(const char *value)
{
    struct gush_buf packed, pem;
    char *out = NULL;

    gush_buf_init(&packed, SIZE_MAX);
    gush_buf_init(&pem, SIZE_MAX);
    for (; *value; value++)
        if (!is_blank(*value))
            gush_buf_put_u8(&packed, (uint8_t)*value);
    if (gush_base64_decode(gush_buf_span(&packed), &pem) == GUSH_OK && pem.n > 0 &&
        memmem(pem.p, pem.n, BEGIN, strlen(BEGIN)) != NULL)
        out = gush_strndup((const char *)pem.p, pem.n);
    gush_buf_fini(&packed);
    gush_buf_fini(&pem);
    return out;
}

static char *read_all(int fd, size_t size)
{
    char *text = gush_zalloc(size + 1, 1);
    size_t n = 0;

    while (n < size) {
        ssize_t k = read(fd, text + n, size - n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    return text;
}

static struct mark mark_of(const struct stat *st)
{
    return (struct mark){st->st_dev, st->st_ino, st->st_size, st->st_mtim};
}

static gush_err read_file(const struct failure *f, enum part part, struct source *s, char **out)
{
    char what[512];
    struct stat st;
    int fd = open(s->value, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        s->mark = (struct mark){0};
        snprintf(what, sizeof(what),
                 "neither PEM nor base64 of PEM, and no file that can be read: \"%.100s\": %s",
                 s->value, strerror(errno));
        return fail(f, part, what);
    }
    if (fstat(fd, &st) == 0)
        s->mark = mark_of(&st); /* also of what is refused: it is told once */
    else
        st.st_mode = 0;
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t)GUSH_TLS_FILE_MAX) {
        close(fd);
        snprintf(what, sizeof(what), "\"%.100s\" is not a file of at most 1 MiB", s->value);
        return fail(f, part, what);
    }
    *out = read_all(fd, (size_t)st.st_size);
    close(fd);
    return GUSH_OK;
}

static gush_err load(const struct failure *f, enum part part, struct source *s, char **out)
{
    if (*s->value == '\0')
        return part == CLIENT_CA ? GUSH_OK : fail(f, part, "is required");
    if (strstr(s->value, BEGIN) != NULL) {
        *out = gush_strndup(s->value, strlen(s->value));
        return GUSH_OK;
    }
    *out = from_base64(s->value);
    if (*out != NULL)
        return GUSH_OK;
    s->is_file = true;
    return read_file(f, part, s, out);
}

/* ---- checks --------------------------------------------------------------------------------- */

static X509 *next_certificate(BIO *in)
{
    return PEM_read_bio_X509(in, NULL, NULL, NULL);
}

/* The first of the certificates in |pem|, all of which must be good. NULL: they are not. */
static X509 *first_certificate(char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *first = in ? next_certificate(in) : NULL, *other;
    bool good = first != NULL;

    while (good && (other = next_certificate(in)) != NULL)
        X509_free(other);
    if (good && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        good = false;
    ERR_clear_error();
    BIO_free(in);
    if (good)
        return first;
    X509_free(first);
    return NULL;
}

/* Nobody is there to be asked. */
static int no_password(char *out, int n, int writing, void *arg)
{
    (void)out;
    (void)n;
    (void)writing;
    (void)arg;
    return -1;
}

static EVP_PKEY *private_key(char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;

    ERR_clear_error();
    BIO_free(in);
    return key;
}

static void warn_if_not_valid_now(const struct gush_tls *tls, const X509 *cert)
{
    char name[64];
    const char *what = NULL;

    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        what = "the certificate has expired";
    else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        what = "the certificate is not valid yet";
    if (what == NULL)
        return;
    snprintf(name, sizeof(name), "%s.%s", tls->options.name, part_names[CERT]);
    gush_log(GUSH_LOG_WARN, what, GUSH_F("key", name));
}

static gush_err check_client_ca(const struct failure *f, char *pem)
{
    X509 *ca;

    if (pem == NULL)
        return GUSH_OK;
    ca = first_certificate(pem);
    if (ca == NULL)
        return fail(f, CLIENT_CA, "holds no PEM certificate, or a broken one");
    X509_free(ca);
    return GUSH_OK;
}

static gush_err check(const struct failure *f, const struct gush_tls_pems *pems)
{
    X509 *cert = first_certificate(pems->cert);
    EVP_PKEY *key = private_key(pems->key);
    gush_err err;

    if (cert == NULL)
        err = fail(f, CERT, "holds no PEM certificate, or a broken one");
    else if (key == NULL)
        err = fail(f, KEY, "holds no PEM private key, or one that is encrypted");
    else if (X509_check_private_key(cert, key) != 1)
        err = fail(f, KEY, "is not the key of the certificate in cert_pem");
    else
        err = check_client_ca(f, pems->client_ca);
    if (err == GUSH_OK)
        warn_if_not_valid_now(f->tls, cert);
    ERR_clear_error();
    EVP_PKEY_free(key);
    X509_free(cert);
    return err;
}

/* ---- editions ------------------------------------------------------------------------------- */

static gush_err load_all(struct gush_tls *tls, struct gush_tls_pems *pems, const struct failure *f)
{
    char **const outs[PARTS_N] = {&pems->cert, &pems->key, &pems->client_ca};
    gush_err err = GUSH_OK;

    /* All of them, also after a failure: each file's mark is that of now. */
    for (enum part part = 0; part < PARTS_N; part++) {
        gush_err one = load(f, part, &tls->sources[part], outs[part]);
        err = err == GUSH_OK ? one : err;
    }
    return err == GUSH_OK ? check(f, pems) : err;
}

static bool has_changed(const struct source *s)
{
    struct stat st;
    struct mark now = {0};

    if (!s->is_file)
        return false;
    if (stat(s->value, &st) == 0)
        now = mark_of(&st);
    return now.device != s->mark.device || now.inode != s->mark.inode || now.size != s->mark.size ||
           now.changed.tv_sec != s->mark.changed.tv_sec ||
           now.changed.tv_nsec != s->mark.changed.tv_nsec;
}

static void look(struct gush_tls *tls)
{
    char message[700] = "";
    struct failure f = {tls, message, sizeof(message)};
    struct gush_tls_pems pems = {0};
    bool changed = false;

    for (enum part part = 0; part < PARTS_N; part++)
        changed = has_changed(&tls->sources[part]) || changed;
    if (!changed)
        return;
    if (load_all(tls, &pems, &f) != GUSH_OK) {
        gush_tls_pems_free(&pems);
        gush_log(GUSH_LOG_ERROR, "changed certificate files are not usable, the old ones stay",
                 GUSH_F("error", message));
        return;
    }
    gush_tls_pems_free(&tls->pems);
    tls->pems = pems;
    tls->edition++;
    gush_log(GUSH_LOG_INFO, "certificates reloaded", GUSH_F("key", tls->options.name));
}

uint64_t gush_tls_refresh(struct gush_tls *tls, uint64_t now_ms)
{
    uint64_t edition;

    gush_mutex_lock(&tls->mutex);
    if (now_ms == 0 || tls->looked_ms == 0 || now_ms >= tls->looked_ms + GUSH_TLS_LOOK_MS) {
        tls->looked_ms = now_ms;
        look(tls);
    }
    edition = tls->edition;
    gush_mutex_unlock(&tls->mutex);
    return edition;
}

static char *copy(const char *s)
{
    return s ? gush_strndup(s, strlen(s)) : NULL;
}

struct gush_tls_pems gush_tls_get(struct gush_tls *tls)
{
    struct gush_tls_pems pems;

    gush_mutex_lock(&tls->mutex);
    pems.cert = copy(tls->pems.cert);
    pems.key = copy(tls->pems.key);
    pems.client_ca = copy(tls->pems.client_ca);
    gush_mutex_unlock(&tls->mutex);
    return pems;
}

/* A key does not stay readable in freed memory. */
static void wipe(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    gush_free(s);
}

void gush_tls_pems_free(struct gush_tls_pems *pems)
{
    gush_free(pems->cert);
    wipe(pems->key);
    gush_free(pems->client_ca);
    *pems = (struct gush_tls_pems){0};
}

/* ---- life ----------------------------------------------------------------------------------- */

gush_err gush_tls_new(const struct gush_tls_options *options, struct gush_tls **out, char *message,
                      size_t message_n)
{
    struct gush_tls *tls = GUSH_NEW(struct gush_tls);
    struct failure f = {tls, message, message_n};
    gush_err err;

    tls->options = *options;
    tls->sources[CERT].value = options->cert_pem;
    tls->sources[KEY].value = options->key_pem;
    tls->sources[CLIENT_CA].value = options->client_ca_pem;
    gush_mutex_init(&tls->mutex);
    err = load_all(tls, &tls->pems, &f);
    tls->edition = 1;
    if (err == GUSH_OK)
        *out = tls;
    else
        gush_tls_free(tls);
    return err;
}

void gush_tls_free(struct gush_tls *tls)
{
    if (tls == NULL)
        return;
    gush_tls_pems_free(&tls->pems);
    gush_mutex_fini(&tls->mutex);
    gush_free(tls);
}
