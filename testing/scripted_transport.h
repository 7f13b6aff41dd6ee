// SPDX-License-Identifier: Apache-2.0
//
// A transport that does what a test says, byte for byte, and writes down what the channels do with
// it.

#ifndef WEIR_TESTING_SCRIPTED_TRANSPORT_H
#define WEIR_TESTING_SCRIPTED_TRANSPORT_H

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "channel/internal/connection.h"

namespace weir_testing {

class ScriptedTransport {
 public:
  static constexpr size_t kUnlimited = static_cast<size_t>(-1);

  // Makes a connection, which the test closes with weir_connection_close. The script outlives it.
  // On failure (no memory) connection() is NULL.
  ScriptedTransport();
  ~ScriptedTransport();
  ScriptedTransport(const ScriptedTransport &) = delete;
  ScriptedTransport &operator=(const ScriptedTransport &) = delete;

  weir_connection *connection() const { return connection_; }
  weir_read_channel *reader() const { return weir_open_read_channel(connection_); }
  weir_write_channel *writer(bool auto_flush = false) const {
    return weir_open_write_channel(connection_, auto_flush);
  }

  // What the peer sends: each piece comes out of one read, unless the reader has less room.
  void Feed(std::string bytes);
  // A readiness behind which there is nothing.
  void FeedNothing();
  void FeedEnd();
  void FeedFailure(int code);

  // What the peer takes: |room| bytes until it says -EAGAIN; each write |most| bytes at most.
  void SetRoom(size_t room);
  void AddRoom(size_t more);
  void LimitWrites(size_t most) { write_limit_ = most; }
  // Every write fails with |code|; 0 ends that.
  void FailWrites(int code);
  // The next |watch_write| or |finish_write| fails.
  void FailWatch(int code) { watch_failure_ = code; }
  void FailFinish(int code) { finish_failure_ = code; }
  // What happens inside the transport's |abort|.
  void OnAbort(std::function<void()> body) { on_abort_ = std::move(body); }
  // The transport's |linger| ends at once, by default, or when EndLinger is called.
  void LetLinger() { lingers_ = true; }
  void EndLinger() { weir_internal_connection_lingered(connection_); }

  // What happened: what each write took, in order, and all of it together.
  const std::vector<std::string> &writes() const { return writes_; }
  std::string sent() const;
  void ForgetWrites() { writes_.clear(); }
  // Reads and writes that were tried, in vain or not, and how many buffers the last write had.
  int reads_tried() const { return reads_tried_; }
  int writes_tried() const { return writes_tried_; }
  int last_write_buffers() const { return last_write_buffers_; }
  // Sizes of what was lent last.
  const std::vector<size_t> &lent() const { return lent_; }
  const char *lent_at() const { return lent_at_; }
  bool watched() const { return watcher_ != nullptr; }
  int finished() const { return finished_; }
  int aborted() const { return aborted_; }
  int lingered() const { return lingered_; }
  bool released() const { return connection_ == nullptr; }

 private:
  struct Piece {
    std::string bytes;
    int code = 1;  // 1: bytes; -EAGAIN: nothing; 0: the end; otherwise a failure
  };
  struct Connection;
  struct Operations;

  void Add(Piece piece);
  void TellWriter();
  int Read(weir_internal_lender *lender, bool wait);
  int Lend(weir_internal_lender *lender, struct iovec *buffers);
  int Write(const struct iovec *buffers, int count, bool wait);
  int TakeFrom(const struct iovec *buffers, int count, size_t most);

  weir_connection *connection_ = nullptr;
  std::deque<Piece> pieces_;
  size_t room_ = kUnlimited;
  size_t write_limit_ = kUnlimited;
  int write_failure_ = 0;
  int watch_failure_ = 0;
  int finish_failure_ = 0;
  bool lingers_ = false;
  std::function<void()> on_abort_;
  weir_internal_wait_queue reader_queue_;
  weir_internal_wait_queue writer_queue_;
  weir_internal_watcher *watcher_ = nullptr;
  std::vector<std::string> writes_;
  std::vector<size_t> lent_;
  const char *lent_at_ = nullptr;
  int reads_tried_ = 0;
  int writes_tried_ = 0;
  int last_write_buffers_ = 0;
  int finished_ = 0;
  int aborted_ = 0;
  int lingered_ = 0;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_SCRIPTED_TRANSPORT_H
