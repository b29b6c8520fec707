/* tls: what a port shows and demands in a TLS handshake: certificates, their key, CAs of clients.
 *
 * Each value is PEM, base64 of PEM, or the path of a file, in this order. All of it is checked
 * before anybody uses it. Files are read again when they change; what is broken then changes
 * nothing and is told in the log once. Speaks no TLS itself.
 *
 * Owner     server/app                Thread  refresh, get: any; new, free: the main one
 * Limits    GUSH_TLS_FILE_MAX bytes of a file; files are looked at once a GUSH_TLS_LOOK_MS */
#ifndef GUSH_NET_TLS_H
#define GUSH_NET_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

#define GUSH_TLS_FILE_MAX ((size_t)1 << 20)
#define GUSH_TLS_LOOK_MS  1000

struct gush_tls;

/* Borrowed strings, never NULL. */
struct gush_tls_options {
    const char *name; /* of the keys' section, in messages: "grpc_api.tls" */
    const char *cert_pem, *key_pem;
    const char *client_ca_pem; /* "": clients need no certificate */
};

/* PEM; |client_ca| NULL if clients need none. The caller's to free. */
struct gush_tls_pems {
    char *cert, *key, *client_ca;
};

/* Loads and checks. A certificate that is not valid now is only warned about. On failure |message|
 * names the key and what is wrong with its value.
 *   GUSH_ECONFIG   not readable, not PEM, or certificate and key do not belong together */
GUSH_MUST_USE gush_err gush_tls_new(const struct gush_tls_options *options, struct gush_tls **out,
                                    char *message, size_t message_n);
void gush_tls_free(struct gush_tls *tls);

/* Looks at the files if it is time to, or at once: |now_ms| 0. Returns which edition is current,
 * from 1: it grows when the contents changed. */
uint64_t gush_tls_refresh(struct gush_tls *tls, uint64_t now_ms);
/* Copies of the current edition. */
struct gush_tls_pems gush_tls_get(struct gush_tls *tls);
void gush_tls_pems_free(struct gush_tls_pems *pems);

#endif
