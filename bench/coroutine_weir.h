// SPDX-License-Identifier: Apache-2.0

#ifndef WEIR_BENCH_COROUTINE_WEIR_H
#define WEIR_BENCH_COROUTINE_WEIR_H

#include "bench/coroutine_work.h"

// How coroutines meet: a unit is one hop, from one coroutine to another.

bench_function bench_pipe;     // a byte through a pipe and back
bench_function bench_channel;  // a pointer through typed channels that hold none
bench_function bench_loops;    // the same between the first two loops

// Without a second coroutine: a lock and its unlock; a call on a thread of the pool.
bench_function bench_mutex;
bench_function bench_blocking;

#endif  // WEIR_BENCH_COROUTINE_WEIR_H
