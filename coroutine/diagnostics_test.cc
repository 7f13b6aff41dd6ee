// SPDX-License-Identifier: Apache-2.0
//
// Dumps and the report of a stack overflow.

#include "weir/diagnostics.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "coroutine/internal/sanitizers.h"
#include "coroutine/internal/suspend.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/virtual_clock.h"
#include "weir/sync.h"

namespace {

using weir_testing::Body;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;

struct Description {
  std::string name, scope, waits_for, module;
  int64_t since;
  uint64_t offset;
  size_t stack_size, stack_used;
  bool cancelled;
};

std::vector<Description> Dump() {
  std::vector<Description> found;
  auto remember = [](void *argument, const weir_coroutine_description *one) {
    static_cast<std::vector<Description> *>(argument)->push_back(
        {one->name, one->scope, one->waits_for, one->launch_module, one->since, one->launch_offset,
         one->stack_size, one->stack_used, one->cancelled});
  };
  EXPECT_EQ(static_cast<int>(found.size()), 0);
  int count = weir_dump(remember, &found);
  EXPECT_EQ(count, static_cast<int>(found.size()));
  return found;
}

int CallBody(void *argument) { return (*static_cast<Body *>(argument))(); }

class Diagnostics : public weir_testing::LeakCheckedTest {
 protected:
  static int LaunchNamed(const char *name, Body *body, weir_scope *scope = nullptr,
                         size_t stack_size = 0) {
    weir_launch_options options = {};
    options.name = name;
    options.stack_size = stack_size;
    return weir_launch(scope, nullptr, &options, CallBody, body);
  }

  weir_testing::VirtualClock clock_;
};

TEST_F(Diagnostics, OutsideACoroutineThereIsNothingToDump) {
  auto print = [](void *, const weir_coroutine_description *) {};
  EXPECT_EQ(-EINVAL, weir_dump(print, nullptr));
  EXPECT_EQ(-EINVAL, weir_install_dump(SIGUSR1, 2));
  ExpectRun([] {
    EXPECT_EQ(-EINVAL, weir_dump(nullptr, nullptr));
    return 0;
  });
}

TEST_F(Diagnostics, TellsTheNamesAndTheWaits) {
  ExpectRun(clock_.options(), [] {
    weir_scope *scope = nullptr;
    weir_scope_options options = {};
    options.name = "workers";
    EXPECT_EQ(0, weir_scope_open(&scope, &options));
    Body delay = [] { return weir_delay(WEIR_FOREVER); };
    Body waits = [&] {
      EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, CallBody, &delay));
      return weir_scope_wait(nullptr);
    };
    Body yields = [] { return weir_yield(); };
    EXPECT_EQ(0, LaunchNamed("sleeper", &delay, scope));
    EXPECT_EQ(0, LaunchNamed("parent", &waits));
    EXPECT_EQ(0, weir_delay(3 * WEIR_SECOND));
    EXPECT_EQ(0, LaunchNamed("young", &yields));
    weir_scope_cancel(scope);
    auto found = Dump();
    EXPECT_EQ(5u, found.size());
    if (found.size() != 5) return 0;
    EXPECT_EQ("root", found[0].name);
    EXPECT_EQ("nothing", found[0].waits_for);
    EXPECT_EQ(0, found[0].since);
    EXPECT_EQ(0u, found[0].offset);
    EXPECT_EQ("", found[0].module);
    EXPECT_EQ("sleeper", found[1].name);
    EXPECT_EQ("workers", found[1].scope);
    EXPECT_EQ("nothing", found[1].waits_for);  // not any more
    EXPECT_TRUE(found[1].cancelled);
    EXPECT_EQ("parent", found[2].name);
    EXPECT_EQ("scope", found[2].waits_for);
    EXPECT_EQ("", found[2].scope);
    EXPECT_EQ(3 * WEIR_SECOND, found[2].since);
    EXPECT_FALSE(found[2].cancelled);
    EXPECT_EQ("", found[3].name);
    EXPECT_EQ("delay", found[3].waits_for);
    EXPECT_EQ("young", found[4].name);
    EXPECT_EQ("nothing", found[4].waits_for);
    weir_scope_close(scope);
    EXPECT_EQ(3u, Dump().size());
    weir_scope_cancel(nullptr);
    return weir_scope_wait(nullptr);
  });
}

