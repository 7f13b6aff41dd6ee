// SPDX-License-Identifier: Apache-2.0
//
// The sessions that a client may resume, each under the name of the server that was checked. It
// belongs to the options, so that all sessions in it have been accepted under the same policy.

#ifndef WEIR_TLS_INTERNAL_SESSION_CACHE_H
#define WEIR_TLS_INTERNAL_SESSION_CACHE_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "base/internal/list.h"
#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_tls_session_cache {
  pthread_mutex_t mutex;
  weir_internal_list sessions;  // the newest last
  size_t count;
  size_t limit;  // 0: none are kept
} weir_internal_tls_session_cache;

// weir_internal_tls_session_cache_init makes |cache| an empty one for |limit| sessions at most.
// weir_internal_tls_session_cache_release drops what it keeps; nobody may use it any more.
void weir_internal_tls_session_cache_init(weir_internal_tls_session_cache *cache, size_t limit);
void weir_internal_tls_session_cache_release(weir_internal_tls_session_cache *cache);

// weir_internal_tls_session_cache_put keeps |session|, which it then owns, for |name|, and drops
// older ones if there are too many, and all that have timed out. Returns whether it does.
bool weir_internal_tls_session_cache_put(weir_internal_tls_session_cache *cache, const char *name,
                                         SSL_SESSION *session);

// weir_internal_tls_session_cache_take returns the newest session for |name|, which the caller
// frees, or NULL. One that must not be used twice is gone from the cache, as are all that have
// timed out.
SSL_SESSION *weir_internal_tls_session_cache_take(weir_internal_tls_session_cache *cache,
                                                  const char *name);

// weir_internal_tls_session_cache_forget drops all sessions for |name|.
void weir_internal_tls_session_cache_forget(weir_internal_tls_session_cache *cache,
                                            const char *name);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_SESSION_CACHE_H
