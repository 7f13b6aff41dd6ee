// SPDX-License-Identifier: Apache-2.0
//
// weir/resolve.h: the addresses of hosts, and the ports of services, by their names. Nothing here,
// or anywhere else in Weir, asks for the name of an address.
//
// Example:
//   static int run(void *argument) {
//     (void)argument;
//     weir_address found[4];
//     int count = weir_resolve(found, 4, NULL, "localhost", 2323);
//     for (int i = 0; i < count; i++) {
//       char text[WEIR_ADDRESS_TEXT_SIZE];
//       printf("%s\n", weir_address_format(&found[i], text));  // 127.0.0.1:2323, [::1]:2323
//     }
//     return count < 0 ? count : 0;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_RESOLVE_H
#define WEIR_RESOLVE_H

#include "weir/address.h"
#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weir_family {
  WEIR_ANY_FAMILY = 0,
  WEIR_IPV4,
  WEIR_IPV6,
} weir_family;

// A weir_resolver answers in place of the system: from a table, from a cache, by a library for DNS.
// |resolve| runs in the coroutine that asks, may suspend, and is cancelled or meets its deadline
// like anything else there. It gets names only, no numeric addresses, nor those of "localhost". It
// writes the addresses of |family| that |host| has, the best first, |capacity| of them at most,
// and returns their number or a negative code; for none WEIR_E_NAME_NOT_FOUND. Ports do not matter.
// |host| lives as long as the call.
typedef struct weir_resolver {
  int (*resolve)(void *context, weir_address *out, size_t capacity, const char *host,
                 weir_family family);
  void *context;
} weir_resolver;

// Options of resolving. All zero is the default.
typedef struct weir_resolve_options {
  weir_family family;             // the addresses wanted; default both kinds
  const weir_resolver *resolver;  // who answers; default the system, by getaddrinfo(3)
} weir_resolve_options;

// weir_resolve finds the addresses of |host|, writes |capacity| of them at most into |out|, each
// with |port|, in the order in which they should be tried (RFC 6724), and returns how many. The
// others are left out. |options| may be NULL.
//
// Without asking anybody, and without suspending, it knows numeric addresses, as weir_address_parse
// takes them; "localhost" and all names that end in ".localhost", which are 127.0.0.1, then ::1
// (RFC 6761, 6.3); and that nothing is called ".invalid" (6.4). The rest are names of letters,
// digits, '-', '_' and dots, 253 characters at most, 63 in a label; others in their ASCII form
// (RFC 5890). RFC 1123 knows no '_', and no '-' at the ends of a label, but the DNS has them. What
// only looks like an IPv4 address, such as "127.1", "0x7f.0.0.1" or "1.2.3.256", is refused and not
// looked up.
//
// Otherwise it suspends while the system's resolver works on a thread of the pool
// (weir/blocking.h). Cancellation and deadlines end the wait at once; the thread goes on until the
// system answers, which nobody waits for then, but the close of the selector.
//
// Returns a count of 1 or more; WEIR_E_NAME_NOT_FOUND when there is no such host, or when it has
// none of the addresses wanted; WEIR_E_NAME_TRY_AGAIN; WEIR_E_NAME_FAILED; -EINVAL when |host| is
// NULL or neither a name nor an address, for a |capacity| of 0, for an unknown family, or outside a
// coroutine; -ECANCELED; -ETIMEDOUT; -ENODEV and what else weir_address_parse says of an interface;
// -EAGAIN without a thread; -ENOMEM; or what else the resolver reports, such as -EMFILE.
WEIR_MUST_USE int weir_resolve(weir_address *out, size_t capacity,
                               const weir_resolve_options *options, const char *host,
                               uint16_t port);

// weir_resolve_service makes *out the port of |service|, a number or a name in services(5), over
// |protocol|, "tcp" or "udp". Suspends for a name, as weir_resolve. Returns 0;
// WEIR_E_SERVICE_NOT_FOUND; -EINVAL for NULLs, a |service| without a letter that is no number of 0
// to 65535, one of more than 63 characters, or another |protocol|; or as weir_resolve.
WEIR_MUST_USE int weir_resolve_service(uint16_t *out, const char *service, const char *protocol);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_RESOLVE_H
