// SPDX-License-Identifier: Apache-2.0
//
// Reads as values, each beside what the model says of it, so that a test can try them all.

#ifndef WEIR_TESTING_READ_OPERATIONS_H
#define WEIR_TESTING_READ_OPERATIONS_H

#include <functional>
#include <string>
#include <utility>

#include "testing/reader_model.h"
#include "weir/read_channel.h"

namespace weir_testing {

struct ReadOperation {
  std::string name;
  // Reads once. |so_far| is what earlier tries gave, which a deadline or the like has ended: they
  // returned its code, and their bytes count as read. Returns what all tries gave together.
  std::function<ReadOutcome(weir_read_channel *, const ReadOutcome &so_far)> read;
  std::function<ReadOutcome(ReaderModel &)> expect;
};

// A copy of |bytes|.
inline std::string TextOf(weir_bytes bytes) {
  return bytes.size > 0 ? std::string(bytes.data, bytes.size) : "";
}

// A read that stores a span.
template <typename Read>
ReadOutcome ReadSpan(Read read) {
  weir_bytes bytes = weir_text("not touched");
  ReadOutcome outcome = {read(&bytes)};
  outcome.text = TextOf(bytes);
  return outcome;
}

// A read that appends to a buffer.
template <typename Read>
ReadOutcome ReadAppending(const ReadOutcome &so_far, Read read) {
  weir_buffer buffer = {};
  ReadOutcome outcome = {read(&buffer)};
  outcome.text = so_far.text + TextOf(weir_buffer_bytes(&buffer));
  weir_buffer_release(&buffer);
  return outcome;
}

// Each of the following is the operation of the function that its name tells, with all that it
// takes besides the channel and the outputs.

inline ReadOperation ExactlyOperation(size_t size) {
  return {"exactly " + std::to_string(size),
          [size](weir_read_channel *reader, const ReadOutcome &) {
            std::string out(size, '?');
            ReadOutcome outcome = {weir_read_exactly(reader, out.data(), size)};
            if (outcome.result == 0) outcome.text = out;
            return outcome;
          },
          [size](ReaderModel &model) { return model.Exactly(size); }};
}

inline ReadOperation PacketOperation(size_t size) {
  return {"packet " + std::to_string(size),
          [size](weir_read_channel *reader, const ReadOutcome &) {
            return ReadSpan([&](weir_bytes *out) { return weir_read_packet(reader, size, out); });
          },
          [size](ReaderModel &model) { return model.Exactly(size); }};
}

inline ReadOperation PeekOperation(size_t size) {
  return {"peek " + std::to_string(size),
          [size](weir_read_channel *reader, const ReadOutcome &) {
            return ReadSpan([&](weir_bytes *out) { return weir_read_peek(reader, size, out); });
          },
          [size](ReaderModel &model) { return model.Peek(size); }};
}

// Takes what it has asked for out of a span that may be larger.
inline ReadOperation SpanAndConsumeOperation(size_t size) {
  return {"span and consume " + std::to_string(size),
          [size](weir_read_channel *reader, const ReadOutcome &) {
            return ReadSpan([&](weir_bytes *out) {
              int result = weir_read_span(reader, size, out);
              if (result < 0) *out = weir_text("");
              if (result < 0) return result;
              if (out->size < size) return -EIO;
              // A line may have left a little more than a span may hold.
              size_t held = weir_read_buffered(reader);
              if (out->size > held) return -EIO;
              if (weir_read_consume(reader, held + 1) != -EINVAL) return -EIO;
              out->size = size;
              return weir_read_consume(reader, size);
            });
          },
          [size](ReaderModel &model) { return model.Exactly(size); }};
}

inline ReadOperation AwaitOperation(size_t size) {
  return {"await " + std::to_string(size),
          [size](weir_read_channel *reader, const ReadOutcome &) {
            return ReadOutcome{weir_read_await(reader, size)};
          },
          [size](ReaderModel &model) { return model.Await(size); }};
}

inline ReadOperation ExhaustedOperation() {
  return {"exhausted",
          [](weir_read_channel *reader, const ReadOutcome &) {
            return ReadOutcome{weir_read_exhausted(reader)};
          },
          [](ReaderModel &model) { return model.Exhausted(); }};
}

inline ReadOperation SkipIfFoundOperation(const std::string &expected) {
  return {"skip if found " + expected,
          [expected](weir_read_channel *reader, const ReadOutcome &) {
            weir_bytes bytes = weir_bytes_of(expected.data(), expected.size());
            return ReadOutcome{weir_read_skip_if_found(reader, bytes)};
          },
          [expected](ReaderModel &model) { return model.SkipIfFound(expected); }};
}

inline ReadOperation DiscardOperation(size_t size, bool exactly) {
  return {(exactly ? "discard exactly " : "discard ") + std::to_string(size),
          [size, exactly](weir_read_channel *reader, const ReadOutcome &so_far) {
            auto *discard = exactly ? weir_read_discard_exactly : weir_read_discard;
            uint64_t done = 12345;
            ReadOutcome outcome = {discard(reader, size - so_far.count, &done)};
            outcome.count = so_far.count + done;
            return outcome;
          },
          [size, exactly](ReaderModel &model) { return model.Discard(size, exactly); }};
}

inline ReadOperation RemainingOperation(size_t limit) {
  return {"remaining " + std::to_string(limit),
          [limit](weir_read_channel *reader, const ReadOutcome &so_far) {
            return ReadAppending(so_far, [&](weir_buffer *out) {
              return weir_read_remaining(reader, out, limit - so_far.text.size());
            });
          },
          [limit](ReaderModel &model) { return model.Remaining(limit); }};
}

// What the names of the two below say.
inline std::string NameOf(const std::string &delimiter, const weir_read_until_options &options) {
  return delimiter + " limit " + std::to_string(options.limit) + (options.keep ? " keep" : "") +
         (options.allow_missing ? " allow missing" : "");
}

inline ReadOperation UntilOperation(const std::string &delimiter, weir_read_until_options options) {
  return {"until " + NameOf(delimiter, options),
          [=](weir_read_channel *reader, const ReadOutcome &) {
            return ReadSpan([&](weir_bytes *out) {
              weir_bytes bytes = weir_bytes_of(delimiter.data(), delimiter.size());
              return weir_read_until(reader, bytes, &options, out);
            });
          },
          [=](ReaderModel &model) { return model.Until(delimiter, options); }};
}

// When a try is repeated, |options.limit| must be large: it then counts what is left.
inline ReadOperation AppendUntilOperation(const std::string &delimiter,
                                          weir_read_until_options options) {
  return {"append until " + NameOf(delimiter, options),
          [=](weir_read_channel *reader, const ReadOutcome &so_far) {
            ReadOutcome outcome = ReadAppending(so_far, [&](weir_buffer *out) {
              weir_bytes bytes = weir_bytes_of(delimiter.data(), delimiter.size());
              return weir_append_until(reader, bytes, &options, out);
            });
            // An earlier try has got all there was.
            bool got_some = options.allow_missing && !so_far.text.empty();
            if (got_some && outcome.result == WEIR_E_END_OF_STREAM) outcome.result = 0;
            return outcome;
          },
          [=](ReaderModel &model) { return model.AppendUntil(delimiter, options); }};
}

inline ReadOperation LineOperation(const std::string &name,
                                   int (*line)(weir_read_channel *, weir_bytes *), bool strict) {
  return {name,
          [line](weir_read_channel *reader, const ReadOutcome &) {
            return ReadSpan([&](weir_bytes *out) { return line(reader, out); });
          },
          [strict](ReaderModel &model) { return model.Line(strict); }};
}

inline ReadOperation AppendLineOperation(const std::string &name,
                                         int (*line)(weir_read_channel *, weir_buffer *)) {
  return {name,
          [line](weir_read_channel *reader, const ReadOutcome &so_far) {
            return ReadAppending(so_far, [&](weir_buffer *out) { return line(reader, out); });
          },
          [](ReaderModel &model) { return model.Line(false); }};
}

}  // namespace weir_testing

#endif  // WEIR_TESTING_READ_OPERATIONS_H
