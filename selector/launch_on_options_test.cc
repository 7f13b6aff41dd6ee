// SPDX-License-Identifier: Apache-2.0
//
// What a coroutine on another loop is given by the one that launches it, and what a dump tells.

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/coroutine.h"
#include "weir/diagnostics.h"
#include "weir/selector.h"
#include "weir/sync.h"

namespace {

using weir_testing::Body;
using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;

struct Description {
  std::string name, scope, waits_for, module;
  size_t stack_size, stack_used;
  bool cancelled;
};

// Returns what the dump of this loop has of coroutines of that name.
std::vector<Description> DumpOf(const std::string &name) {
  std::vector<Description> all, found;
  auto remember = [](void *argument, const weir_coroutine_description *one) {
    static_cast<std::vector<Description> *>(argument)->push_back(
        {one->name, one->scope, one->waits_for, one->launch_module, one->stack_size,
         one->stack_used, one->cancelled});
  };
  EXPECT_LT(0, weir_dump(remember, &all));
  for (const Description &one : all) {
    if (one.name == name) found.push_back(one);
  }
  return found;
}

int CallBody(void *argument) { return (*static_cast<Body *>(argument))(); }

class LaunchOnOptions : public weir_testing::LeakCheckedTest {
 protected:
  static void Run(const Body &body) {
    weir_selector_options options = {};
    options.loops = 2;
    EXPECT_EQ(0, weir_testing::RunCoroutine(body, &options));
  }

  static weir_scope *OpenNamed(const char *name) {
    weir_scope_options options = {};
    options.name = name;
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, &options));
    return scope;
  }
};

TEST_F(LaunchOnOptions, ADumpThereTellsTheNamesTheStackAndThePlace) {
  Run([] {
    weir_scope *scope = OpenNamed("clients");
    Body look = [] {
      std::vector<Description> found = DumpOf("far");
      EXPECT_EQ(1u, found.size());
      if (found.size() != 1) return -ENOENT;
      EXPECT_EQ("clients", found[0].scope);
      EXPECT_EQ("nothing", found[0].waits_for);
      EXPECT_NE("", found[0].module);
      EXPECT_LE(256u * 1024, found[0].stack_size);
      EXPECT_GT(found[0].stack_size, found[0].stack_used);
      return 0;
    };
    weir_launch_options options = {};
    options.name = "far";
    options.stack_size = 256 * 1024;
    EXPECT_EQ(0, weir_launch_on(1, scope, nullptr, &options, CallBody, &look));
    EXPECT_EQ(0, weir_scope_wait(scope));
    return weir_scope_close(scope);
  });
}

TEST_F(LaunchOnOptions, ADumpHereTellsThatItIsOnAnotherLoop) {
  Run([] {
    weir_event *end = nullptr;
    EXPECT_EQ(0, weir_event_create(&end));
    weir_scope *scope = OpenNamed("clients");
    Body wait = [&] { return weir_event_wait(end); };
    weir_launch_options options = {};
    options.name = "far";
    EXPECT_EQ(0, weir_launch_on(1, scope, nullptr, &options, CallBody, &wait));
    std::vector<Description> found = DumpOf("far");
    EXPECT_EQ(1u, found.size());
    for (const Description &one : found) {
      EXPECT_EQ("clients", one.scope);
      EXPECT_EQ("another loop", one.waits_for);
      EXPECT_NE("", one.module);
      EXPECT_EQ(0u, one.stack_size);
      EXPECT_EQ(0u, one.stack_used);
      EXPECT_FALSE(one.cancelled);
    }
    weir_event_set(end);
    EXPECT_EQ(0, weir_scope_wait(scope));
    EXPECT_EQ(0u, DumpOf("far").size());
    weir_event_close(end);
    return weir_scope_close(scope);
  });
}

TEST_F(LaunchOnOptions, ThePlaceIsThatOfTheCallAlsoOnTheSameLoop) {
  Run([] {
    struct Place {
      uint64_t last = 0;
      static void Remember(void *argument, const weir_coroutine_description *one) {
        static_cast<Place *>(argument)->last = one->launch_offset;
      }
    };
    Body end = [] { return 0; };
    uint64_t places[2] = {};
    EXPECT_EQ(0, weir_launch_on(0, nullptr, nullptr, nullptr, CallBody, &end));
    for (int i = 0; i < 2; i++) {
      Place place;
      EXPECT_LT(1, weir_dump(Place::Remember, &place));
      places[i] = place.last;
      if (i == 0) {
        EXPECT_EQ(0, weir_launch_on(0, nullptr, nullptr, nullptr, CallBody, &end));
      }
    }
    EXPECT_NE(0u, places[0]);
    EXPECT_NE(places[0], places[1]);
    return weir_scope_wait(nullptr);
  });
}

