// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/stack_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "coroutine/internal/sanitizers.h"

namespace {

constexpr size_t kSize = 64 * 1024;

class StackPool : public ::testing::Test {
 protected:
  void SetUp() override { weir_internal_stack_pool_init(&pool_, kSize); }
  void TearDown() override { weir_internal_stack_pool_destroy(&pool_); }
  weir_internal_stack_pool pool_;
};

TEST_F(StackPool, GivesDistinctWritableStacks) {
  std::vector<weir_internal_stack *> stacks;
  for (int i = 0; i < 300; i++) {
    weir_internal_stack *stack = weir_internal_stack_take(&pool_);
    ASSERT_NE(nullptr, stack);
    ASSERT_GE(stack->top - stack->bottom, static_cast<ptrdiff_t>(kSize - 1024));
    std::memset(stack->bottom, i, static_cast<size_t>(stack->top - stack->bottom));
    stacks.push_back(stack);
  }
  std::set<char *> bottoms;
  for (size_t i = 0; i < stacks.size(); i++) {
    bottoms.insert(stacks[i]->bottom);
    EXPECT_EQ(static_cast<char>(i), *stacks[i]->bottom);
    EXPECT_EQ(static_cast<char>(i), stacks[i]->top[-1]);
  }
  EXPECT_EQ(stacks.size(), bottoms.size());
  for (auto *stack : stacks) weir_internal_stack_return(&pool_, stack);
}

TEST_F(StackPool, ReusesTheLastOneReturnedFirst) {
  weir_internal_stack *first = weir_internal_stack_take(&pool_);
  weir_internal_stack *second = weir_internal_stack_take(&pool_);
  weir_internal_stack_return(&pool_, first);
  weir_internal_stack_return(&pool_, second);
  EXPECT_EQ(second, weir_internal_stack_take(&pool_));
  EXPECT_EQ(first, weir_internal_stack_take(&pool_));
  weir_internal_stack_return(&pool_, first);
  weir_internal_stack_return(&pool_, second);
}

TEST_F(StackPool, TopsDifferInTheirCacheLine) {
  std::set<uintptr_t> lines;
  std::vector<weir_internal_stack *> stacks;
  for (int i = 0; i < 16; i++) {
    stacks.push_back(weir_internal_stack_take(&pool_));
    lines.insert(reinterpret_cast<uintptr_t>(stacks.back()->top) % 4096);
  }
  EXPECT_EQ(16u, lines.size());
  for (auto *stack : stacks) weir_internal_stack_return(&pool_, stack);
}

TEST_F(StackPool, GuardPageStopsAnOverflow) {
  weir_internal_stack *stack = weir_internal_stack_take(&pool_);
  EXPECT_DEATH(*static_cast<volatile char *>(stack->bottom - 1) = 1, "");
  weir_internal_stack_return(&pool_, stack);
}

TEST_F(StackPool, GivesTheMemoryOfManyFreeStacksBack) {
  std::vector<weir_internal_stack *> stacks;
  for (int i = 0; i < 3000; i++) {
    stacks.push_back(weir_internal_stack_take(&pool_));
    ASSERT_NE(nullptr, stacks.back());
    stacks.back()->top[-1] = 1;
  }
  for (auto *stack : stacks) weir_internal_stack_return(&pool_, stack);
  size_t resident = 0;
  for (auto *stack : stacks) {
    unsigned char in_memory = 0;
    auto page = reinterpret_cast<uintptr_t>(stack->top - 1) & ~uintptr_t{4095};
    ASSERT_EQ(0, mincore(reinterpret_cast<void *>(page), 4096, &in_memory));
    resident += in_memory & 1;
  }
  EXPECT_LE(resident, 1024u);
}

#if WEIR_INTERNAL_ASAN
TEST_F(StackPool, LeakCheckersFindWhatIsOnAStackAndNoGuardPage) {
  weir_internal_stack *stack = weir_internal_stack_take(&pool_);
  auto *slot = reinterpret_cast<void **>(stack->top - 256);
  *slot = std::malloc(100);
  EXPECT_EQ(0, __lsan_do_recoverable_leak_check());
  std::free(*slot);
  weir_internal_stack_return(&pool_, stack);
}
#endif

TEST(StackPoolFailure, NoGuardPageNoStack) {
  weir_allocator allocator = {};
  allocator.allocate = [](void *, size_t size) { return std::malloc(size); };
  allocator.release = [](void *, void *memory, size_t) { std::free(memory); };
  allocator.map = [](void *, size_t size) { return std::aligned_alloc(4096, size); };
  allocator.unmap = [](void *, void *memory, size_t) { std::free(memory); };
  allocator.guard = [](void *, void *, size_t) { return -ENOMEM; };
  ASSERT_EQ(0, weir_set_allocator(&allocator));
  weir_internal_stack_pool pool;
  weir_internal_stack_pool_init(&pool, kSize);
  EXPECT_EQ(nullptr, weir_internal_stack_take(&pool));
  weir_internal_stack_pool_destroy(&pool);
  ASSERT_EQ(0, weir_set_allocator(nullptr));
}

}  // namespace
