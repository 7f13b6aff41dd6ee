// SPDX-License-Identifier: Apache-2.0

#include "weir/resolve.h"

#include <netdb.h>

#include "address/internal/host_name.h"
#include "base/internal/memory.h"
#include "coroutine/internal/suspend.h"
#include "selector/internal/operation.h"
#include "weir/blocking.h"
#include "weir/selector.h"

enum {
  LONGEST_SERVICE_NAME = 63,
  MOST_ADDRESSES = 1024,  // more than an answer of DNS has room for, as a rule
};

// The system

// What a thread of the pool works on, by itself when nobody waits any more.
typedef struct lookup {
  const weir_internal_system_calls *calls;
  struct addrinfo hints;
  bool by_service;
  char name[WEIR_INTERNAL_LONGEST_HOST_NAME + 2];  // of the host, a dot behind it, or the service
  int result;                                      // the number of addresses, or a negative code
  size_t capacity;
  weir_address found[];
} lookup;

static size_t lookup_size(size_t capacity) {
  return sizeof(lookup) + capacity * sizeof(weir_address);
}

static void discard(void *argument) {
  lookup *self = (lookup *)argument;
  weir_internal_release(self, lookup_size(self->capacity));
}

static void take_over(lookup *self, const struct addrinfo *list) {
  size_t count = 0;
  for (; list != NULL && count < self->capacity; list = list->ai_next) {
    weir_address *address = &self->found[count];
    if (list->ai_addrlen > sizeof address->socket) continue;
    address->size = list->ai_addrlen;
    memcpy(&address->socket, list->ai_addr, list->ai_addrlen);
    count++;
  }
  self->result = (int)count;
}

// On the pool's thread. The result is kept apart, since -ETIMEDOUT would count as the waiter's.
static int look_up(void *argument) {
  lookup *self = (lookup *)argument;
  const char *host = self->by_service ? NULL : self->name;
  const char *service = self->by_service ? self->name : NULL;
  struct addrinfo *list = NULL;
  self->result = self->calls->resolve(self->calls->context, host, service, &self->hints, &list);
  if (self->result < 0) return 0;
  take_over(self, list);
  self->calls->free_names(self->calls->context, list);
  return 0;
}

// Returns a lookup of |name|, which is no longer than there is room for, or NULL.
static lookup *make_lookup(const char *name, bool by_service, size_t capacity) {
  lookup *self = (lookup *)weir_internal_allocate(lookup_size(capacity));
  if (self == NULL) return NULL;
  self->calls = weir_internal_selector_calls(weir_current_selector());
  self->by_service = by_service;
  self->capacity = capacity;
  memcpy(self->name, name, strlen(name) + 1);
  return self;
}

// Has |self|, which is gone afterwards, looked up. Returns as weir_resolve.
static int await_lookup(lookup *self, weir_address *out) {
  int result = weir_blocking_detached(look_up, self, discard);
  if (result == -ECANCELED || result == -ETIMEDOUT) return result;
  if (result == 0) result = self->result;
  if (result > 0) memcpy(out, self->found, (size_t)result * sizeof *out);
  discard(self);
  return result;
}

static int ask_system(void *context, weir_address *out, size_t capacity, const char *host,
                      weir_family family) {
  (void)context;
  lookup *self = make_lookup(host, false, capacity);
  if (self == NULL) return -ENOMEM;
  // No AI_ADDRCONFIG: it forgets the loopback interface.
  self->hints.ai_socktype = SOCK_STREAM;  // otherwise each comes once for each type
  self->hints.ai_family = family == WEIR_ANY_FAMILY ? AF_UNSPEC
                          : family == WEIR_IPV4     ? AF_INET
                                                    : AF_INET6;
  return await_lookup(self, out);
}

static const weir_resolver system_resolver = {ask_system, NULL};

// What needs no resolver

static bool is_wanted(const weir_address *address, weir_family family) {
  sa_family_t found = address->socket.any.sa_family;
  return (found == AF_INET && family != WEIR_IPV6) || (found == AF_INET6 && family != WEIR_IPV4);
}

static void set_port(weir_address *address, uint16_t port) {
  if (address->socket.any.sa_family == AF_INET) {
    address->socket.ipv4.sin_port = htons(port);
  } else {
    address->socket.ipv6.sin6_port = htons(port);
  }
}

