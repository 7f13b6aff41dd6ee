// SPDX-License-Identifier: Apache-2.0
//
// The system's roots, which the process loads once and then keeps. They lie in static memory and
// never lose their last reference.

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "tls/internal/load.h"
#include "tls/internal/settings.h"
#include "tls/internal/trust.h"

// Where the distributions keep all roots in one file.
static const char *const places[] = {
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",                             // SUSE
    "/etc/ssl/cert.pem",                                  // Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",                   // older Fedora
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static weir_tls_trust system_trust;

static const char *find_place(void) {
  const char *named = secure_getenv("SSL_CERT_FILE");
  if (named != NULL && named[0] != '\0') return named;
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    if (access(places[i], R_OK) == 0) return places[i];
  }
  return NULL;
}

static int load(void) {
  const char *path = find_place();
  if (path == NULL) {
    return weir_internal_tls_fail(WEIR_E_TLS_NO_ROOTS,
                                  "the system has no file of root certificates where one is known "
                                  "to be; SSL_CERT_FILE can name one");
  }
  weir_buffer text = {0};
  int result = weir_internal_tls_read_file(&text, path, WEIR_INTERNAL_TLS_ROOTS_LIMIT);
  if (result == -ENOENT) {
    return weir_internal_tls_fail(WEIR_E_TLS_NO_ROOTS,
                                  "there is no file %s, which SSL_CERT_FILE names", path);
  }
  if (result == 0) {
    result = weir_internal_tls_trust_fill(&system_trust, weir_buffer_bytes(&text), true);
  }
  weir_buffer_release(&text);
  return result;
}

// Whoever comes while another one loads waits for him, on the blocking pool or outside of any loop.
static int load_once(void *argument) {
  (void)argument;
  pthread_mutex_lock(&mutex);
  int result = system_trust.store != NULL ? 0 : load();
  pthread_mutex_unlock(&mutex);
  return result;
}

int weir_tls_trust_system(weir_tls_trust **out) {
  *out = NULL;
  static _Atomic bool loaded;
  if (!atomic_load_explicit(&loaded, memory_order_acquire)) {
    int result = weir_internal_tls_off_loop(load_once, NULL);
    if (result < 0) return result;
    atomic_store_explicit(&loaded, true, memory_order_release);
  }
  *out = weir_internal_tls_trust_hold(&system_trust);
  return 0;
}
