// SPDX-License-Identifier: Apache-2.0

#include "weir/base.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "base/internal/list.h"
#include "base/internal/memory.h"

namespace {

const int kOwnErrors[] = {
    WEIR_E_END_OF_STREAM,  WEIR_E_LINE_TOO_LONG,    WEIR_E_INVALID_UTF8, WEIR_E_CLOSED,
    WEIR_E_TLS_TRUNCATED,  WEIR_E_TLS_CERTIFICATE,  WEIR_E_TLS_PROTOCOL, WEIR_E_LINE_UNTERMINATED,
    WEIR_E_NAME_NOT_FOUND, WEIR_E_NAME_TRY_AGAIN,   WEIR_E_NAME_FAILED,  WEIR_E_SERVICE_NOT_FOUND,
    WEIR_E_TLS_ALERT,      WEIR_E_TLS_NO_AGREEMENT, WEIR_E_TLS_LIBRARY,  WEIR_E_TLS_PEM,
    WEIR_E_TLS_CHAIN,      WEIR_E_TLS_KEY,          WEIR_E_TLS_NO_ROOTS,
};

TEST(Error, KernelCodesKeepTheirNames) {
  EXPECT_STREQ("ECONNREFUSED", weir_error_name(-ECONNREFUSED));
  EXPECT_STREQ("EAGAIN", weir_error_name(-EAGAIN));
  EXPECT_STREQ("ECANCELED", weir_error_name(-ECANCELED));
  EXPECT_STREQ("0", weir_error_name(0));
  EXPECT_STREQ("0", weir_error_name(17));
}

TEST(Error, OwnCodesLieOutsideTheKernelsRange) {
  std::set<std::string> names, messages;
  for (int code : kOwnErrors) {
    EXPECT_LT(code, -4095);
    names.insert(weir_error_name(code));
    messages.insert(weir_error_message(code));
    EXPECT_EQ(0u, std::string(weir_error_name(code)).find("WEIR_E_"));
  }
  EXPECT_EQ(std::size(kOwnErrors), names.size());
  EXPECT_EQ(std::size(kOwnErrors), messages.size());
}

TEST(Error, EveryCodeHasAMessageAndUnknownOnesSaySo) {
  for (int code = 0; code > -5000; code--) {
    ASSERT_NE(nullptr, weir_error_name(code));
    ASSERT_GT(strlen(weir_error_message(code)), 0u);
  }
  EXPECT_STREQ("UNKNOWN", weir_error_name(-4242));
  EXPECT_STREQ("UNKNOWN", weir_error_name(-2147483647 - 1));
  EXPECT_STREQ("unknown error", weir_error_message(-4242));
  EXPECT_STREQ("timed out", weir_error_message(-ETIMEDOUT));
}

TEST(Bytes, TextLeavesOutTheFinalNul) {
  weir_bytes text = weir_text("abc");
  EXPECT_EQ(3u, text.size);
  EXPECT_EQ(0u, weir_text("").size);
  EXPECT_EQ(2u, weir_bytes_of("\0x", 2).size);
}

struct Counters {
  int allocated = 0;
  int released = 0;
};

TEST(Allocator, ServesEveryAllocationAndMayFail) {
  Counters counters;
  weir_allocator allocator = {};
  allocator.context = &counters;
  allocator.allocate = [](void *context, size_t size) -> void * {
    auto *c = static_cast<Counters *>(context);
    return ++c->allocated == 2 ? nullptr : std::malloc(size);
  };
  allocator.release = [](void *context, void *memory, size_t) {
    static_cast<Counters *>(context)->released++;
    std::free(memory);
  };
  allocator.map = [](void *, size_t) -> void * { return nullptr; };
  EXPECT_EQ(-EINVAL, weir_set_allocator(&allocator));  // unmap is missing
  allocator.unmap = [](void *, void *, size_t) {};
  ASSERT_EQ(0, weir_set_allocator(&allocator));
  void *first = weir_internal_allocate(64);
  ASSERT_NE(nullptr, first);
  for (int i = 0; i < 64; i++) EXPECT_EQ(0, static_cast<char *>(first)[i]);
  EXPECT_EQ(nullptr, weir_internal_allocate(64));
  EXPECT_EQ(nullptr, weir_internal_map_pages(4096));
  weir_internal_release(first, 64);
  weir_internal_release(nullptr, 64);
  ASSERT_EQ(0, weir_set_allocator(nullptr));
  EXPECT_EQ(2, counters.allocated);
  EXPECT_EQ(1, counters.released);
}

TEST(List, KeepsOrderAndForgetsWhatIsRemoved) {
  weir_internal_list list, other;
  weir_internal_link a, b, c;
  for (auto *link : {&list, &other, &a, &b, &c}) weir_internal_link_init(link);
  EXPECT_EQ(nullptr, weir_internal_list_take_first(&list));
  weir_internal_list_append(&list, &a);
  weir_internal_list_append(&list, &b);
  weir_internal_list_append(&other, &c);
  weir_internal_list_move_all(&list, &other);
  weir_internal_list_move_all(&list, &other);
  EXPECT_TRUE(weir_internal_list_is_empty(&other));
  weir_internal_link_remove(&b);
  weir_internal_link_remove(&b);  // removing twice is legal
  EXPECT_FALSE(weir_internal_link_is_linked(&b));
  EXPECT_EQ(&a, weir_internal_list_take_first(&list));
  EXPECT_EQ(&c, weir_internal_list_take_first(&list));
  EXPECT_TRUE(weir_internal_list_is_empty(&list));
}

}  // namespace
