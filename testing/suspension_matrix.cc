// SPDX-License-Identifier: Apache-2.0

#include "testing/suspension_matrix.h"

#include <atomic>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "testing/expect_coroutine.h"
#include "testing/virtual_clock.h"
#include "weir/sync.h"

namespace weir_testing {

namespace {

constexpr int kPending = 1000000;  // as a result: none yet
constexpr int kRootFails = -EIO;

// The world of a point: its selector's options, and a kernel that can refuse to wait.
class World {
 public:
  explicit World(const SuspensionPoint &point) : point_(point) {
    calls_ = is_virtual() ? *clock_.options().system_calls : weir_internal_kernel;
    inner_wait_ = calls_.epoll_wait;
    refuses_ = false;
    calls_.epoll_wait = [](void *context, int epoll, struct epoll_event *events, int count,
                           int64_t timeout) {
      if (refuses_) return -EBADF;
      return inner_wait_(context, epoll, events, count, timeout);
    };
  }

  int Run(Body body) {
    weir_selector_options options = {};
    options.system_calls = &calls_;
    options.loops = point_.loops;
    options.blocking_threads = point_.blocking_threads;
    return RunCoroutine(std::move(body), &options);
  }

  // Lets so much time pass. Where it is virtual, for those who can run as well.
  void Pass(int64_t nanoseconds) {
    if (is_virtual()) {
      clock_.Advance(nanoseconds);
      EXPECT_EQ(0, weir_yield());
    } else {
      EXPECT_EQ(0, weir_delay(nanoseconds));
    }
  }

  // The same, but whoever waits for that time runs after this coroutine, being woken already.
  void PassJustBefore(int64_t nanoseconds) {
    if (is_virtual()) ExpectLaunch([=] { return clock_.Advance(2 * nanoseconds), 0; });
    EXPECT_EQ(0, weir_delay(nanoseconds - 1));
  }

  void Refuse() { refuses_ = true; }

 private:
  bool is_virtual() const { return point_.loops == 1; }

  const SuspensionPoint &point_;
  VirtualClock clock_;
  weir_internal_system_calls calls_;
  static inline std::atomic<bool> refuses_;
  static inline decltype(weir_internal_system_calls::epoll_wait) inner_wait_;
};

// One suspension of |point|, and what came of it.
class Stage {
 public:
  explicit Stage(const SuspensionPoint &point) : point_(point), suspension_(point.make()) {
    EXPECT_EQ(0, weir_scope_open(&scope_, nullptr));
  }
  ~Stage() {
    EXPECT_EQ(0, weir_scope_close(scope_));
    if (suspension_.take_down) suspension_.take_down();
  }
  Stage(const Stage &) = delete;
  Stage &operator=(const Stage &) = delete;

  // Begins the wait, under a deadline, in a coroutine of its own.
  void Launch(int64_t deadline = WEIR_FOREVER) {
    EXPECT_EQ(0, LaunchCoroutine(
                     [this, deadline] {
                       weir_timeout timeout = weir_timeout_begin(deadline);
                       seen_ = suspension_.wait();
                       expired_ = weir_timeout_end(timeout);
                       return 0;
                     },
                     scope_, &job_));
  }

  // The same, and lets it suspend.
  void Start(int64_t deadline = WEIR_FOREVER) {
    Launch(deadline);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(kPending, seen_) << "did not suspend: " << weir_error_name(seen_);
    if (suspension_.settle) suspension_.settle();
  }

  void Cancel() { weir_job_cancel(job_); }

  // Waits until the wait has ended.
  void Join() {
    EXPECT_EQ(0, weir_job_wait(job_, nullptr));
    weir_job_close(job_);
    job_ = nullptr;
  }

  // Waits for one that was interrupted, and expects |code| of it, unless nothing cuts it short.
  void ExpectInterrupted(int code) {
    if (suspension_.finish) {
      EXPECT_EQ(kPending, seen_) << "was cut short: " << weir_error_name(seen_);
      suspension_.finish();
      code = 0;
    }
    Join();
    EXPECT_EQ(code, seen_) << weir_error_name(seen_);
    EXPECT_EQ(code == -ETIMEDOUT, expired_);
    if (suspension_.go_on) suspension_.go_on();
  }

