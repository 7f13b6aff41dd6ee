// SPDX-License-Identifier: Apache-2.0
//
// Coroutines launched on other loops: for their scope and their job they are like any other.

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "selector/internal/system_calls.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/selector.h"

namespace {

using weir_testing::Body;
using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;
using weir_testing::RunCoroutine;

class LaunchOn : public weir_testing::LeakCheckedTest {
 protected:
  static int Run(int loops, const Body &body) {
    weir_selector_options options = {};
    options.loops = loops;
    return RunCoroutine(body, &options);
  }
};

int WaitUntilCancelled() { return weir_delay(WEIR_FOREVER); }

TEST_F(LaunchOn, RefusesBadNumbers) {
  for (int loops : {-1, 1025}) EXPECT_EQ(-EINVAL, Run(loops, [] { return 0; }));
  EXPECT_EQ(-EINVAL, weir_current_loop());
  EXPECT_EQ(0, weir_loop_count());
  EXPECT_EQ(-EINVAL, LaunchCoroutineOn(0, [] { return 0; }));
  EXPECT_EQ(0, Run(2, [] {
              EXPECT_EQ(0, weir_current_loop());
              EXPECT_EQ(2, weir_loop_count());
              for (int loop : {2, -3})
                EXPECT_EQ(-EINVAL, LaunchCoroutineOn(loop, [] { return 0; }));
              EXPECT_EQ(-EINVAL, weir_launch_on(1, nullptr, nullptr, nullptr, nullptr, nullptr));
              return 0;
            }));
}

TEST_F(LaunchOn, EachLoopIsAThread) {
  EXPECT_EQ(0, Run(4, [] {
              std::vector<std::thread::id> threads(4);
              for (int loop = 0; loop < 4; loop++) {
                EXPECT_EQ(0, LaunchCoroutineOn(loop, [&threads, loop] {
                            EXPECT_EQ(loop, weir_current_loop());
                            EXPECT_EQ(4, weir_loop_count());
                            EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
                            threads[static_cast<size_t>(loop)] = std::this_thread::get_id();
                            return 0;
                          }));
              }
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              EXPECT_EQ(4u, std::set<std::thread::id>(threads.begin(), threads.end()).size());
              EXPECT_EQ(std::this_thread::get_id(), threads[0]);
              return 0;
            }));
}

TEST_F(LaunchOn, RunsMayFollowEachOther) {
  weir_selector_options options = {};
  options.loops = 3;
  weir_selector *selector = nullptr;
  ASSERT_EQ(0, weir_selector_create(&selector, &options));
  for (int i = 0; i < 3; i++) {
    auto body = [](void *) {
      for (int loop = 0; loop < 3; loop++) {
        EXPECT_EQ(0, LaunchCoroutineOn(loop, [] { return weir_yield(); }));
      }
      return 7;
    };
    EXPECT_EQ(7, weir_selector_run(selector, body, nullptr));
  }
  EXPECT_EQ(0, weir_selector_close(selector));
}

TEST_F(LaunchOn, AJobTellsTheResult) {
  EXPECT_EQ(0, Run(2, [] {
              weir_job *job = nullptr;
              EXPECT_EQ(0, LaunchCoroutineOn(
                               1, [] { return 42; }, nullptr, &job));
              int result = 0;
              EXPECT_EQ(0, weir_job_wait(job, &result));
              EXPECT_EQ(42, result);
              EXPECT_EQ(0, LaunchCoroutineOn(1, [job] { return weir_job_wait(job, nullptr); }));
              EXPECT_EQ(-EXDEV, weir_scope_wait(nullptr));
              weir_job_close(job);
              return 0;
            }));
}

TEST_F(LaunchOn, AJobCancelsWithAllBelow) {
  EXPECT_EQ(0, Run(3, [] {
              weir_job *job = nullptr;
              std::atomic<int> cancelled{0};
              auto wait = [&cancelled] {
                int result = WaitUntilCancelled();
                cancelled += result == -ECANCELED && weir_is_cancelled();
                return result;
              };
              EXPECT_EQ(0, LaunchCoroutineOn(
                               1,
                               [&] {
                                 EXPECT_EQ(0, LaunchCoroutine(wait));
                                 EXPECT_EQ(0, LaunchCoroutineOn(2, wait));
                                 EXPECT_EQ(0, LaunchCoroutineOn(0, wait));
                                 return wait();
                               },
                               nullptr, &job));
              EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
              weir_job_cancel(job);
              weir_job_cancel(job);
              int result = 0;
              EXPECT_EQ(0, weir_job_wait(job, &result));
              EXPECT_EQ(-ECANCELED, result);
              EXPECT_EQ(4, cancelled);
              weir_job_cancel(job);  // it has ended
              weir_job_close(job);
              return weir_scope_wait(nullptr);
            }));
}

TEST_F(LaunchOn, TheCloseOfItsScopeCancelsAndWaits) {
  EXPECT_EQ(0, Run(2, [] {
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              bool ended = false;
              EXPECT_EQ(0, LaunchCoroutineOn(
                               1,
                               [&] {
                                 EXPECT_EQ(-ECANCELED, WaitUntilCancelled());
                                 weir_shield shield = weir_shield_begin();
                                 EXPECT_EQ(0, weir_delay(2 * WEIR_MILLISECOND));
                                 weir_shield_end(shield);
                                 ended = true;
                                 return -EIO;
                               },
                               scope));
              EXPECT_EQ(-EIO, weir_scope_close(scope));
              EXPECT_TRUE(ended);
              return 0;
            }));
}

TEST_F(LaunchOn, ACancelledScopeLaunchesCancelledCoroutines) {
  EXPECT_EQ(0, Run(2, [] {
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              weir_scope_cancel(scope);
              int result = 0;
              EXPECT_EQ(0, LaunchCoroutineOn(
                               1, [&] { return result = weir_yield(), 0; }, scope));
              EXPECT_EQ(0, weir_scope_wait(scope));
              EXPECT_EQ(-ECANCELED, result);
              return weir_scope_close(scope);
            }));
}

TEST_F(LaunchOn, ACancelledCoroutineCanLaunchAndIsNotCutShort) {
  EXPECT_EQ(0, Run(2, [] {
              int launched = 1;
              int result = 0;
              weir_job *job = nullptr;
              EXPECT_EQ(0, LaunchCoroutine(
                               [&] {
                                 EXPECT_EQ(-ECANCELED, WaitUntilCancelled());
                                 launched =
                                     LaunchCoroutineOn(1, [&] { return result = weir_yield(), 0; });
                                 return 0;
                               },
                               nullptr, &job));
              EXPECT_EQ(0, weir_yield());
              weir_job_cancel(job);
              weir_job_close(job);
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              EXPECT_EQ(0, launched);
              EXPECT_EQ(-ECANCELED, result);
              return 0;
            }));
}

TEST_F(LaunchOn, TheyFailTogether) {
  EXPECT_EQ(0, Run(3, [] {
              weir_scope *scope = nullptr;
              weir_scope_options together = {};
              together.fail_together = true;
              EXPECT_EQ(0, weir_scope_open(&scope, &together));
              std::atomic<int> cancelled{0};
              auto wait = [&] { return cancelled += WaitUntilCancelled() == -ECANCELED, 0; };
              for (int loop = 0; loop < 3; loop++)
                EXPECT_EQ(0, LaunchCoroutineOn(loop, wait, scope));
              EXPECT_EQ(0, LaunchCoroutineOn(
                               1, [] { return -EIO; }, scope));
              EXPECT_EQ(-EIO, weir_scope_wait(scope));
              EXPECT_EQ(3, cancelled);
              EXPECT_EQ(-EIO, weir_scope_close(scope));
              return 0;
            }));
}

TEST_F(LaunchOn, AFailureStopsTheOwnerOfAScopeThatFailsTogether) {
  EXPECT_EQ(0, Run(2, [] {
              weir_scope *scope = nullptr;
              weir_scope_options together = {};
              together.fail_together = true;
              EXPECT_EQ(0, weir_scope_open(&scope, &together));
              EXPECT_EQ(0, LaunchCoroutineOn(
                               1, [] { return -EIO; }, scope));
              EXPECT_EQ(-ECANCELED, WaitUntilCancelled());
              EXPECT_EQ(-EIO, weir_cancellation_cause());
              EXPECT_EQ(-EIO, weir_scope_wait(scope));
              EXPECT_EQ(0, weir_yield());
              EXPECT_EQ(-EIO, weir_scope_close(scope));
              return 0;
            }));
}

TEST_F(LaunchOn, TheScopesDeadlineHolds) {
  EXPECT_EQ(0, Run(2, [] {
              weir_timeout timeout = weir_timeout_begin(5 * WEIR_MILLISECOND);
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              EXPECT_FALSE(weir_timeout_end(timeout));
              int own = 1, childs = 1;
              EXPECT_EQ(0, LaunchCoroutineOn(
                               1,
                               [&] {
                                 EXPECT_EQ(0, LaunchCoroutine([&] {
                                             return childs = WaitUntilCancelled(), 0;
                                           }));
                                 return own = WaitUntilCancelled(), 0;
                               },
                               scope));
              EXPECT_EQ(0, weir_scope_wait(scope));
              EXPECT_EQ(-ETIMEDOUT, own);
              EXPECT_EQ(-ETIMEDOUT, childs);
              return weir_scope_close(scope);
            }));
}

// The deadline of a bracket passes on the other loop first, while something else keeps this one
// from looking at its timers. Whoever is told of it by |end| must learn from the bracket, too,
// which it was.
void ExpectExpiryToldBy(const std::function<int(weir_scope *scope, weir_job *job)> &end) {
  weir_timeout timeout = weir_timeout_begin(2 * WEIR_MILLISECOND);
  weir_scope *scope = nullptr;
  EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
  weir_job *job = nullptr;
  // If this takes long, nobody waits for those who use it.
  auto passed = std::make_shared<std::atomic<bool>>(false);
  auto wait = [passed] {
    int result = WaitUntilCancelled();
    *passed = true;
    return result;
  };
  EXPECT_EQ(0, LaunchCoroutineOn(1, wait, scope, &job));
  EXPECT_EQ(0, LaunchCoroutine([passed] {
              while (!*passed) continue;
              // A while longer, in which the message arrives.
              for (int64_t start = weir_now(); weir_now() - start < WEIR_MILLISECOND;) continue;
              return 0;
            }));
  EXPECT_EQ(-ETIMEDOUT, end(scope, job));
  EXPECT_TRUE(weir_timeout_end(timeout));
  weir_job_close(job);
}

TEST_F(LaunchOn, ABracketKnowsItsOwnDeadlineThatAnotherLoopMet) {
  EXPECT_EQ(0, Run(2, [] {
              for (int i = 0; i < 10; i++) {
                ExpectExpiryToldBy([](weir_scope *scope, weir_job *) {
                  int result = weir_scope_wait(scope);
                  weir_scope_close(scope);
                  return result;
                });
                ExpectExpiryToldBy([](weir_scope *scope, weir_job *job) {
                  int ended = 0;
                  int result = weir_job_wait(job, &ended);
                  weir_scope_close(scope);
                  return result < 0 ? result : ended;
                });
                ExpectExpiryToldBy([](weir_scope *scope, weir_job *) {
                  // As clean-up does, which is to wait for what it needs.
                  weir_shield shield = weir_shield_begin();
                  int result = weir_scope_wait(scope);
                  weir_shield_end(shield);
                  EXPECT_EQ(-ETIMEDOUT, result);
                  return weir_scope_close(scope);
                });
              }
              return weir_scope_wait(nullptr);
            }));
}

// The one who launches is not the one who owns the scope, and waits for the other loop while that
// one closes the scope.
TEST_F(LaunchOn, TheScopeMayBeClosedMeanwhile) {
  EXPECT_EQ(0, Run(2, [] {
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              int result = 1;
              EXPECT_EQ(0, LaunchCoroutine([&] {
                          return LaunchCoroutineOn(
                              1, [&] { return result = WaitUntilCancelled(), 0; }, scope);
                        }));
              EXPECT_EQ(0, weir_yield());
              EXPECT_EQ(0, weir_scope_close(scope));
              EXPECT_EQ(-ECANCELED, result);
              return weir_scope_wait(nullptr);
            }));
}

TEST_F(LaunchOn, AScopeOfAnotherLoopIsRefused) {
  EXPECT_EQ(0, Run(2, [] {
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              EXPECT_EQ(0, LaunchCoroutineOn(1, [scope] {
                          EXPECT_EQ(-EXDEV, LaunchCoroutine([] { return 0; }, scope));
                          EXPECT_EQ(-EXDEV, LaunchCoroutineOn(
                                                0, [] { return 0; }, scope));
                          return 0;
                        }));
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              return weir_scope_close(scope);
            }));
}

TEST_F(LaunchOn, RoundRobinTakesEachInTurn) {
  EXPECT_EQ(0, Run(3, [] {
              std::atomic<int> counts[3] = {};
              for (int i = 0; i < 9; i++) {
                EXPECT_EQ(0, LaunchCoroutineOn(WEIR_ROUND_ROBIN,
                                               [&] { return counts[weir_current_loop()]++, 0; }));
              }
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              for (auto &count : counts) EXPECT_EQ(3, count);
              return 0;
            }));
}

TEST_F(LaunchOn, TheLeastLoadedIsTaken) {
  EXPECT_EQ(0, Run(3, [] {
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              std::atomic<int> counts[3] = {};
              auto count = [&] { return counts[weir_current_loop()]++, WaitUntilCancelled(); };
              for (int i = 0; i < 5; i++) EXPECT_EQ(0, LaunchCoroutineOn(1, count, scope));
              // One is the root.
              for (int i = 0; i < 12; i++)
                EXPECT_EQ(0, LaunchCoroutineOn(WEIR_LEAST_LOADED, count, scope));
              EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
              EXPECT_EQ(0, weir_scope_close(scope));
              EXPECT_EQ(5, counts[0]);
              EXPECT_EQ(6, counts[1]);
              EXPECT_EQ(6, counts[2]);
              return 0;
            }));
}

TEST_F(LaunchOn, WithoutMemoryTheFunctionIsNeverCalled) {
  for (int nth = 1; nth < 20; nth++) {
    bool called = false;
    int result = 0;
    EXPECT_EQ(0, Run(2, [&] {
                allocator().FailNth(nth);
                weir_job *job = nullptr;
                auto call = [](void *flag) { return *static_cast<bool *>(flag) = true, 0; };
                result = weir_launch_on(1, nullptr, &job, nullptr, call, &called);
                allocator().FailNth(0);
                EXPECT_EQ(result == 0, job != nullptr);
                EXPECT_EQ(0, weir_scope_wait(nullptr));
                weir_job_close(job);
                return 0;
              }));
    EXPECT_EQ(result == 0, called);
    EXPECT_TRUE(result == -ENOMEM || (result == 0 && nth > 1)) << nth;
    if (result == 0) return;
  }
  FAIL() << "it never succeeds";
}

TEST_F(LaunchOn, OwnThreadsTakeNoSignals) {
  EXPECT_EQ(0, Run(2, [] {
              EXPECT_EQ(0, LaunchCoroutineOn(1, [] {
                          sigset_t mask;
                          EXPECT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &mask));
                          for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGALRM}) {
                            EXPECT_EQ(1, sigismember(&mask, signal)) << signal;
                          }
                          EXPECT_EQ(0, sigismember(&mask, SIGSEGV));
                          return 0;
                        }));
              return weir_scope_wait(nullptr);
            }));
}

