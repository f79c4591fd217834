/*
 * Loads certificates (tls.h). A pair that was replaced is kept for as long as a handshake may take: its memory is in use until then.
 */
#include "http/tls.h"

#include "core/alloc.h"
#include "core/calendar.h"
#include "core/secret.h"

#include <gnutls/x509.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHAIN_MAX      16
#define FILE_MAX_BYTES (256u << 10)
#define RETIRED_KEEP_S 7200 /* the longest request-timeout, twice */

struct pair {
        gnutls_pcert_st certs[CHAIN_MAX];
        unsigned count;
        gnutls_privkey_t key;
        int64_t expires_s;
        struct pair *older;
        int64_t retired_s; /* monotonic */
};

static struct pair *_Atomic newest;

static int64_t monotonic_s(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec;
}

static void pair_free(struct pair *pair)
{
        if (!pair)
                return;
        for (unsigned i = 0; i < pair->count; i++)
                gnutls_pcert_deinit(&pair->certs[i]);
        if (pair->key)
                gnutls_privkey_deinit(pair->key);
        tk_free(pair);
}

/* ---- files ---- */

struct file {
        const char *path;
        unsigned char *bytes; /* PEM */
        size_t len;
        mode_t mode;
};

static void file_fini(struct file *file)
{
        if (file->bytes)
                tk_wipe(file->bytes, FILE_MAX_BYTES);
        tk_free(file->bytes);
        file->bytes = NULL;
}

static enum tk_err file_read(struct file *file, const char *field, struct tk_fault *fault)
{
        struct stat status;
        int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        file->bytes = tk_malloc(FILE_MAX_BYTES);
        ssize_t len = -1;
        if (fd >= 0 && file->bytes && fstat(fd, &status) == 0)
                len = read(fd, file->bytes, FILE_MAX_BYTES);
        int error = errno;
        if (fd >= 0)
                close(fd);
        if (len < 0)
                return tk_fault_set(fault, TK_FAULT_internal, field, "check the path and who may read it",
                                    "cannot read %s: %s", file->path, strerrordesc_np(error));
        file->len = (size_t)len;
        file->mode = status.st_mode;
        return TK_OK;
}

/* ---- what is in them ---- */

static enum tk_err import_key(const struct file *file, struct pair *pair, struct tk_fault *fault)
{
        gnutls_datum_t pem = {file->bytes, (unsigned)file->len};
        if (file->mode & (S_IROTH | S_IWOTH))
                return tk_fault_set(fault, TK_FAULT_internal, "tls-key", "chmod o-rw it, and make a new key",
                                    "everybody may read or change the private key %s", file->path);
        if (gnutls_privkey_init(&pair->key) != GNUTLS_E_SUCCESS)
                return tk_fault_from_err(fault, TK_NOMEM);
        int code = gnutls_privkey_import_x509_raw(pair->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
        if (code == GNUTLS_E_SUCCESS)
                return TK_OK;
        bool encrypted = code == GNUTLS_E_DECRYPTION_FAILED ||
                         memmem(file->bytes, file->len, "ENCRYPTED", strlen("ENCRYPTED")) != NULL;
        return tk_fault_set(fault, TK_FAULT_internal, "tls-key",
                            encrypted ? "store it without a password: `openssl pkey -in KEY -out PLAIN`"
                                      : "give a private key in PEM",
                            encrypted ? "the private key %s is encrypted"
                                      : "%s holds no private key that can be used",
                            file->path);
}

static enum tk_err check_times(const char *path, gnutls_x509_crt_t cert, int64_t now_s, struct pair *pair,
                               struct tk_fault *fault)
{
        char when[32];
        pair->expires_s = (int64_t)gnutls_x509_crt_get_expiration_time(cert);
        int64_t begins_s = (int64_t)gnutls_x509_crt_get_activation_time(cert);
        time_t edge = (time_t)(now_s > pair->expires_s ? pair->expires_s : begins_s);
        struct tm utc;
        gmtime_r(&edge, &utc);
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
        if (now_s > pair->expires_s)
                return tk_fault_set(fault, TK_FAULT_internal, "tls-cert", "renew it",
                                    "the certificate %s expired at %s", path, when);
        if (now_s < begins_s)
                return tk_fault_set(fault, TK_FAULT_internal, "tls-cert", "check this machine's clock",
                                    "the certificate %s is not valid before %s", path, when);
        return TK_OK;
}

/* The key belongs to the first certificate: both have the same public key. */
static enum tk_err check_match(const char *cert_path, const char *key_path, gnutls_x509_crt_t cert,
                               const struct pair *pair, struct tk_fault *fault)
{
        unsigned char of_cert[64], of_key[64];
        size_t cert_len = sizeof(of_cert), key_len = sizeof(of_key);
        gnutls_pubkey_t key;
        if (gnutls_pubkey_init(&key) != GNUTLS_E_SUCCESS)
                return tk_fault_from_err(fault, TK_NOMEM);
        bool same = gnutls_pubkey_import_privkey(key, pair->key, 0, 0) == GNUTLS_E_SUCCESS &&
                    gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_len) == 0 &&
                    gnutls_x509_crt_get_key_id(cert, GNUTLS_KEYID_USE_SHA256, of_cert, &cert_len) == 0 &&
                    key_len == cert_len && memcmp(of_key, of_cert, key_len) == 0;
        gnutls_pubkey_deinit(key);
        if (same)
                return TK_OK;
        return tk_fault_set(fault, TK_FAULT_internal, "tls-key",
                            "give the key that the first certificate of the file was made for",
                            "the private key %s does not belong to the certificate %s", key_path, cert_path);
}

