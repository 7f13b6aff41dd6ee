// SPDX-License-Identifier: Apache-2.0
//
// Every suspension in looking up names against all that interrupts it.

#include "testing/suspension_matrix.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "weir/address.h"
#include "weir/coroutine.h"
#include "weir/resolve.h"

namespace {

using weir_testing::PointName;
using weir_testing::Suspension;
using weir_testing::SuspensionMatrix;
using weir_testing::SuspensionPoint;

int NeverAnswer(void *, weir_address *, size_t, const char *, weir_family) {
  return weir_delay(WEIR_FOREVER);
}

Suspension Resolve() {
  Suspension suspension;
  suspension.wait = [] {
    const weir_resolver silent = {NeverAnswer, nullptr};
    weir_resolve_options options = {};
    options.resolver = &silent;
    weir_address found;
    return weir_resolve(&found, 1, &options, "weir.example", 80);
  };
  return suspension;
}

std::vector<SuspensionPoint> Points() {
  return {{"weir_resolve", "", Resolve, "has nothing to close"}};
}

INSTANTIATE_TEST_SUITE_P(Address, SuspensionMatrix, testing::ValuesIn(Points()), PointName);

TEST(SuspensionPoints, AreAllThere) {
  // The file of services is read by a thread of the pool, which nothing here can hold up.
  const std::set<std::string> not_suspending = {"weir_resolve_service"};
  weir_testing::ExpectComplete({"address/resolve.h"}, Points(), not_suspending);
}

}  // namespace