weir_internal_system_calls calls;

TEST_F(LaunchOn, AThreadThatDoesNotStartFailsTheRun) {
  static std::atomic<int> started;
  for (int good = 0; good < 3; good++) {
    started = good;
    calls = weir_internal_kernel;
    calls.thread_create = [](void *, pthread_t *out, void *(*function)(void *), void *argument) {
      if (started-- == 0) return -EAGAIN;
      return weir_internal_kernel.thread_create(nullptr, out, function, argument);
    };
    weir_selector_options options = {};
    options.loops = 4;
    options.system_calls = &calls;
    EXPECT_EQ(-EAGAIN, RunCoroutine([] { return ADD_FAILURE(), 0; }, &options));
  }
}

// A loop whose thread has set |own| cannot wait any more as soon as there are |failures|.
std::atomic<bool> failures;
thread_local bool own = false;

weir_selector_options LoopsThatMayFail() {
  failures = false;
  calls = weir_internal_kernel;
  calls.epoll_wait = [](void *, int epoll, epoll_event *events, int count, int64_t timeout) {
    if (failures && own) return -EBADF;
    return weir_internal_kernel.epoll_wait(nullptr, epoll, events, count, timeout);
  };
  weir_selector_options options = {};
  options.loops = 3;
  options.system_calls = &calls;
  return options;
}

