// SPDX-License-Identifier: Apache-2.0
//
// What the two programs of bench/tls.py have in common. Both do the same work, client and server in
// one thread, without a socket but for "bulk-tcp": one by Weir over weir_pipe, one by BoringSSL
// alone over a ring.
//
// The works: "p256", "rsa-2048", full handshakes in TLS 1.3; "resumed", the same from a session;
// each with one byte from the server, which brings the tickets if there are any, and close_notify
// from both sides; "bulk", mebibytes in records of 16 KiB from the client to the server;
// "bulk-tcp", the same over a socket; "memory", bytes for a client and a server that are idle,
// after a handshake ("taken" is no time then).

#ifndef WEIR_BENCH_TLS_WORK_H
#define WEIR_BENCH_TLS_WORK_H

#include <malloc.h>
#include <stdbool.h>

#include "bench/coroutine_work.h"

#define BENCH_TLS_NAME "bench.test"
enum { BENCH_TLS_RECORD = 16 * 1024, BENCH_TLS_RECORDS_A_MEBIBYTE = 64 };

// PEM.
typedef struct bench_identity {
  const char *root;
  const char *chain;
  const char *key;
} bench_identity;

extern const bench_identity bench_p256;
extern const bench_identity bench_rsa;

// Bytes of malloc in use.
static inline int64_t bench_memory(void) {
  struct mallinfo2 info = mallinfo2();
  return (int64_t)(info.uordblks + info.hblkhd);
}

#endif  // WEIR_BENCH_TLS_WORK_H
