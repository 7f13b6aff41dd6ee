// SPDX-License-Identifier: Apache-2.0

#include "tls/internal/session_cache.h"

#include <sys/time.h>

#include "base/internal/memory.h"

// Servers hand out a few tickets in each handshake; more than this many of one server push out
// those of others for nothing.
enum { SESSIONS_PER_NAME = 4 };

typedef struct entry {
  weir_internal_link link;
  SSL_SESSION *session;
  size_t size;  // of this
  char name[];
} entry;

static entry *entry_of(weir_internal_link *link) {
  return WEIR_INTERNAL_CONTAINER(link, entry, link);
}

void weir_internal_tls_session_cache_init(weir_internal_tls_session_cache *cache, size_t limit) {
  pthread_mutex_init(&cache->mutex, NULL);
  weir_internal_list_init(&cache->sessions);
  cache->count = 0;
  cache->limit = limit;
}

static void drop(weir_internal_tls_session_cache *cache, entry *old) {
  weir_internal_link_remove(&old->link);
  cache->count--;
  SSL_SESSION_free(old->session);
  weir_internal_release(old, old->size);
}

void weir_internal_tls_session_cache_release(weir_internal_tls_session_cache *cache) {
  while (!weir_internal_list_is_empty(&cache->sessions)) {
    drop(cache, entry_of(cache->sessions.next));
  }
  pthread_mutex_destroy(&cache->mutex);
}

// Whether |session| is of no use any more.
static bool has_timed_out(const SSL_SESSION *session, uint64_t now) {
  uint64_t begin = SSL_SESSION_get_time(session);
  return now >= begin && now - begin >= SSL_SESSION_get_timeout(session);
}

// Drops what has timed out: with its secrets, whoever has recorded the connections can read them.
static void drop_old(weir_internal_tls_session_cache *cache) {
  // As BoringSSL does. The clock of time(2) is a little behind.
  struct timeval clock;
  gettimeofday(&clock, NULL);
  uint64_t now = (uint64_t)clock.tv_sec;
  for (weir_internal_link *link = cache->sessions.next; link != &cache->sessions;) {
    entry *found = entry_of(link);
    link = link->next;
    if (has_timed_out(found->session, now)) drop(cache, found);
  }
}

// Drops the oldest one for |name| if there are too many for it, and the oldest of all if there are
// too many.
static void make_room(weir_internal_tls_session_cache *cache, const char *name) {
  drop_old(cache);
  entry *oldest = NULL;
  int same = 0;
  for (weir_internal_link *link = cache->sessions.next; link != &cache->sessions;
       link = link->next) {
    if (strcmp(entry_of(link)->name, name) != 0) continue;
    if (oldest == NULL) oldest = entry_of(link);
    same++;
  }
  if (same >= SESSIONS_PER_NAME) drop(cache, oldest);
  if (cache->count >= cache->limit) drop(cache, entry_of(cache->sessions.next));
}

bool weir_internal_tls_session_cache_put(weir_internal_tls_session_cache *cache, const char *name,
                                         SSL_SESSION *session) {
  if (cache->limit == 0) return false;
  size_t size = sizeof(entry) + strlen(name) + 1;
  entry *added = (entry *)weir_internal_allocate(size);
  if (added == NULL) return false;
  added->size = size;
  added->session = session;
  memcpy(added->name, name, strlen(name) + 1);
  pthread_mutex_lock(&cache->mutex);
  make_room(cache, name);
  weir_internal_list_append(&cache->sessions, &added->link);
  cache->count++;
  pthread_mutex_unlock(&cache->mutex);
  return true;
}

SSL_SESSION *weir_internal_tls_session_cache_take(weir_internal_tls_session_cache *cache,
                                                  const char *name) {
  SSL_SESSION *session = NULL;
  pthread_mutex_lock(&cache->mutex);
  drop_old(cache);
  for (weir_internal_link *link = cache->sessions.previous; link != &cache->sessions;
       link = link->previous) {
    entry *found = entry_of(link);
    if (strcmp(found->name, name) != 0) continue;
    session = found->session;
    SSL_SESSION_up_ref(session);
    if (SSL_SESSION_should_be_single_use(session)) drop(cache, found);
    break;
  }
  pthread_mutex_unlock(&cache->mutex);
  return session;
}

void weir_internal_tls_session_cache_forget(weir_internal_tls_session_cache *cache,
                                            const char *name) {
  pthread_mutex_lock(&cache->mutex);
  for (weir_internal_link *link = cache->sessions.next; link != &cache->sessions;) {
    entry *found = entry_of(link);
    link = link->next;
    if (strcmp(found->name, name) == 0) drop(cache, found);
  }
  pthread_mutex_unlock(&cache->mutex);
}