TEST_F(LaunchOnOptions, AStackSizeOutOfRangeIsRefused) {
  Run([] {
    Body never = [] { return ADD_FAILURE(), 0; };
    weir_launch_options options = {};
    options.stack_size = 1024;
    EXPECT_EQ(-EINVAL, weir_launch_on(0, nullptr, nullptr, &options, CallBody, &never));
    EXPECT_EQ(-EINVAL, weir_launch_on(1, nullptr, nullptr, &options, CallBody, &never));
    return weir_scope_wait(nullptr);
  });
}

TEST_F(LaunchOnOptions, TheCauseOfACancellationTravels) {
  Run([] {
    std::atomic<int> cause{0}, cause_below{0};
    weir_job *job = nullptr;
    auto below = [&] {
      EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
      cause_below = weir_cancellation_cause();
      return 0;
    };
    auto wait = [&] {
      EXPECT_EQ(0, weir_cancellation_cause());
      EXPECT_EQ(0, LaunchCoroutine(below));
      EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
      cause = weir_cancellation_cause();
      return 0;
    };
    weir_event *begun = nullptr;
    EXPECT_EQ(0, weir_event_create(&begun));
    auto begin = [&] { return weir_event_set(begun), wait(); };
    EXPECT_EQ(0, LaunchCoroutineOn(1, begin, nullptr, &job));
    EXPECT_EQ(0, weir_event_wait(begun));
    weir_job_cancel_with_cause(job, -ENOSPC);
    weir_job_cancel_with_cause(job, -EIO);  // the first one counts
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    EXPECT_EQ(-ENOSPC, cause);
    EXPECT_EQ(-ENOSPC, cause_below);
    weir_job_close(job);
    weir_event_close(begun);
    return 0;
  });
}

TEST_F(LaunchOnOptions, OneLaunchedIntoACancelledScopeKnowsTheCause) {
  Run([] {
    int cause = 0;
    weir_scope *scope = OpenNamed("cancelled");
    weir_scope_cancel_with_cause(scope, -EPROTO);
    auto look = [&] {
      EXPECT_TRUE(weir_is_cancelled());
      cause = weir_cancellation_cause();
      return 0;
    };
    EXPECT_EQ(0, LaunchCoroutineOn(1, look, scope));
    EXPECT_EQ(0, weir_scope_wait(scope));
    EXPECT_EQ(-EPROTO, cause);
    return weir_scope_close(scope);
  });
}

TEST_F(LaunchOnOptions, AFailureCancelsTogetherAcrossLoopsWithItsCause) {
  Run([] {
    int cause = 0;
    weir_scope_options together = {};
    together.fail_together = true;
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, &together));
    auto wait = [&] {
      EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
      cause = weir_cancellation_cause();
      return -ECANCELED;
    };
    EXPECT_EQ(0, LaunchCoroutineOn(1, wait, scope));
    EXPECT_EQ(0, LaunchCoroutineOn(
                     1, [] { return -EDOM; }, scope));
    EXPECT_EQ(-EDOM, weir_scope_wait(scope));
    EXPECT_EQ(-EDOM, cause);
    EXPECT_EQ(-EDOM, weir_scope_close(scope));
    return 0;
  });
}

TEST_F(LaunchOnOptions, LocalsAreEachCoroutinesOwn) {
  Run([] {
    static std::atomic<int> destroyed_on;
    destroyed_on = -1;
    static const weir_local local = {[](void *) { destroyed_on = weir_current_loop(); }};
    static int mine, its;
    EXPECT_EQ(0, weir_local_set(&local, &mine));
    auto look = [] {
      EXPECT_EQ(nullptr, weir_local_get(&local));
      return weir_local_set(&local, &its);
    };
    EXPECT_EQ(0, LaunchCoroutineOn(1, look));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(1, destroyed_on);
    EXPECT_EQ(&mine, weir_local_get(&local));
    return 0;
  });
}

}  // namespace