static enum tk_err import_certs(const struct file *file, const char *key_path, int64_t now_s,
                                struct pair *pair, struct tk_fault *fault)
{
        gnutls_datum_t pem = {file->bytes, (unsigned)file->len};
        gnutls_x509_crt_t certs[CHAIN_MAX];
        unsigned count = CHAIN_MAX;
        int found = gnutls_x509_crt_list_import(certs, &count, &pem, GNUTLS_X509_FMT_PEM,
                                                GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
        if (found < 1)
                return tk_fault_set(fault, TK_FAULT_internal, "tls-cert",
                                    "give the certificate and its chain in PEM, the server's own first",
                                    "%s holds no certificate that can be used", file->path);
        enum tk_err err = check_times(file->path, certs[0], now_s, pair, fault);
        if (err == TK_OK)
                err = check_match(file->path, key_path, certs[0], pair, fault);
        for (int i = 0; i < found; i++) {
                if (err == TK_OK &&
                    gnutls_pcert_import_x509(&pair->certs[i], certs[i], 0) != GNUTLS_E_SUCCESS)
                        err = tk_fault_from_err(fault, TK_NOMEM);
                pair->count += err == TK_OK;
                gnutls_x509_crt_deinit(certs[i]);
        }
        return err;
}

/* ---- exchange ---- */

static void make_newest(struct pair *pair)
{
        int64_t now_s = monotonic_s();
        struct pair *old = atomic_load(&newest);
        pair->older = old;
        atomic_store_explicit(&newest, pair, memory_order_release);
        if (!old)
                return;
        old->retired_s = now_s;
        for (struct pair **at = &old->older; *at;) {
                struct pair *done = *at;
                if (now_s - done->retired_s < RETIRED_KEEP_S) {
                        at = &done->older;
                        continue;
                }
                *at = done->older;
                pair_free(done);
        }
}

enum tk_err tk_tls_load(const char *cert_file, const char *key_file, int64_t now_s, int64_t *ret_expires_s,
                        struct tk_fault *fault)
{
        struct file cert = {.path = cert_file}, key = {.path = key_file};
        struct pair *pair = tk_calloc(1, sizeof(*pair));
        enum tk_err err = pair ? TK_OK : tk_fault_from_err(fault, TK_NOMEM);
        if (err == TK_OK)
                err = file_read(&cert, "tls-cert", fault);
        if (err == TK_OK)
                err = file_read(&key, "tls-key", fault);
        if (err == TK_OK)
                err = import_key(&key, pair, fault);
        if (err == TK_OK)
                err = import_certs(&cert, key_file, now_s, pair, fault);
        if (err == TK_OK) {
                *ret_expires_s = pair->expires_s;
                make_newest(pair);
                pair = NULL;
        }
        pair_free(pair);
        file_fini(&cert);
        file_fini(&key);
        return err;
}

int tk_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_certs,
                    unsigned *ret_count, gnutls_privkey_t *ret_key)
{
        (void)session;
        (void)authorities;
        (void)authority_count;
        (void)algorithms;
        (void)algorithm_count;
        struct pair *pair = atomic_load_explicit(&newest, memory_order_acquire);
        if (!pair)
                return -1;
        *ret_certs = pair->certs;
        *ret_count = pair->count;
        *ret_key = pair->key;
        return 0;
}

void tk_tls_unload(void)
{
        struct pair *pair = atomic_exchange(&newest, NULL);
        while (pair) {
                struct pair *older = pair->older;
                pair_free(pair);
                pair = older;
        }
}
