// SPDX-License-Identifier: Apache-2.0
//
// weir/base.h: what every other module speaks: error codes, byte spans and the allocator.
//
// Every fallible function of Weir returns an int: zero or a count on success, a negative code on
// failure. Where the kernel has a code for a failure we return it negated (-ECONNREFUSED); where it
// has none we return one of the WEIR_E_ codes below, which lie outside the kernel's range. Two
// codes recur everywhere: -ECANCELED (the coroutine was cancelled) and -ETIMEDOUT (its deadline
// passed).
//
// Example:
//   weir_bytes greeting = weir_text("hello");
//   printf("%.*s has %zu bytes\n", (int)greeting.size, greeting.data, greeting.size);
//   printf("%s: %s\n", weir_error_name(-ECONNREFUSED), weir_error_message(-ECONNREFUSED));

#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// WEIR_MUST_USE marks results that must not be dropped.
#define WEIR_MUST_USE __attribute__((warn_unused_result))

// WEIR_PRINTF_LIKE lets the compiler check the arguments of a formatting function.
#define WEIR_PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

// The failures that the kernel has no code for.
enum weir_error {
  WEIR_E_END_OF_STREAM = -10001,    // nothing more will come; everything was delivered
  WEIR_E_LINE_TOO_LONG = -10002,    // a line is longer than the channel's line limit
  WEIR_E_INVALID_UTF8 = -10003,     // a line is not well-formed UTF-8 (RFC 3629)
  WEIR_E_CLOSED = -10004,           // closed on this side, before or during the operation
  WEIR_E_TLS_TRUNCATED = -10005,    // the peer's stream ended without close_notify (RFC 8446, 6.1)
  WEIR_E_TLS_CERTIFICATE = -10006,  // the peer's certificate was refused
  WEIR_E_TLS_PROTOCOL = -10007,     // the peer broke the TLS protocol
  WEIR_E_LINE_UNTERMINATED = -10008,  // the stream ended where a line had to end
  WEIR_E_NAME_NOT_FOUND = -10009,     // no such host, or no address of the family asked for
  WEIR_E_NAME_TRY_AGAIN = -10010,     // no name server answered; one may do so later
  WEIR_E_NAME_FAILED = -10011,        // the name servers cannot tell, now or later
  WEIR_E_SERVICE_NOT_FOUND = -10012,  // no such service (services(5))
  WEIR_E_TLS_ALERT = -10021,          // the peer refused with a fatal alert (RFC 8446, 6.2)
  WEIR_E_TLS_NO_AGREEMENT = -10022,   // no version, cipher suite, group or protocol in common
  WEIR_E_TLS_LIBRARY = -10023,        // BoringSSL failed, which is nobody's fault outside
  WEIR_E_TLS_PEM = -10024,            // not PEM (RFC 7468), or with something else in it
  WEIR_E_TLS_CHAIN = -10025,          // certificates that cannot be read, or are no chain
  WEIR_E_TLS_KEY = -10026,            // a private key that cannot be used with its certificate
  WEIR_E_TLS_NO_ROOTS = -10027,       // nobody is trusted
};

// weir_error_name returns the name of |code| as a C programmer writes it ("ECONNREFUSED",
// "WEIR_E_LINE_TOO_LONG"), "0" for any |code| of zero or more, and "UNKNOWN" for a code that is
// none. The text is static. Never fails.
const char *weir_error_name(int code);

// weir_error_message returns one short sentence for |code|, without a full stop, fit to be shown
// after a colon ("connection refused"). The text is static. Never fails.
const char *weir_error_message(int code);

// A weir_bytes names |size| bytes at |data|, which somebody else owns; each function that returns
// one says for how long. It is not terminated by a NUL, and may contain NULs.
typedef struct weir_bytes {
  const char *data;
  size_t size;
} weir_bytes;

// weir_bytes_of returns a span over |size| bytes at |data|.
static inline weir_bytes weir_bytes_of(const void *data, size_t size) {
  weir_bytes bytes = {(const char *)data, size};
  return bytes;
}

// weir_text returns a span over the characters of the string |text|, without its final NUL.
static inline weir_bytes weir_text(const char *text) { return weir_bytes_of(text, strlen(text)); }

// A weir_allocator provides all memory that Weir uses. |allocate| and |release| handle ordinary
// blocks, aligned for any type; |map| and |unmap| handle whole pages, zeroed, for coroutine stacks
// and long tables. Those that allocate return NULL on failure, which the caller of Weir sees as
// -ENOMEM. |release| and |unmap| are given the size that was asked for, and never NULL. |guard|
// makes mapped pages inaccessible and returns 0, or a negative code when it cannot; |trim| may
// forget what mapped pages contain, to give memory back. These two may be NULL, which is the
// default's. All may be called from any thread.
typedef struct weir_allocator {
  void *context;
  void *(*allocate)(void *context, size_t size);
  void (*release)(void *context, void *memory, size_t size);
  void *(*map)(void *context, size_t size);
  void (*unmap)(void *context, void *pages, size_t size);
  int (*guard)(void *context, void *pages, size_t size);
  void (*trim)(void *context, void *pages, size_t size);
} weir_allocator;

// weir_set_allocator makes |allocator|, which is copied, the source of all memory of the process
// from now on; NULL brings back the default (malloc and mmap). Call it while nothing of Weir
// exists. Returns 0, or -EINVAL if one of the first four functions is missing.
WEIR_MUST_USE int weir_set_allocator(const weir_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_BASE_H
