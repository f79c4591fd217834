/*
 * The certificate of the TLS listener, and its exchange while connections are open: new handshakes take the newest, those that
 * are under way keep theirs. libmicrohttpd asks for it through a callback that has no context, so there is one a process. Loading
 * and exchanging: main thread; the callback: any network thread.
 */
#ifndef TK_HTTP_TLS_H
#define TK_HTTP_TLS_H

#include "core/error.h"
#include "core/fault.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include <stdint.h>

/* TLS 1.2 and 1.3, forward secrecy and authenticated encryption only; every client of the last ten years has these. */
#define TK_TLS_PRIORITIES                                                                                    \
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"                        \
        "-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

/*
 * Load a certificate with its chain, and its key, and make them the newest.
 * Fails, with a fault that names the file and what is wrong, and keeps what there was: unreadable, open to others, not PEM,
 * encrypted, not a pair, expired, not valid yet.
 *   now_s          wall clock
 *   ret_expires_s  of the first certificate of the chain
 */
enum tk_err tk_tls_load(const char *cert_file, const char *key_file, int64_t now_s, int64_t *ret_expires_s,
                        struct tk_fault *fault);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK. */
int tk_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_certs,
                    unsigned *ret_count, gnutls_privkey_t *ret_key);

/* Free all. No handshake may be under way. */
void tk_tls_unload(void);

#endif
