// SPDX-License-Identifier: Apache-2.0

#include "testing/scripted_transport.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/internal/memory.h"

namespace weir_testing {

struct ScriptedTransport::Connection {
  weir_connection shared;  // first
  ScriptedTransport *script;
};

struct ScriptedTransport::Operations {
  static ScriptedTransport &Of(weir_connection *self) {
    return *reinterpret_cast<Connection *>(self)->script;
  }
  static int Read(weir_connection *self, weir_internal_lender *lender, bool wait) {
    return Of(self).Read(lender, wait);
  }
  static int Write(weir_connection *self, const struct iovec *buffers, int count, bool wait) {
    return Of(self).Write(buffers, count, wait);
  }
  static void InterruptRead(weir_connection *self, int reason) {
    weir_internal_wait_queue_wake_all(&Of(self).reader_queue_, reason);
  }
  static void InterruptWrite(weir_connection *self, int reason) {
    weir_internal_wait_queue_wake_all(&Of(self).writer_queue_, reason);
  }
  static int WatchWrite(weir_connection *self, weir_internal_watcher *watcher) {
    int failure = std::exchange(Of(self).watch_failure_, 0);
    if (failure < 0) return failure;
    if (Of(self).watcher_ != nullptr) std::abort();  // one at a time
    Of(self).watcher_ = watcher;
    return 0;
  }
  static void UnwatchWrite(weir_connection *self) { Of(self).watcher_ = nullptr; }
  static int FinishWrite(weir_connection *self, bool /*wait*/) {
    Of(self).finished_++;
    return std::exchange(Of(self).finish_failure_, 0);
  }
  static void Linger(weir_connection *self) {
    Of(self).lingered_++;
    if (!Of(self).lingers_) weir_internal_connection_lingered(self);
  }
  static void Abort(weir_connection *self) {
    Of(self).aborted_++;
    if (Of(self).on_abort_) Of(self).on_abort_();
  }
  static void Release(weir_connection *self) {
    auto *connection = reinterpret_cast<Connection *>(self);
    if (connection->script->watcher_ != nullptr) std::abort();
    connection->script->connection_ = nullptr;
    weir_internal_release(connection, sizeof *connection);
  }

  static constexpr weir_internal_transport kTransport = {
      Read,   Write, nullptr, InterruptRead, InterruptWrite, WatchWrite, UnwatchWrite, FinishWrite,
      Linger, Abort, nullptr, nullptr,       nullptr,        nullptr,    nullptr,      Release,
  };
};

ScriptedTransport::ScriptedTransport() {
  weir_internal_wait_queue_init(&reader_queue_);
  weir_internal_wait_queue_init(&writer_queue_);
  auto *connection = static_cast<Connection *>(weir_internal_allocate(sizeof(Connection)));
  if (connection == nullptr) return;
  connection->script = this;
  weir_internal_connection_init(&connection->shared, &Operations::kTransport);
  connection->shared.local_address = "script";
  connection->shared.remote_address = "peer";
  connection_ = &connection->shared;
}

ScriptedTransport::~ScriptedTransport() {
  // A test that leaves its connection open has failed to test the close.
  if (connection_ != nullptr) std::abort();
}

void ScriptedTransport::Add(Piece piece) {
  pieces_.push_back(std::move(piece));
  weir_internal_wait_queue_wake_all(&reader_queue_, 0);
}

void ScriptedTransport::Feed(std::string bytes) {
  if (!bytes.empty()) Add({std::move(bytes), 1});
}

void ScriptedTransport::FeedNothing() { Add({"", -EAGAIN}); }
void ScriptedTransport::FeedEnd() { Add({"", 0}); }
void ScriptedTransport::FeedFailure(int code) { Add({"", code}); }

void ScriptedTransport::TellWriter() {
  weir_internal_wait_queue_wake_all(&writer_queue_, 0);
  weir_internal_watcher *watcher = std::exchange(watcher_, nullptr);
  if (watcher != nullptr) watcher->ready(watcher);
}

void ScriptedTransport::SetRoom(size_t room) {
  room_ = room;
  if (room > 0) TellWriter();
}

void ScriptedTransport::AddRoom(size_t more) { SetRoom(room_ + more); }

void ScriptedTransport::FailWrites(int code) {
  write_failure_ = code;
  if (code < 0) TellWriter();
}

std::string ScriptedTransport::sent() const {
  std::string all;
  for (const std::string &write : writes_) all += write;
  return all;
}

int ScriptedTransport::Lend(weir_internal_lender *lender, struct iovec *buffers) {
  int count = lender->lend(lender, buffers);
  if (count < 0) return count;
  lent_.clear();
  for (int i = 0; i < count; i++) lent_.push_back(buffers[i].iov_len);
  lent_at_ = static_cast<const char *>(buffers[0].iov_base);
  return count;
}

int ScriptedTransport::Read(weir_internal_lender *lender, bool wait) {
  for (;;) {
    reads_tried_++;
    if (pieces_.empty()) {
      if (!wait) return -EAGAIN;
      int result = weir_internal_wait_queue_wait_for(&reader_queue_, WEIR_FOREVER, "read");
      if (result < 0) return result;
      continue;
    }
    Piece &piece = pieces_.front();
    if (piece.code == 0) return 0;  // and again at each call
    struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
    int count = Lend(lender, buffers);
    if (count < 0) return count;
    if (piece.code == 1) {
      size_t done = 0;
      for (int i = 0; i < count && done < piece.bytes.size(); i++) {
        size_t part = std::min(buffers[i].iov_len, piece.bytes.size() - done);
        memcpy(buffers[i].iov_base, piece.bytes.data() + done, part);
        done += part;
      }
      piece.bytes.erase(0, done);
      if (piece.bytes.empty()) pieces_.pop_front();
      return static_cast<int>(done);
    }
    int code = piece.code;
    pieces_.pop_front();
    if (code != -EAGAIN) return code;
    lender->take_back(lender);
  }
}

int ScriptedTransport::TakeFrom(const struct iovec *buffers, int count, size_t most) {
  std::string taken;
  for (int i = 0; i < count && taken.size() < most; i++) {
    size_t part = std::min(buffers[i].iov_len, most - taken.size());
    taken.append(static_cast<const char *>(buffers[i].iov_base), part);
  }
  if (room_ != kUnlimited) room_ -= taken.size();
  writes_.push_back(taken);
  return static_cast<int>(taken.size());
}

int ScriptedTransport::Write(const struct iovec *buffers, int count, bool wait) {
  if (count < 1 || count > WEIR_INTERNAL_WRITE_BUFFERS) std::abort();
  for (int i = 0; i < count; i++) {
    if (buffers[i].iov_len == 0) std::abort();
  }
  for (;;) {
    writes_tried_++;
    last_write_buffers_ = count;
    if (write_failure_ < 0) return write_failure_;
    if (room_ > 0) return TakeFrom(buffers, count, std::min(room_, write_limit_));
    if (!wait) return -EAGAIN;
    if (watcher_ != nullptr) std::abort();  // none while a write is suspended
    int result = weir_internal_wait_queue_wait_for(&writer_queue_, WEIR_FOREVER, "write");
    if (result < 0) return result;
  }
}

}  // namespace weir_testing
