// SPDX-License-Identifier: Apache-2.0
//
// Lines from a connection that reads memory, in pieces as a socket would give them.

#include <errno.h>
#include <string.h>

#include "bench/lines.h"
#include "channel/internal/connection.h"
#include "weir/selector.h"

enum { PIECE = 16 * 1024, LINE_LIMIT = 1024 * 1024 };

typedef struct memory {
  weir_connection shared;  // first
  const char *at;
  size_t left;
  bench_lines found;
} memory;

static size_t smaller(size_t one, size_t other) { return one < other ? one : other; }

static int read_piece(weir_connection *self, weir_internal_lender *lender, bool wait) {
  (void)wait;
  memory *source = (memory *)self;
  if (source->left == 0) return 0;
  struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
  int count = lender->lend(lender, buffers);
  if (count < 0) return count;
  size_t piece = smaller(source->left, PIECE);
  size_t done = 0;
  for (int i = 0; i < count && done < piece; i++) {
    size_t part = smaller(buffers[i].iov_len, piece - done);
    memcpy(buffers[i].iov_base, source->at + done, part);
    done += part;
  }
  source->at += done;
  source->left -= done;
  return (int)done;
}

// Nothing is written.

static int write_nothing(weir_connection *self, const struct iovec *buffers, int count, bool wait) {
  (void)self, (void)buffers, (void)count, (void)wait;
  return -EPIPE;
}

static void interrupt(weir_connection *self, int reason) { (void)self, (void)reason; }

static int watch(weir_connection *self, weir_internal_watcher *watcher) {
  (void)self, (void)watcher;
  return -EPIPE;
}

static int finish(weir_connection *self, bool wait) {
  (void)wait;
  (void)self;
  return 0;
}

static void ignore(weir_connection *self) { (void)self; }

static const weir_internal_transport memory_transport = {
    .read = read_piece,
    .write = write_nothing,
    .interrupt_read = interrupt,
    .interrupt_write = interrupt,
    .watch_write = watch,
    .unwatch_write = ignore,
    .finish_write = finish,
    .linger = weir_internal_connection_lingered,
    .abort = ignore,
    .release = ignore,  // it lies on a stack
};

static int read_all(void *argument) {
  memory *source = (memory *)argument;
  weir_read_channel *input = weir_open_read_channel(&source->shared);
  const weir_read_channel_options options = {.line_limit = LINE_LIMIT};
  int result = weir_read_channel_configure(input, &options);
  if (result < 0) return result;
  weir_bytes line;
  while ((result = weir_read_utf8_line(input, &line)) == 0) {
    source->found.lines++;
    source->found.bytes += line.size;
  }
  int closed = weir_connection_close(&source->shared);
  return result == WEIR_E_END_OF_STREAM ? closed : result;
}

int bench_lines_weir(bench_lines *out, const char *text, size_t size) {
  memory source = {.at = text, .left = size};
  weir_internal_connection_init(&source.shared, &memory_transport);
  int result = weir_run(NULL, read_all, &source);
  *out = source.found;
  return result;
}