// Also for those who wait behind shields, here and there.
TEST_F(LaunchOn, AFailedWaitOnOneLoopEndsTheRun) {
  for (bool here : {true, false}) {
    weir_selector_options options = LoopsThatMayFail();
    own = here;
    auto shielded = [] {
      weir_shield shield = weir_shield_begin();
      EXPECT_EQ(-ECANCELED, WaitUntilCancelled());
      weir_shield_end(shield);
      return 0;
    };
    EXPECT_EQ(-EBADF, RunCoroutine(
                          [&] {
                            EXPECT_EQ(0, LaunchCoroutineOn(2, shielded));
                            EXPECT_EQ(0, LaunchCoroutineOn(1, [&] {
                                        own = !here;
                                        EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
                                        failures = true;
                                        // The other one may be in a wait that was begun before.
                                        EXPECT_EQ(0, LaunchCoroutineOn(0, shielded));
                                        return shielded();
                                      }));
                            return shielded();
                          },
                          &options));
    own = false;
  }
}

// And for those who only begin to wait when the failure is known.
TEST_F(LaunchOn, AFailedWaitOnOneLoopIsFeltByWhoeverWaitsLater) {
  weir_selector_options options = LoopsThatMayFail();
  auto wait_later = [] {
    int result;
    while ((result = weir_yield()) == 0) continue;
    EXPECT_EQ(-ECANCELED, result);
    weir_shield shield = weir_shield_begin();
    for (int i = 0; i < 3; i++) EXPECT_EQ(-ECANCELED, WaitUntilCancelled());
    weir_shield_end(shield);
    return 0;
  };
  EXPECT_EQ(-EBADF, RunCoroutine(
                        [&] {
                          EXPECT_EQ(0, LaunchCoroutineOn(2, wait_later));
                          EXPECT_EQ(0, LaunchCoroutineOn(1, [&] {
                                      own = true;
                                      failures = true;
                                      return wait_later();
                                    }));
                          return wait_later();
                        },
                        &options));
}

}  // namespace
