// SPDX-License-Identifier: Apache-2.0
//
// What scenarios over a pipe have in common: a writer at one end, a reader at the other, and notes
// of what happened in which order.

#ifndef WEIR_TESTING_PIPE_TEST_H
#define WEIR_TESTING_PIPE_TEST_H

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "testing/channel_test.h"
#include "weir/channel.h"

namespace weir_testing {

// Capacities; 0 is the default.
struct PipeSizes {
  size_t pipe = 0;
  size_t writer = 0;
  size_t reader = 0;
};

class PipeTest : public ChannelTest {
 protected:
  // Runs |body| with the two ends of a pipe, and closes them.
  void WithPipe(const PipeSizes &sizes, std::function<void()> body) {
    notes_.clear();
    EXPECT_EQ(0, RunLoop([&] {
                weir_pipe_options options = {sizes.pipe};
                int result = weir_pipe(&near_, &far_, &options);
                if (result < 0) return result;
                Open(sizes);
                body();
                CloseNear();
                weir_connection_close(far_);
                return weir_scope_wait(nullptr);
              }));
  }

  weir_write_channel *writer() const { return writer_; }
  weir_read_channel *reader() const { return reader_; }

  // Turns it on.
  void AutoFlush() { writer_ = weir_open_write_channel(near_, true); }

  // Ends the writer's connection in peace.
  void CloseNear() { weir_connection_close(std::exchange(near_, nullptr)); }

  int Write(const std::string &text) {
    return weir_write_fully(writer_, text.data(), text.size(), nullptr);
  }
  // Writes and flushes.
  int Send(const std::string &text) {
    int result = Write(text);
    return result < 0 ? result : weir_flush(writer_);
  }

  // Reads what is there, up to |size| bytes; a failure reads as its name in brackets.
  std::string Read(size_t size) {
    std::string out(size, '?');
    int result = weir_read_available(reader_, out.data(), size);
    return result < 0 ? Name(result) : out.substr(0, static_cast<size_t>(result));
  }
  // The same, of exactly |size| bytes, which a failure follows. They have to be there, or to come
  // within a second.
  std::string ReadFully(size_t size) {
    std::string out(size, '?');
    size_t done = 0;
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    int result = weir_read_fully(reader_, out.data(), size, &done);
    weir_timeout_end(timeout);
    out.resize(done);
    return result < 0 ? out + Name(result) : out;
  }
  std::string ReadLine() {
    weir_bytes line;
    int result = weir_read_utf8_line(reader_, &line);
    return Text(line) + (result < 0 ? Name(result) : "");
  }

  void Note(std::string what) { notes_.push_back(std::move(what)); }
  const std::vector<std::string> &notes() const { return notes_; }

  static std::string Name(int result) {
    return std::string("<") + (result == 0 ? "0" : weir_error_name(result)) + ">";
  }
  static std::string Pattern(size_t size) {
    std::string pattern(size, '\0');
    for (size_t i = 0; i < size; i++) pattern[i] = static_cast<char>(i % 251);
    return pattern;
  }

 private:
  void Open(const PipeSizes &sizes) {
    writer_ = weir_open_write_channel(near_, false);
    reader_ = weir_open_read_channel(far_);
    weir_write_channel_options write_options = {sizes.writer};
    EXPECT_EQ(0, weir_write_channel_configure(writer_, &write_options));
    weir_read_channel_options read_options = {};
    read_options.capacity = sizes.reader;
    EXPECT_EQ(0, weir_read_channel_configure(reader_, &read_options));
  }

  weir_connection *near_ = nullptr;
  weir_connection *far_ = nullptr;
  weir_write_channel *writer_ = nullptr;
  weir_read_channel *reader_ = nullptr;
  std::vector<std::string> notes_;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_PIPE_TEST_H
