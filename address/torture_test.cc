// SPDX-License-Identifier: Apache-2.0
//
// Names looked up on the pool, by the stand-in of the failing calls.

#include "testing/torture.h"

#include <gtest/gtest.h>

#include "testing/counted_waits.h"
#include "testing/lambda_coroutine.h"
#include "weir/resolve.h"

namespace {

using weir_testing::CountedWaits;
using weir_testing::LaunchCoroutine;
using weir_testing::Scenario;
using weir_testing::ScenarioName;
using weir_testing::Torture;

int ResolveBoth(bool *happened) {
  weir_address found[4];
  const int count = weir_resolve(found, 4, nullptr, "weir.example", 80);
  if (count < 0) return count;
  uint16_t port = 0;
  const int result = weir_resolve_service(&port, "echo", "tcp");
  *happened = count == 2 && weir_address_port(&found[0]) == 80 && port == 7;
  return result;
}

// Both families at once. Neither is cancelled when the other fails; see CountedWaits.
int ResolveTogether(bool *happened) {
  int counts[2] = {0, 0};
  weir_scope *scope = nullptr;
  int result = weir_scope_open(&scope, nullptr);
  if (result < 0) return result;
  for (int i = 0; i < 2 && result == 0; i++) {
    auto ask = [i, &counts] {
      weir_resolve_options options = {};
      options.family = i == 0 ? WEIR_IPV4 : WEIR_IPV6;
      weir_address found[4];
      counts[i] = weir_resolve(found, 4, &options, "weir.example", 80);
      return counts[i] < 0 ? counts[i] : 0;
    };
    result = LaunchCoroutine(ask, scope);
  }
  const int waited = weir_scope_wait(scope);
  const int closed = weir_scope_close(scope);
  *happened = counts[0] == 1 && counts[1] == 1;
  if (result == 0) result = waited;
  return result < 0 ? result : closed;
}

Scenario Of(const char *name, int (*body)(bool *happened), int least_allocations, int least_calls) {
  Scenario scenario;
  scenario.name = name;
  scenario.run = [run = weir_testing::InCoroutine(body)](const weir_internal_system_calls *calls) {
    weir_internal_system_calls in_turn = CountedWaits::Count(calls);
    in_turn.resolve = [](void *context, const char *host, const char *service,
                         const addrinfo *hints, addrinfo **out) {
      CountedWaits::Use();
      return CountedWaits::below()->resolve(context, host, service, hints, out);
    };
    return run(&in_turn);
  };
  scenario.least_allocations = least_allocations;
  scenario.least_calls = least_calls;
  return scenario;
}

std::vector<Scenario> Scenarios() {
  return {Of("Resolve", ResolveBoth, 10, 25), Of("ResolveTogether", ResolveTogether, 15, 35)};
}

INSTANTIATE_TEST_SUITE_P(Address, Torture, ::testing::ValuesIn(Scenarios()), ScenarioName);

}  // namespace
