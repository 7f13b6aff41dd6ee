// SPDX-License-Identifier: Apache-2.0

#include "address/internal/host_name.h"

#include <gtest/gtest.h>

#include <string>

namespace {

bool Valid(const std::string &name) { return weir_internal_host_name_is_valid(name.c_str()); }

TEST(HostName, NamesOfHostsAreValid) {
  for (const char *name :
       {"a", "localhost", "example.org", "example.org.", "www.EXAMPLE.org", "xn--bcher-kva.example",
        "3com.com", "1.2.3.4.in-addr.arpa", "a-b", "under_score.example", "0x7f.example", "1e3",
        "127.0.0.1.example", "0xg", "-a.example", "a-.example", "a--b"}) {
    EXPECT_TRUE(Valid(name)) << name;
  }
}

TEST(HostName, OthersAreNot) {
  for (const char *name : {"",
                           ".",
                           "..",
                           "a..b",
                           ".a",
                           "a..",
                           "a b",
                           " a",
                           "a ",
                           "a/b",
                           "a:80",
                           "[::1]",
                           "::1",
                           "a@b",
                           "a%b",
                           "a\n",
                           "b\xc3\xbc"
                           "cher.example",
                           "user@host",
                           "http://a",
                           "*",
                           "a,b"}) {
    EXPECT_FALSE(Valid(name)) << name;
  }
}

// What inet_aton(3) would take for an address, and others for a name.
TEST(HostName, WhatLooksLikeAnAddressIsNone) {
  for (const char *name : {"1", "127.1", "127.0.0.256", "1.2.3.4.5", "2130706433", "0x7f000001",
                           "0x7f.0.0.0x1", "0x", "0X1", "01.2.3.4", "example.1", "127.0.0.1."}) {
    EXPECT_FALSE(Valid(name)) << name;
  }
}

TEST(HostName, LimitsAreExact) {
  const std::string label(63, 'a');
  EXPECT_TRUE(Valid(label));
  EXPECT_FALSE(Valid(label + "a"));
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  ASSERT_EQ(253u, longest.size());
  EXPECT_TRUE(Valid(longest));
  EXPECT_TRUE(Valid(longest + "."));
  EXPECT_FALSE(Valid(longest + "a"));
  EXPECT_FALSE(Valid(std::string(100000, 'a')));
}

bool EndsInLocalhost(const char *name) {
  return weir_internal_host_name_ends_in(name, "localhost");
}

TEST(HostName, TheLastLabelIsFoundInAnyCase) {
  for (const char *name :
       {"localhost", "LocalHost", "localhost.", "a.localhost", "a.b.LOCALHOST."}) {
    EXPECT_TRUE(EndsInLocalhost(name)) << name;
  }
  for (const char *name : {"localhos", "localhosts", "alocalhost", "localhost.example", "host"}) {
    EXPECT_FALSE(EndsInLocalhost(name)) << name;
  }
}

}  // namespace
