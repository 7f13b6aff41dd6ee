// SPDX-License-Identifier: Apache-2.0
//
// Copies for the matrix of suspensions.

#include <memory>

#include "testing/channel_suspensions.h"
#include "testing/expect_coroutine.h"

namespace weir_testing {

namespace {

// A source, and two targets, of which most copies use one.
struct Lines {
  explicit Lines(const MakeCarrier &make) : source(make), target(make), other(make) {}
  Line source, target, other;
  std::string before;  // written to the target first
};

using Call = std::function<int(const Lines &)>;

struct Copy {
  std::string function;
  Call call;
  bool ends = false;   // both streams, also on failure
  int at_the_end = 0;  // what it returns when the source has ended
};

std::vector<Copy> Copies() {
  return {
      {"weir_copy",
       [](const Lines &lines) {
         return weir_copy(lines.source.input(), lines.target.output(), nullptr, nullptr);
       }},
      {"weir_copy_at_most",
       [](const Lines &lines) {
         return weir_copy_at_most(lines.source.input(), lines.target.output(), 100, nullptr,
                                  nullptr);
       }},
      {"weir_copy_exactly",
       [](const Lines &lines) {
         return weir_copy_exactly(lines.source.input(), lines.target.output(), 100, nullptr,
                                  nullptr);
       },
       false, WEIR_E_END_OF_STREAM},
      {"weir_copy_until",
       [](const Lines &lines) {
         return weir_copy_until(lines.source.input(), weir_text("\n"), nullptr,
                                lines.target.output(), nullptr);
       }},
      {"weir_copy_and_close",
       [](const Lines &lines) {
         return weir_copy_and_close(lines.source.input(), lines.target.output(), nullptr, nullptr);
       },
       true},
      {"weir_tee",
       [](const Lines &lines) {
         return weir_tee(lines.source.input(), lines.other.output(), lines.target.output(),
                         nullptr);
       },
       true},
  };
}

// After an interruption: what was not copied is copied by the next call.
void ExpectNothingLost(const Copy &copy, Lines *lines) {
  lines->target.ReceiveInBackground();
  lines->source.Send("tial\n");
  lines->source.EndSending();
  EXPECT_EQ(copy.at_the_end, copy.call(*lines));
  EXPECT_EQ(0, weir_write_channel_close(lines->target.output()));
  const std::string newline = copy.function == "weir_copy_until" ? "" : "\n";
  EXPECT_TRUE(lines->before + "partial" + newline == lines->target.AwaitReceived());
}

// After an interruption: nobody takes what was copied for complete, nor writes in vain.
void ExpectBothCancelled(Lines *lines, int code) {
  EXPECT_EQ(code, weir_read_channel_cause(lines->source.input()));
  EXPECT_EQ(code, weir_write_channel_cause(lines->target.output()));
  const std::string all = lines->before + "partial\n";
  EXPECT_FALSE(all == lines->target.ReceiveAll());
}

Suspension Suspend(const Copy &copy, bool writing, const MakeCarrier &make) {
  auto lines = std::make_shared<std::unique_ptr<Lines>>(std::make_unique<Lines>(make));
  if (writing) (*lines)->before = (*lines)->target.FillUp();
  (*lines)->source.Send("par");
  auto result = std::make_shared<int>(0);
  Suspension suspension;
  suspension.wait = [=] { return *result = copy.call(**lines); };
  if (copy.ends) {
    suspension.go_on = [=] { ExpectBothCancelled(lines->get(), *result); };
  } else {
    suspension.go_on = [=] { ExpectNothingLost(copy, lines->get()); };
  }
  auto source = [=] { return &(*lines)->source; };
  auto target = [=] { return &(*lines)->target; };
  suspension.endings = {
      {"close of the source", [=] { source()->CloseNear(); }, WEIR_E_CLOSED},
      {"abort of the source", [=] { source()->AbortNear(); }, -ECONNABORTED},
      {"cancel of the source", [=] { weir_read_channel_cancel(source()->input(), -EPROTO); },
       -EPROTO},
      {"close of the target", [=] { target()->CloseNear(); }, WEIR_E_CLOSED},
      {"abort of the target", [=] { target()->AbortNear(); }, -ECONNABORTED},
      {"cancel of the target", [=] { weir_write_channel_cancel(target()->output(), -EPROTO); },
       -EPROTO},
  };
  suspension.take_down = [=] { lines->reset(); };
  return suspension;
}

}  // namespace

std::vector<SuspensionPoint> CopyPoints(const MakeCarrier &make) {
  std::vector<SuspensionPoint> points;
  for (const Copy &copy : Copies()) {
    points.push_back({copy.function, "reading", [=] { return Suspend(copy, false, make); }, ""});
    points.push_back({copy.function, "writing", [=] { return Suspend(copy, true, make); }, ""});
  }
  return points;
}

}  // namespace weir_testing