  // Is itself cancelled with all, and expects that of the wait.
  void ExpectEndOfRun() {
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    if (suspension_.finish) suspension_.finish();
    EXPECT_EQ(0, weir_scope_close(scope_));
    weir_job_close(job_);
    scope_ = nullptr;
    int code = suspension_.finish ? 0 : point_.cancelled;
    EXPECT_EQ(code, seen_) << weir_error_name(seen_);
  }

  // Waits for one that two things have ended, and expects the one code or the other.
  void ExpectOneOf(int first, int second) {
    Join();
    EXPECT_TRUE(seen_ == first || seen_ == second) << weir_error_name(seen_);
    EXPECT_TRUE(expired_ || seen_ != -ETIMEDOUT);
    EXPECT_FALSE(expired_ && seen_ >= 0) << "who goes by the bracket throws a success away";
  }

  const Suspension &suspension() const { return suspension_; }
  int seen() const { return seen_; }

 private:
  const SuspensionPoint &point_;
  Suspension suspension_;
  weir_scope *scope_ = nullptr;
  weir_job *job_ = nullptr;
  int seen_ = kPending;
  bool expired_ = false;
};

// Runs |body| on a stage of |point|.
void OnStage(const SuspensionPoint &point, const std::function<void(World &, Stage &)> &body) {
  World world(point);
  EXPECT_EQ(0, world.Run([&] {
    Stage stage(point);
    body(world, stage);
    return 0;
  }));
}

// Runs |body| once for each ending of |point|.
void ForEachEnding(const SuspensionPoint &point,
                   const std::function<void(World &, Stage &, const Ending &)> &body) {
  size_t count = 1;
  for (size_t i = 0; i < count; i++) {
    OnStage(point, [&](World &world, Stage &stage) {
      count = stage.suspension().endings.size();
      EXPECT_EQ(count == 0, !point.no_ending.empty()) << "endings, or why there are none";
      if (i >= count) return;
      const Ending &ending = stage.suspension().endings[i];
      SCOPED_TRACE(ending.name);
      body(world, stage, ending);
    });
  }
}

// Runs |end| beside a stage of |point|, in the coroutine with which the run ends.
void EndTheRun(const SuspensionPoint &point, int expected, const std::function<int(World &)> &end) {
  World world(point);
  EXPECT_EQ(expected, world.Run([&] {
    weir_event *started = nullptr;
    EXPECT_EQ(0, weir_event_create(&started));
    ExpectLaunch([&] {
      Stage stage(point);
      stage.Start();
      weir_event_set(started);
      stage.ExpectEndOfRun();
      return 0;
    });
    EXPECT_EQ(0, weir_event_wait(started));
    weir_event_close(started);
    return end(world);
  }));
}

TEST_P(SuspensionMatrix, Cancel) {
  OnStage(GetParam(), [](World &, Stage &stage) {
    stage.Start();
    stage.Cancel();
    EXPECT_EQ(0, weir_yield());
    stage.ExpectInterrupted(GetParam().cancelled);
  });
}

TEST_P(SuspensionMatrix, Deadline) {
  OnStage(GetParam(), [](World &world, Stage &stage) {
    stage.Start(5 * WEIR_MILLISECOND);
    world.Pass(5 * WEIR_MILLISECOND);
    stage.ExpectInterrupted(GetParam().expired);
  });
}

TEST_P(SuspensionMatrix, CancelledBefore) {
  OnStage(GetParam(), [](World &, Stage &stage) {
    if (stage.suspension().finish) return;
    stage.Launch();
    stage.Cancel();
    stage.ExpectInterrupted(GetParam().cancelled);
  });
}

TEST_P(SuspensionMatrix, DeadlinePassedBefore) {
  OnStage(GetParam(), [](World &, Stage &stage) {
    if (stage.suspension().finish) return;
    stage.Launch(0);
    stage.ExpectInterrupted(GetParam().expired);
  });
}

TEST_P(SuspensionMatrix, EndOfWhatIsAwaited) {
  ForEachEnding(GetParam(), [](World &, Stage &stage, const Ending &ending) {
    stage.Start();
    ending.act();
    stage.Join();
    EXPECT_EQ(ending.result, stage.seen()) << weir_error_name(stage.seen());
  });
}

// Both at once: one of the two is told, and nothing is used that is gone.
TEST_P(SuspensionMatrix, CancelAndEndInTheSameTurn) {
  for (bool cancel_first : {true, false}) {
    ForEachEnding(GetParam(), [cancel_first](World &, Stage &stage, const Ending &ending) {
      stage.Start();
      if (cancel_first) stage.Cancel();
      ending.act();
      if (!cancel_first) stage.Cancel();
      stage.ExpectOneOf(GetParam().cancelled, ending.result);
    });
  }
}

TEST_P(SuspensionMatrix, DeadlineAndEndInTheSameTurn) {
  ForEachEnding(GetParam(), [](World &world, Stage &stage, const Ending &ending) {
    stage.Start(5 * WEIR_MILLISECOND);
    world.PassJustBefore(5 * WEIR_MILLISECOND);
    ending.act();
    stage.ExpectOneOf(GetParam().expired, ending.result);
  });
}

// A selector that runs is not closed. Its run ends with its first coroutine, and then it is.
TEST_P(SuspensionMatrix, CloseOfTheSelector) {
  EndTheRun(GetParam(), kRootFails, [](World &) {
    EXPECT_EQ(-EBUSY, weir_selector_close(weir_current_selector()));
    EXPECT_EQ(0, weir_yield());
    return kRootFails;
  });
}

TEST_P(SuspensionMatrix, AKernelThatRefusesToWait) {
  EndTheRun(GetParam(), -EBADF, [](World &world) {
    world.Refuse();
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    EXPECT_EQ(-EBADF, weir_cancellation_cause());
    return 0;
  });
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SuspensionMatrix);

// The headers

std::string ReadText(const std::string &path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What |header| declares, each with the comment of its own, or without.
std::map<std::string, std::string> DeclaredIn(const std::string &header) {
  std::map<std::string, std::string> declared;
  std::map<std::string, std::string> comments;
  std::istringstream lines(ReadText(header));
  std::string line, about;
  const std::regex subject("^// (weir_[a-z0-9_]+) .*");
  const std::regex declaration("\\b(weir_[a-z0-9_]+)\\(");
  while (std::getline(lines, line)) {
    std::smatch match;
    if (std::regex_match(line, match, subject)) about = match[1];
    if (line.rfind("//", 0) == 0) {
      comments[about] += line.substr(2);
      continue;
    }
    about.clear();
    std::string code = line.substr(0, line.find("//"));
    for (std::sregex_iterator each(code.begin(), code.end(), declaration), end; each != end; ++each)
      declared[(*each)[1]] = "";
  }
  for (auto &[name, comment] : declared) comment = comments[name];
  return declared;
}

}  // namespace

void ExpectComplete(const std::vector<std::string> &headers,
                    const std::vector<SuspensionPoint> &points,
                    const std::set<std::string> &not_suspending) {
  std::set<std::string> suspending;
  for (const SuspensionPoint &point : points) suspending.insert(point.function);
  std::set<std::string> all;
  for (const std::string &header : headers) {
    auto declared = DeclaredIn(header);
    EXPECT_FALSE(declared.empty()) << header;
    for (const auto &[name, comment] : declared) {
      all.insert(name);
      EXPECT_EQ(suspending.count(name), 1 - not_suspending.count(name))
          << name << " of " << header << " is in the table, or among those that do not suspend";
      bool says_not = comment.find("Does not suspend") != std::string::npos;
      bool says_so = comment.find("uspends until") != std::string::npos;
      EXPECT_FALSE(says_not && suspending.count(name) > 0) << name << ":" << comment;
      EXPECT_FALSE(says_so && suspending.count(name) == 0) << name << ":" << comment;
    }
  }
  for (const std::set<std::string> &names : {suspending, not_suspending}) {
    for (const std::string &name : names) {
      EXPECT_EQ(1u, all.count(name)) << name << " is in no header";
    }
  }
}

}  // namespace weir_testing
