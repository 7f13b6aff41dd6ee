// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "weir/address.h"

namespace {

const size_t kBeforePath = offsetof(sockaddr_un, sun_path);

std::string Format(const weir_address &address) {
  char text[WEIR_ADDRESS_TEXT_SIZE];
  return weir_address_format(&address, text);
}

std::string NameOf(const weir_address &address) {
  weir_bytes bytes = weir_address_bytes(&address);
  return std::string(bytes.data, bytes.size);
}

TEST(UnixAddress, APathEndsWithANul) {
  weir_address address;
  ASSERT_EQ(0, weir_address_unix(&address, "/run/weir"));
  EXPECT_EQ(AF_UNIX, address.socket.any.sa_family);
  EXPECT_EQ(kBeforePath + sizeof "/run/weir", address.size);
  EXPECT_STREQ("/run/weir", address.socket.local.sun_path);
  EXPECT_EQ("unix:/run/weir", Format(address));
  EXPECT_EQ("/run/weir", NameOf(address));
  EXPECT_EQ(0, weir_address_port(&address));
}

TEST(UnixAddress, AnAbstractNameHasItsExactSize) {
  weir_address address;
  ASSERT_EQ(0, weir_address_unix(&address, "@weir"));
  EXPECT_EQ(kBeforePath + 1 + 4, address.size);
  EXPECT_EQ(std::string("\0weir", 5), std::string(address.socket.local.sun_path, 5));
  EXPECT_EQ("unix:@weir", Format(address));
  EXPECT_EQ("weir", NameOf(address));
  weir_address again;
  ASSERT_EQ(0, weir_address_unix_abstract(&again, weir_text("weir")));
  EXPECT_TRUE(weir_address_equal(&address, &again));
}

TEST(UnixAddress, OnlyTheFirstAtSignIsNotTheName) {
  weir_address address;
  ASSERT_EQ(0, weir_address_unix(&address, "@@"));
  EXPECT_EQ("@", NameOf(address));
  ASSERT_EQ(0, weir_address_unix(&address, "./@weir"));
  EXPECT_EQ("unix:./@weir", Format(address));
}

// Ktor's copied any length over the end of the struct.
TEST(UnixAddress, ATooLongOneIsRefused) {
  for (const char *before : {"", "@"}) {
    weir_address address;
    for (size_t size = 1; size <= 107; size++) {
      const std::string path = before + std::string(size, 'x');
      ASSERT_EQ(0, weir_address_unix(&address, path.c_str())) << size;
      ASSERT_EQ("unix:" + path, Format(address));
    }
    for (size_t size : {108, 109, 1000, 100000}) {
      const std::string path = before + std::string(size, 'x');
      EXPECT_EQ(-ENAMETOOLONG, weir_address_unix(&address, path.c_str())) << size;
      EXPECT_EQ(0u, address.size);
      EXPECT_EQ("?", Format(address));
    }
  }
}

TEST(UnixAddress, AnEmptyOneIsRefused) {
  weir_address address;
  EXPECT_EQ(-EINVAL, weir_address_unix(&address, ""));
  EXPECT_EQ(-EINVAL, weir_address_unix(&address, "@"));
  EXPECT_EQ(-EINVAL, weir_address_unix(&address, nullptr));
  EXPECT_EQ(-EINVAL, weir_address_unix_abstract(&address, weir_text("")));
}

TEST(UnixAddress, EveryByteMayBeInAnAbstractName) {
  for (int byte = 0; byte < 256; byte++) {
    const char name[] = {'a', static_cast<char>(byte), 'b'};
    weir_address address;
    ASSERT_EQ(0, weir_address_unix_abstract(&address, weir_bytes_of(name, 3)));
    EXPECT_EQ(std::string(name, 3), NameOf(address));
    const bool control = byte < 32 || byte == 127;
    EXPECT_EQ("unix:@a" + std::string(1, control ? '?' : name[1]) + "b", Format(address));
  }
}

// As the kernel reports a peer that has bound itself to it.
TEST(UnixAddress, APathThatBeginsWithAtDoesNotLookAbstract) {
  weir_address address;
  ASSERT_EQ(0, weir_address_unix(&address, "?admin"));
  address.socket.local.sun_path[0] = '@';
  EXPECT_EQ("unix:./@admin", Format(address));
}

TEST(UnixAddress, EqualMeansTheSameKindAndName) {
  weir_address path, same, longer, abstract;
  ASSERT_EQ(0, weir_address_unix(&path, "weir"));
  ASSERT_EQ(0, weir_address_unix(&same, "weir"));
  ASSERT_EQ(0, weir_address_unix(&longer, "weirs"));
  ASSERT_EQ(0, weir_address_unix(&abstract, "@weir"));
  EXPECT_TRUE(weir_address_equal(&path, &same));
  EXPECT_FALSE(weir_address_equal(&path, &longer));
  EXPECT_FALSE(weir_address_equal(&path, &abstract));
  EXPECT_FALSE(weir_address_equal(&abstract, &path));
}

// What the kernel reports need not look like what it was told.
TEST(UnixAddress, APathWithAndWithoutItsNulIsTheSame) {
  weir_address one, other;
  ASSERT_EQ(0, weir_address_unix(&one, "weir"));
  other = one;
  other.size--;
  EXPECT_TRUE(weir_address_equal(&one, &other));
  EXPECT_EQ(weir_address_hash(&one, 0), weir_address_hash(&other, 0));
  EXPECT_EQ("unix:weir", Format(other));
}

class Bound : public ::testing::Test {
 protected:
  void SetUp() override { fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
  void TearDown() override { close(fd_); }

  weir_address Local() const {
    weir_address address = {};
    address.size = sizeof address.socket;
    EXPECT_EQ(0, getsockname(fd_, &address.socket.any, &address.size));
    return address;
  }

  int fd_ = -1;
};

TEST_F(Bound, OneWithoutANameIsNobody) {
  const weir_address nobody = Local();
  EXPECT_EQ("unix:", Format(nobody));
  EXPECT_EQ("", NameOf(nobody));
  EXPECT_FALSE(weir_address_equal(&nobody, &nobody));
}

TEST_F(Bound, TheKernelTakesAndReturnsAnAbstractName) {
  weir_address address;
  const std::string name = "weir-" + std::to_string(getpid()) + std::string("\0x", 2);
  ASSERT_EQ(0, weir_address_unix_abstract(&address, weir_bytes_of(name.data(), name.size())));
  ASSERT_EQ(0, bind(fd_, &address.socket.any, address.size));
  const weir_address local = Local();
  EXPECT_TRUE(weir_address_equal(&address, &local)) << Format(local);
}

TEST_F(Bound, TheKernelTakesAndReturnsTheLongestPath) {
  // Relative, so that it is just as long as it may be.
  ASSERT_EQ(0, chdir(::testing::TempDir().c_str()));
  const std::string path = std::to_string(getpid()) + std::string(80, 'x');
  weir_address address;
  ASSERT_EQ(0, weir_address_unix(&address, (path + std::string(107 - path.size(), 'y')).c_str()));
  ASSERT_EQ(0, bind(fd_, &address.socket.any, address.size));
  const weir_address local = Local();
  EXPECT_TRUE(weir_address_equal(&address, &local)) << Format(local);
  EXPECT_EQ(0, unlink(address.socket.local.sun_path));
}

// Others may bind a path of 108 bytes, for whose NUL there is no room.
TEST_F(Bound, APathThatFillsTheStructIsShownWhole) {
  ASSERT_EQ(0, chdir(::testing::TempDir().c_str()));
  const std::string path = std::to_string(getpid()) + std::string(98, 'z');
  const std::string full = path + std::string(108 - path.size(), 'y');
  weir_address address = {};
  address.size = sizeof address.socket.local;
  address.socket.local.sun_family = AF_UNIX;
  memcpy(address.socket.local.sun_path, full.data(), full.size());
  ASSERT_EQ(0, bind(fd_, &address.socket.any, address.size));
  const weir_address local = Local();
  EXPECT_EQ("unix:" + full, Format(local)) << local.size;
  EXPECT_TRUE(weir_address_equal(&address, &local));
  EXPECT_EQ(0, unlink(full.c_str()));
}

}  // namespace
