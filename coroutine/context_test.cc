// SPDX-License-Identifier: Apache-2.0
//
// The switch keeps what a call keeps: callee-saved registers, floating point modes, the stack.

#include "coroutine/internal/context.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace {

constexpr size_t kStackSize = 256 * 1024;

struct Stack {
  std::unique_ptr<char[]> memory{new char[kStackSize + 64]};
  char *bottom() {
    auto address = reinterpret_cast<uintptr_t>(memory.get());
    return reinterpret_cast<char *>((address + 63) & ~uintptr_t{63});
  }
};

struct Pair {
  weir_internal_context home = {};
  weir_internal_context away = {};
  std::vector<int> trace;
};

void CountTo3(void *argument) {
  auto *pair = static_cast<Pair *>(argument);
  weir_internal_context_entered(&pair->home);
  for (int i = 1; i <= 3; i++) {
    pair->trace.push_back(i);
    weir_internal_context_switch(&pair->away, &pair->home);
  }
  weir_internal_context_leave(&pair->away, &pair->home);
}

TEST(Context, AlternatesBetweenTwoStacks) {
  Stack stack;
  Pair pair;
  weir_internal_context_make(&pair.away, stack.bottom(), kStackSize, CountTo3, &pair);
  for (int i = 1; i <= 4; i++) {
    weir_internal_context_switch(&pair.home, &pair.away);
    pair.trace.push_back(-i);
  }
  weir_internal_context_destroy(&pair.away);
  EXPECT_EQ((std::vector<int>{1, -1, 2, -2, 3, -3, -4}), pair.trace);
}

uint64_t BitsOf(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Many live values force the compiler to use every callee-saved register.
__attribute__((noinline)) uint64_t Churn(Pair *pair, bool from_home, uint64_t seed) {
  uint64_t a = seed, b = seed * 3, c = seed * 5, d = seed * 7, e = seed * 11, f = seed * 13;
  uint64_t g = seed * 17, h = seed * 19, i = seed * 23, j = seed * 29, k = seed * 31;
  double w = static_cast<double>(seed), x = w * 1.5, y = w * 2.5, z = w * 3.5;
  for (int round = 0; round < 50; round++) {
    if (from_home) {
      weir_internal_context_switch(&pair->home, &pair->away);
    } else {
      weir_internal_context_switch(&pair->away, &pair->home);
    }
    a += b, b ^= c, c += d, d ^= e, e += f, f ^= g, g += h, h ^= i, i += j, j ^= k, k += a;
    w += x, x -= y, y += z, z -= w * 0.25;
  }
  return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ BitsOf(w + x + y + z);
}

__attribute__((noinline)) uint64_t ChurnAlone(uint64_t seed) {
  uint64_t a = seed, b = seed * 3, c = seed * 5, d = seed * 7, e = seed * 11, f = seed * 13;
  uint64_t g = seed * 17, h = seed * 19, i = seed * 23, j = seed * 29, k = seed * 31;
  double w = static_cast<double>(seed), x = w * 1.5, y = w * 2.5, z = w * 3.5;
  for (int round = 0; round < 50; round++) {
    a += b, b ^= c, c += d, d ^= e, e += f, f ^= g, g += h, h ^= i, i += j, j ^= k, k += a;
    w += x, x -= y, y += z, z -= w * 0.25;
  }
  return a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ BitsOf(w + x + y + z);
}

uint64_t churned_away;

void ChurnAway(void *argument) {
  auto *pair = static_cast<Pair *>(argument);
  weir_internal_context_entered(&pair->home);
  churned_away = Churn(pair, false, 0x1234567);
  weir_internal_context_leave(&pair->away, &pair->home);
}

TEST(Context, KeepsEveryCalleeSavedRegister) {
  Stack stack;
  Pair pair;
  weir_internal_context_make(&pair.away, stack.bottom(), kStackSize, ChurnAway, &pair);
  uint64_t churned_home = Churn(&pair, true, 0x89abcde);
  weir_internal_context_switch(&pair.home, &pair.away);
  weir_internal_context_destroy(&pair.away);
  EXPECT_EQ(ChurnAlone(0x89abcde), churned_home);
  EXPECT_EQ(ChurnAlone(0x1234567), churned_away);
}

int rounding_at_start;
int rounding_after_switch;

void RoundUpAway(void *argument) {
  auto *pair = static_cast<Pair *>(argument);
  weir_internal_context_entered(&pair->home);
  rounding_at_start = std::fegetround();
  std::fesetround(FE_UPWARD);
  weir_internal_context_switch(&pair->away, &pair->home);
  rounding_after_switch = std::fegetround();
  weir_internal_context_leave(&pair->away, &pair->home);
}

TEST(Context, KeepsTheRoundingModeOfEachSide) {
  Stack stack;
  Pair pair;
  weir_internal_context_make(&pair.away, stack.bottom(), kStackSize, RoundUpAway, &pair);
  weir_internal_context_switch(&pair.home, &pair.away);
  EXPECT_EQ(FE_TONEAREST, std::fegetround());
  std::fesetround(FE_DOWNWARD);
  weir_internal_context_switch(&pair.home, &pair.away);
  EXPECT_EQ(FE_DOWNWARD, std::fegetround());
  std::fesetround(FE_TONEAREST);
  weir_internal_context_destroy(&pair.away);
  EXPECT_EQ(FE_TONEAREST, rounding_at_start);
  EXPECT_EQ(FE_UPWARD, rounding_after_switch);
}

uintptr_t stack_of_frame;

void AlignedAway(void *argument) {
  auto *pair = static_cast<Pair *>(argument);
  weir_internal_context_entered(&pair->home);
  stack_of_frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  weir_internal_context_leave(&pair->away, &pair->home);
}

TEST(Context, StartsWithAnAlignedStackInsideItsBounds) {
  Stack stack;
  Pair pair;
  weir_internal_context_make(&pair.away, stack.bottom(), kStackSize, AlignedAway, &pair);
  weir_internal_context_switch(&pair.home, &pair.away);
  weir_internal_context_destroy(&pair.away);
  EXPECT_EQ(0u, stack_of_frame % 16);
  auto bottom = reinterpret_cast<uintptr_t>(stack.bottom());
  EXPECT_GT(stack_of_frame, bottom);
  EXPECT_LT(stack_of_frame, bottom + kStackSize);
}

}  // namespace