TEST_F(Diagnostics, TellsWhatIsUsedOfTheStack) {
  ExpectRun(clock_.options(), [] {
    Body shallow = [] { return weir_delay(WEIR_SECOND); };
    Body deep = [] {
      volatile char part[10000];
      for (auto &byte : part) byte = 1;
      int result = weir_delay(WEIR_SECOND);
      return part[0] == 1 ? result : 1;
    };
    EXPECT_EQ(0, LaunchNamed("shallow", &shallow));
    EXPECT_EQ(0, LaunchNamed("deep", &deep, nullptr, 128 * 1024));
    EXPECT_EQ(0, weir_yield());
    auto found = Dump();
    for (const auto &one : found) {
      EXPECT_LT(0u, one.stack_used) << one.name;
      EXPECT_LT(one.stack_used, one.stack_size) << one.name;
    }
#if !WEIR_INTERNAL_ASAN  // which may keep large frames elsewhere
    EXPECT_LT(found[1].stack_used + 9000, found[2].stack_used);
#endif
    EXPECT_EQ(found[1].stack_size * 2, found[2].stack_size);
    return weir_scope_wait(nullptr);
  });
}

TEST_F(Diagnostics, TheLaunchSiteIsInTheModuleThatLaunched) {
  ExpectRun(clock_.options(), [] {
    Body body = [] { return 0; };
    EXPECT_EQ(0, LaunchNamed("child", &body));
    auto found = Dump();
    Dl_info here;
    // A static program is no module to dladdr, but then there is no other either.
    if (dladdr(reinterpret_cast<void *>(&CallBody), &here) != 0) {
      EXPECT_EQ(here.dli_fname, found[1].module);
    }
    EXPECT_NE("", found[1].module);
    EXPECT_LT(0u, found[1].offset);
    return weir_scope_wait(nullptr);
  });
}

TEST_F(Diagnostics, TellsThatAJobIsWaitedFor) {
  ExpectRun(clock_.options(), [] {
    weir_job *job = LaunchJob([] { return weir_delay(WEIR_SECOND); });
    ExpectLaunch([&] { return weir_job_wait(job, nullptr); });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("job", Dump()[2].waits_for);
    EXPECT_EQ(0, EndOf(job));
    return 0;
  });
}

TEST_F(Diagnostics, TellsForWhichMeansOfSynchronisationACoroutineWaits) {
  ExpectRun([] {
    weir_mutex *mutex = nullptr;
    weir_event *event = nullptr;
    weir_semaphore *semaphore = nullptr;
    weir_typed_channel *channel = nullptr;
    EXPECT_EQ(0, weir_mutex_create(&mutex));
    EXPECT_EQ(0, weir_event_create(&event));
    EXPECT_EQ(0, weir_semaphore_create(&semaphore, 0));
    EXPECT_EQ(0, weir_typed_channel_create(&channel, sizeof(int), 0));
    EXPECT_EQ(0, weir_mutex_lock(mutex));
    int element = 0;
    weir_select_case either = {channel, nullptr, &element, 0};
    const std::pair<const char *, Body> waits[] = {
        {"mutex", [&] { return weir_mutex_lock(mutex); }},
        {"event", [&] { return weir_event_wait(event); }},
        {"semaphore", [&] { return weir_semaphore_acquire(semaphore, 1); }},
        {"send", [&] { return weir_typed_channel_send(channel, &element); }},
        {"receive", [&] { return weir_typed_channel_receive(channel, &element); }},
        {"select", [&] { return weir_select(&either, 1); }},
    };
    for (const auto &[what, body] : waits) {
      weir_job *job = LaunchJob(body);
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(what, Dump().back().waits_for);
      weir_job_cancel(job);
      EXPECT_EQ(-ECANCELED, EndOf(job));
    }
    weir_typed_channel_close(channel);
    weir_semaphore_close(semaphore);
    weir_event_close(event);
    EXPECT_EQ(0, weir_mutex_unlock(mutex));
    weir_mutex_close(mutex);
    return 0;
  });
}

// On a signal

class OnSignal : public Diagnostics {
 protected:
  void SetUp() override {
    Diagnostics::SetUp();
    fd_ = memfd_create("dump", MFD_CLOEXEC);
    ASSERT_LE(0, fd_);
  }
  void TearDown() override {
    close(fd_);
    Diagnostics::TearDown();
  }

  std::string Written() const {
    char text[10000];
    ssize_t count = pread(fd_, text, sizeof text, 0);
    return std::string(text, count < 0 ? 0 : static_cast<size_t>(count));
  }

  int fd_ = -1;
};

