// SPDX-License-Identifier: Apache-2.0

#include "weir/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/resource.h>

#include <string>

namespace {

std::string Format(const weir_address &address) {
  char text[WEIR_ADDRESS_TEXT_SIZE];
  return weir_address_format(&address, text);
}

std::string RoundTrip(const char *host, uint16_t port) {
  weir_address address;
  int result = weir_address_parse(&address, host, port);
  return result == 0 ? Format(address) : weir_error_name(result);
}

TEST(AddressParse, AcceptsIpv4AndIpv6) {
  EXPECT_EQ("127.0.0.1:80", RoundTrip("127.0.0.1", 80));
  EXPECT_EQ("0.0.0.0:0", RoundTrip("0.0.0.0", 0));
  EXPECT_EQ("255.255.255.255:65535", RoundTrip("255.255.255.255", 65535));
  EXPECT_EQ("[::]:1", RoundTrip("::", 1));
  EXPECT_EQ("[::1]:2323", RoundTrip("::1", 2323));
  EXPECT_EQ("[::ffff:192.0.2.1]:7", RoundTrip("::ffff:192.0.2.1", 7));
}

TEST(AddressParse, RefusesWhatIsNone) {
  for (const char *host : {"",
                           " ",
                           "localhost",
                           "example.org",
                           "1.2.3",
                           "1.2.3.4.5",
                           "256.0.0.1",
                           "01.2.3.4",
                           "127.0.0.1 ",
                           " 127.0.0.1",
                           "127.0.0.1:80",
                           "0x7f.0.0.1",
                           "2130706433",
                           "[::1]",
                           ":::",
                           "1::2::3",
                           "::1/128",
                           "::g",
                           "::1%",
                           "1:2:3:4:5:6:7:8:9",
                           "127.0.0.1%lo",
                           "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"}) {
    EXPECT_EQ("EINVAL", RoundTrip(host, 80)) << "'" << host << "'";
  }
  EXPECT_EQ("EINVAL", RoundTrip(nullptr, 80));
}

TEST(AddressParse, FindsTheScopeByNameAndNumber) {
  unsigned index = if_nametoindex("lo");
  ASSERT_NE(0u, index);
  weir_address address;
  ASSERT_EQ(0, weir_address_parse(&address, "fe80::1%lo", 80));
  EXPECT_EQ(index, address.socket.ipv6.sin6_scope_id);
  EXPECT_EQ("[fe80::1%lo]:80", Format(address));
  EXPECT_EQ("[fe80::1%lo]:80", RoundTrip(("fe80::1%" + std::to_string(index)).c_str(), 80));
}

TEST(AddressParse, ReportsAnInterfaceThatIsNotThere) {
  EXPECT_EQ("ENODEV", RoundTrip("fe80::1%no-such-one", 80));
  EXPECT_EQ("ENODEV", RoundTrip("fe80::1%4294967295", 80));
  EXPECT_EQ("ENODEV", RoundTrip("fe80::1%99999999999999999999", 80));
  EXPECT_EQ("ENODEV", RoundTrip("fe80::1%0", 80));
}

TEST(AddressFormat, GivesTheNumberOfAnInterfaceThatHasGone) {
  weir_address address;
  ASSERT_EQ(0, weir_address_parse(&address, "fe80::1", 80));
  address.socket.ipv6.sin6_scope_id = UINT32_MAX;
  EXPECT_EQ("[fe80::1%4294967295]:80", Format(address));
}

TEST(AddressFormat, TheLongestTextFits) {
  weir_address address;
  ASSERT_EQ(0, weir_address_parse(&address, "1111:2222:3333:4444:5555:6666:7777:8888", 65535));
  address.socket.ipv6.sin6_scope_id = UINT32_MAX;
  EXPECT_EQ("[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535", Format(address));
}

TEST(AddressFormat, OtherFamiliesAndNothingAreAQuestionMark) {
  weir_address address = {};
  EXPECT_EQ("?", Format(address));
  EXPECT_EQ(0, weir_address_port(&address));
  address.size = sizeof address.socket;
  address.socket.any.sa_family = AF_NETLINK;
  EXPECT_EQ("?", Format(address));
  ASSERT_EQ(0, weir_address_parse(&address, "::1", 80));
  address.size = sizeof(struct sockaddr_in);  // cut off
  EXPECT_EQ("?", Format(address));
}

TEST(AddressPort, IsInHostOrder) {
  weir_address address;
  ASSERT_EQ(0, weir_address_parse(&address, "127.0.0.1", 2323));
  EXPECT_EQ(2323, weir_address_port(&address));
  EXPECT_EQ(htons(2323), address.socket.ipv4.sin_port);
  ASSERT_EQ(0, weir_address_parse(&address, "::1", 65535));
  EXPECT_EQ(65535, weir_address_port(&address));
}

bool Equal(const char *first, uint16_t first_port, const char *second, uint16_t second_port) {
  weir_address one, other;
  EXPECT_EQ(0, weir_address_parse(&one, first, first_port));
  EXPECT_EQ(0, weir_address_parse(&other, second, second_port));
  return weir_address_equal(&one, &other);
}

TEST(AddressEqual, ComparesAddressPortAndScope) {
  EXPECT_TRUE(Equal("127.0.0.1", 80, "127.0.0.1", 80));
  EXPECT_FALSE(Equal("127.0.0.1", 80, "127.0.0.2", 80));
  EXPECT_FALSE(Equal("127.0.0.1", 80, "127.0.0.1", 81));
  EXPECT_TRUE(Equal("::1", 80, "0:0:0:0:0:0:0:1", 80));
  EXPECT_FALSE(Equal("::1", 80, "::2", 80));
  EXPECT_FALSE(Equal("::1", 80, "::1", 81));
  EXPECT_FALSE(Equal("fe80::1", 80, "fe80::1%lo", 80));
  EXPECT_FALSE(Equal("127.0.0.1", 80, "::ffff:127.0.0.1", 80));
  weir_address nothing = {};
  EXPECT_FALSE(weir_address_equal(&nothing, &nothing));
}

TEST(AddressEqual, IgnoresTheFlowLabel) {
  weir_address one, other;
  ASSERT_EQ(0, weir_address_parse(&one, "::1", 80));
  other = one;
  other.socket.ipv6.sin6_flowinfo = 7;
  EXPECT_TRUE(weir_address_equal(&one, &other));
}

TEST(AddressFromBytes, TakesFourOrSixteen) {
  weir_address address;
  const char ipv4[] = {127, 0, 0, 1};
  ASSERT_EQ(0, weir_address_from_bytes(&address, weir_bytes_of(ipv4, 4), 80));
  EXPECT_EQ("127.0.0.1:80", Format(address));
  char ipv6[16] = {};
  ipv6[15] = 1;
  ASSERT_EQ(0, weir_address_from_bytes(&address, weir_bytes_of(ipv6, 16), 80));
  EXPECT_EQ("[::1]:80", Format(address));
  for (size_t size = 0; size <= 17; size++) {
    if (size == 4 || size == 16) continue;
    char bytes[17] = {};
    EXPECT_EQ(-EINVAL, weir_address_from_bytes(&address, weir_bytes_of(bytes, size), 80)) << size;
    EXPECT_EQ("?", Format(address));
  }
}

std::string BytesOf(const char *host) {
  weir_address address;
  EXPECT_EQ(0, weir_address_parse(&address, host, 80));
  weir_bytes bytes = weir_address_bytes(&address);
  return std::string(bytes.data, bytes.size);
}

TEST(AddressBytes, AreInNetworkOrder) {
  EXPECT_EQ(std::string("\x7f\0\0\x01", 4), BytesOf("127.0.0.1"));
  EXPECT_EQ(std::string(15, '\0') + "\x01", BytesOf("::1"));
  weir_address nobody = {};
  EXPECT_EQ(0u, weir_address_bytes(&nobody).size);
}

TEST(PortParse, AcceptsTheRangeAndNothingElse) {
  uint16_t port = 1;
  EXPECT_EQ(0, weir_port_parse(&port, "0"));
  EXPECT_EQ(0, port);
  EXPECT_EQ(0, weir_port_parse(&port, "65535"));
  EXPECT_EQ(65535, port);
  EXPECT_EQ(0, weir_port_parse(&port, "0080"));
  EXPECT_EQ(80, port);
  for (const char *text : {"", "65536", "-1", "+1", " 1", "1 ", "1a", "0x10", "1.0",
                           "18446744073709551616", "100000000000000000000000000"}) {
    EXPECT_EQ(-EINVAL, weir_port_parse(&port, text)) << "'" << text << "'";
    EXPECT_EQ(80, port);
  }
  EXPECT_EQ(-EINVAL, weir_port_parse(&port, nullptr));
}

// The names of interfaces are asked for through a socket, which may not be had.
class WithoutDescriptors {
 public:
  WithoutDescriptors() {
    EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &before_));
    rlimit none = before_;
    none.rlim_cur = 0;
    EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
  }
  ~WithoutDescriptors() { EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &before_)); }
  WithoutDescriptors(const WithoutDescriptors &) = delete;
  WithoutDescriptors &operator=(const WithoutDescriptors &) = delete;

 private:
  rlimit before_ = {};
};

TEST(AddressParse, SaysWhenDescriptorsRanOut) {
  unsigned index = if_nametoindex("lo");
  ASSERT_NE(0u, index);
  weir_address address;
  for (const std::string &zone : {std::string("lo"), std::to_string(index)}) {
    WithoutDescriptors none;
    EXPECT_EQ(-EMFILE, weir_address_parse(&address, ("fe80::1%" + zone).c_str(), 1)) << zone;
    EXPECT_EQ(0u, address.size);
    // Without a zone no descriptor is needed.
    EXPECT_EQ(0, weir_address_parse(&address, "fe80::1", 1));
  }
  EXPECT_EQ("[fe80::1%lo]:1", RoundTrip("fe80::1%lo", 1));
}

TEST(AddressFormat, TakesTheNumberWhenTheNameCannotBeHad) {
  unsigned index = if_nametoindex("lo");
  ASSERT_NE(0u, index);
  weir_address address;
  ASSERT_EQ(0, weir_address_parse(&address, "fe80::1%lo", 1));
  WithoutDescriptors none;
  EXPECT_EQ("[fe80::1%" + std::to_string(index) + "]:1", Format(address));
}

}  // namespace