static bool is_among(const weir_address *address, const weir_address *others, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (weir_address_equal(address, &others[i])) return true;
  }
  return false;
}

// Keeps of |count| answers those that are wanted, each once.
static int sift(weir_address *out, size_t count, weir_family family, uint16_t port) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    weir_address address = out[i];
    if (!is_wanted(&address, family)) continue;
    set_port(&address, port);
    if (!is_among(&address, out, kept)) out[kept++] = address;
  }
  return kept > 0 ? (int)kept : WEIR_E_NAME_NOT_FOUND;
}

static int add_literal(weir_address *out, size_t capacity, int count, const char *host) {
  if (count < 0 || (size_t)count >= capacity) return count;
  int result = weir_address_parse(&out[count], host, 0);
  return result < 0 ? result : count + 1;
}

static int resolve_localhost(weir_address *out, size_t capacity, weir_family family) {
  int count = 0;
  if (family != WEIR_IPV6) count = add_literal(out, capacity, count, "127.0.0.1");
  if (family != WEIR_IPV4) count = add_literal(out, capacity, count, "::1");
  return count;
}

// Returns the number of answers, or a negative code.
static int answer(weir_address *out, size_t capacity, const weir_resolve_options *options,
                  const char *host) {
  int result = weir_address_parse(out, host, 0);
  if (result != -EINVAL) return result < 0 ? result : 1;
  if (!weir_internal_host_name_is_valid(host)) return -EINVAL;
  if (weir_internal_host_name_ends_in(host, "localhost")) {
    return resolve_localhost(out, capacity, options->family);
  }
  if (weir_internal_host_name_ends_in(host, "invalid")) return WEIR_E_NAME_NOT_FOUND;
  const weir_resolver *resolver = options->resolver;
  if (resolver == NULL) resolver = &system_resolver;
  result = resolver->resolve(resolver->context, out, capacity, host, options->family);
  return result > (int)capacity ? (int)capacity : result;
}

int weir_resolve(weir_address *out, size_t capacity, const weir_resolve_options *options,
                 const char *host, uint16_t port) {
  int result = weir_internal_enter(NULL);
  if (result < 0) return result;
  weir_resolve_options chosen = {.family = WEIR_ANY_FAMILY};
  if (options != NULL) chosen = *options;
  if (weir_current_selector() == NULL || host == NULL || capacity == 0) return -EINVAL;
  if (chosen.family != WEIR_ANY_FAMILY && chosen.family != WEIR_IPV4 &&
      chosen.family != WEIR_IPV6) {
    return -EINVAL;
  }
  if (capacity > MOST_ADDRESSES) capacity = MOST_ADDRESSES;
  result = answer(out, capacity, &chosen, host);
  return result < 0 ? result : sift(out, (size_t)result, chosen.family, port);
}

// A name has a letter in it (RFC 6335, 5.1). The system would take anything else for a number, with
// signs and blanks, and cut it to 16 bits.
static bool is_service_name(const char *service) {
  const char *const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  return strlen(service) <= LONGEST_SERVICE_NAME && strpbrk(service, letters) != NULL;
}

int weir_resolve_service(uint16_t *out, const char *service, const char *protocol) {
  int result = weir_internal_enter(NULL);
  if (result < 0) return result;
  if (weir_current_selector() == NULL || out == NULL) return -EINVAL;
  if (service == NULL || protocol == NULL) return -EINVAL;
  bool over_tcp = strcmp(protocol, "tcp") == 0;
  if (!over_tcp && strcmp(protocol, "udp") != 0) return -EINVAL;
  if (weir_port_parse(out, service) == 0) return 0;
  if (!is_service_name(service)) return -EINVAL;
  lookup *self = make_lookup(service, true, 1);
  if (self == NULL) return -ENOMEM;
  self->hints.ai_socktype = over_tcp ? SOCK_STREAM : SOCK_DGRAM;
  weir_address found;
  result = await_lookup(self, &found);
  if (result < 0) return result;
  if (result == 0) return WEIR_E_SERVICE_NOT_FOUND;
  *out = weir_address_port(&found);
  return 0;
}