TEST_F(OnSignal, TheLoopWritesADump) {
  ExpectRun(clock_.options(), [this] {
    Body body = [] { return weir_delay(10 * WEIR_SECOND); };
    EXPECT_EQ(0, LaunchNamed("sleeper", &body));
    EXPECT_EQ(0, weir_delay(1005 * WEIR_MILLISECOND));
    EXPECT_EQ(0, weir_install_dump(SIGUSR1, fd_));
    raise(SIGUSR1);
    EXPECT_EQ("", Written());
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    const std::string text = Written();
    EXPECT_EQ(0u, text.find("weir: coroutines: 2\n\"root\" waits for delay since 0.000 s, stack "))
        << text;
    EXPECT_NE(std::string::npos, text.find("\n\"sleeper\" waits for delay since 1.005 s")) << text;
    EXPECT_NE(std::string::npos, text.find(", launched at ")) << text;
    EXPECT_EQ(3, std::count(text.begin(), text.end(), '\n')) << text;
    // Again, and by another signal.
    EXPECT_EQ(0, weir_install_dump(SIGUSR2, fd_));
    raise(SIGUSR1);
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(text, Written());
    raise(SIGUSR2);
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_LT(text.size() * 3 / 2, Written().size());
    return weir_scope_wait(nullptr);
  });
  // Without a loop it does nothing.
  raise(SIGUSR1);
  raise(SIGUSR2);
}

TEST_F(OnSignal, ASecondOneNamesTheCoroutineThatKeepsTheLoopBusy) {
  ExpectRun(clock_.options(), [this] {
    Body busy = [this] {
      raise(SIGUSR1);
      EXPECT_EQ("", Written());
      raise(SIGUSR1);
      const std::string text = Written();
      EXPECT_EQ(0u, text.find("weir: the loop is kept busy by \"busy\", launched at ")) << text;
      return 0;
    };
    EXPECT_EQ(0, weir_install_dump(SIGUSR1, fd_));
    EXPECT_EQ(0, LaunchNamed("busy", &busy));
    return weir_scope_wait(nullptr);
  });
}

TEST_F(OnSignal, FailuresInstallNothing) {
  ExpectRun(clock_.options(), [this] {
    EXPECT_EQ(-EINVAL, weir_install_dump(SIGKILL, fd_));
    EXPECT_EQ(-EINVAL, weir_install_dump(0, fd_));
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, weir_install_dump(SIGUSR1, fd_));
    allocator().FailNth(0);
    return 0;
  });
}

TEST_F(OnSignal, LongNamesAreCutOff) {
  const std::string name(5000, 'x');
  ExpectRun(clock_.options(), [&] {
    Body body = [] { return weir_delay(WEIR_SECOND); };
    EXPECT_EQ(0, LaunchNamed(name.c_str(), &body));
    EXPECT_EQ(0, weir_install_dump(SIGUSR1, fd_));
    raise(SIGUSR1);
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_GT(2000u, Written().size());
    const std::string text = Written();
    EXPECT_EQ(3, std::count(text.begin(), text.end(), '\n'));
    return weir_scope_wait(nullptr);
  });
}

// Overflows: each in a process of its own.

__attribute__((noinline)) int Overflow(int depth) {
  volatile char part[512];
  part[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : Overflow(depth + 1) + part[0];
}

void RunOverflow(bool install_inside) {
  if (!install_inside) {
    EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
  }
  Body body = [] { return Overflow(0); };
  weir_testing::RunCoroutine([&] {
    if (install_inside) {
      EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
    }
    weir_launch_options options = {};
    options.name = "deep";
    options.stack_size = 128 * 1024;
    return weir_launch(nullptr, nullptr, &options, CallBody, &body);
  });
}

using OverflowDeathTest = Diagnostics;

TEST_F(OverflowDeathTest, NamesTheCoroutineAndDies) {
  const char *line =
      "weir: stack overflow in coroutine \"deep\", stack of [0-9]+ bytes, launched at .*[+]0x";
  EXPECT_DEATH(RunOverflow(false), line);
  EXPECT_DEATH(RunOverflow(true), line);
}

TEST_F(OverflowDeathTest, NamesOneOfAnotherLoop) {
  auto run = [](bool install_inside) {
    if (!install_inside) {
      EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
    }
    weir_selector_options two = {};
    two.loops = 2;
    auto overflow = [=] {
      if (install_inside) {
        EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
      }
      return Overflow(0);
    };
    auto launch = [&] { return weir_testing::LaunchCoroutineOn(1, overflow); };
    weir_testing::RunCoroutine(launch, &two);
  };
  const char *line = "weir: stack overflow in coroutine .*, stack of [0-9]+ bytes, launched at";
  EXPECT_DEATH(run(false), line);
  EXPECT_DEATH(run(true), line);
}

TEST_F(OverflowDeathTest, OtherFaultsGoToTheHandlerBefore) {
  auto fault = [] {
    struct sigaction action = {};
    action.sa_handler = [](int) {
      static const char text[] = "the handler before\n";
      ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
      _exit(written > 0 ? 3 : 4);
    };
    sigaction(SIGSEGV, &action, nullptr);
    EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
    weir_testing::RunCoroutine([] { return raise(SIGSEGV); });
  };
  EXPECT_EXIT(fault(), ::testing::ExitedWithCode(3), "^the handler before");
}

TEST_F(OverflowDeathTest, OneThatWasSentStillKills) {
  auto die = [] {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGSEGV, &action, nullptr);
    EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
    EXPECT_EQ(-EALREADY, weir_install_overflow_report(STDERR_FILENO));
    weir_testing::RunCoroutine([] { return raise(SIGSEGV); });
  };
  // An emulator has a word of its own to say.
  EXPECT_EXIT(die(), ::testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(OverflowDeathTest, WithoutAStackForSignalsThereIsNoRun) {
  auto run = [this] {
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
    EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
    weir_selector *selector = nullptr;
    if (weir_selector_create(&selector, nullptr) != 0) _exit(1);
    Body body = [] { return 0; };
    allocator().FailNth(1);
    int result = weir_selector_run(selector, CallBody, &body);
    allocator().FailNth(0);
    int again = weir_selector_run(selector, CallBody, &body);
    _exit(result == -ENOMEM && again == 0 && weir_selector_close(selector) == 0 &&
                  allocator().outstanding() == 0
              ? 0
              : 2);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

// Two selectors that one thread drives.
class TwoSelectors {
 public:
  explicit TwoSelectors(
      Body *second, Body first = [] { return 0; })
      : first_(std::move(first)) {
    for (weir_selector *&selector : selectors_) {
      EXPECT_EQ(0, weir_selector_create(&selector, nullptr));
    }
    EXPECT_EQ(0, weir_selector_start(selectors_[0], CallBody, &first_));
    EXPECT_EQ(0, weir_selector_start(selectors_[1], CallBody, second));
  }

  // Drives the one with that number to its end.
  void Drive(int number) {
    int more;
    while ((more = weir_selector_poll(selectors_[number], WEIR_FOREVER, nullptr)) == 1) continue;
    EXPECT_EQ(0, more);
    EXPECT_EQ(0, weir_selector_close(selectors_[number]));
  }
  void DriveOnce(int number) { EXPECT_EQ(1, weir_selector_poll(selectors_[number], 0, nullptr)); }

 private:
  weir_selector *selectors_[2] = {};
  Body first_;
};

TEST_F(OverflowDeathTest, AnotherSelectorOfTheThreadMayHaveEnded) {
  const char *line = "weir: stack overflow in coroutine \"root\"";
  auto installed_before = [] {
    EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
    Body overflow = [] { return Overflow(0); };
    TwoSelectors two(&overflow);
    two.Drive(0);
    two.Drive(1);
  };
  EXPECT_DEATH(installed_before(), line);
  auto installed_by_the_second = [] {
    Body overflow = [] {
      EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
      EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
      return Overflow(0);
    };
    TwoSelectors two(&overflow);
    two.DriveOnce(1);
    two.Drive(0);
    two.Drive(1);
  };
  EXPECT_DEATH(installed_by_the_second(), line);
  auto installed_by_the_first = [] {
    Body overflow = [] { return weir_delay(WEIR_MILLISECOND) == 0 ? Overflow(0) : 0; };
    Body install = [] { return weir_install_overflow_report(STDERR_FILENO); };
    TwoSelectors two(&overflow, install);
    two.DriveOnce(1);
    two.Drive(0);
    two.Drive(1);
  };
  EXPECT_DEATH(installed_by_the_first(), line);
}

// Whatever the program does to its stack for signals while it drives.
TEST_F(OverflowDeathTest, AStackOfTheProgramStaysItsOwn) {
  auto run = [this] {
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
    EXPECT_EQ(0, weir_install_overflow_report(STDERR_FILENO));
    Body body = [] { return 0; };
    TwoSelectors two(&body);
    std::vector<char> memory(64 * 1024);
    stack_t own = {};
    own.ss_sp = memory.data();
    own.ss_size = memory.size();
    sigaltstack(&own, nullptr);
    two.Drive(0);
    two.Drive(1);
    stack_t found = {};
    sigaltstack(&none, &found);
    _exit(found.ss_sp == own.ss_sp && allocator().outstanding() == 0 ? 0 : 1);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
