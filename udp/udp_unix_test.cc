// SPDX-License-Identifier: Apache-2.0
//
// What only datagram sockets with paths and abstract names have.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/udp_pair.h"
#include "testing/unix_path.h"
#include "weir/udp.h"

namespace {

using weir_testing::BindLike;
using weir_testing::ConnectTo;
using weir_testing::EndOf;
using weir_testing::Exists;
using weir_testing::ExpectRun;
using weir_testing::FreeUnixName;
using weir_testing::FreeUnixPath;
using weir_testing::LaunchJob;
using weir_testing::LeaveBehind;
using weir_testing::Receive;
using weir_testing::Received;
using weir_testing::Send;
using weir_testing::Udp;
using weir_testing::UnixAddress;

class UdpUnix : public weir_testing::LeakCheckedTest {};

TEST_F(UdpUnix, CloseRemovesTheFile) {
  ExpectRun([] {
    std::string path = FreeUnixPath();
    weir_udp_socket *socket = BindLike(UnixAddress(path));
    EXPECT_EQ("unix:" + path, weir_udp_local_address(socket));
    EXPECT_EQ(0, weir_udp_port(socket));
    EXPECT_TRUE(Exists(path));
    EXPECT_EQ(0, weir_udp_close(socket));
    EXPECT_FALSE(Exists(path));
    return 0;
  });
}

TEST_F(UdpUnix, CloseLeavesTheFileOfAnother) {
  ExpectRun([] {
    std::string path = FreeUnixPath();
    weir_udp_socket *socket = BindLike(UnixAddress(path));
    EXPECT_EQ(0, unlink(path.c_str()));
    LeaveBehind(path, SOCK_DGRAM);
    EXPECT_EQ(0, weir_udp_close(socket));
    EXPECT_TRUE(Exists(path));
    return unlink(path.c_str());
  });
}

TEST_F(UdpUnix, AStaleFileIsReplacedWhenAskedFor) {
  ExpectRun([] {
    std::string path = FreeUnixPath();
    LeaveBehind(path, SOCK_DGRAM);
    weir_udp_socket *socket = nullptr;
    weir_address address = UnixAddress(path);
    EXPECT_EQ(-EADDRINUSE, weir_udp_bind_address(Udp(), &socket, &address));
    weir_udp_builder udp = Udp();
    udp.options.reuse_address = true;
    socket = BindLike(address, udp);
    // One that is alive never is, and nor is what is no socket.
    weir_udp_socket *second = nullptr;
    EXPECT_EQ(-EADDRINUSE, weir_udp_bind_address(udp, &second, &address));
    EXPECT_EQ(0, weir_udp_close(socket));
    std::ofstream(path) << "precious";
    EXPECT_EQ(-EADDRINUSE, weir_udp_bind_address(udp, &second, &address));
    EXPECT_TRUE(Exists(path));
    return unlink(path.c_str());
  });
}

TEST_F(UdpUnix, AClientHasANameToBeAnswered) {
  ExpectRun([] {
    weir_udp_socket *server = BindLike(UnixAddress(FreeUnixName()));
    weir_udp_socket *client = ConnectTo(server);
    EXPECT_EQ(0u, std::string(weir_udp_local_address(client)).find("unix:@"));
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_F(UdpUnix, ASenderWithoutANameHasNoAddress) {
  ExpectRun([] {
    weir_address place = UnixAddress(FreeUnixName());
    weir_udp_socket *server = BindLike(place);
    int outside = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(1, sendto(outside, "x", 1, 0, &place.socket.any, place.size));
    close(outside);
    Received received = Receive(server);
    EXPECT_EQ("x", received.data);
    EXPECT_EQ(0u, received.address.size);
    EXPECT_EQ(-EDESTADDRREQ, Send(server, "y", &received.address));
    return weir_udp_close(server);
  });
}

TEST_F(UdpUnix, AMissingOrForeignPathIsReported) {
  ExpectRun([] {
    weir_udp_socket *socket = nullptr;
    weir_address nowhere = UnixAddress(FreeUnixPath());
    EXPECT_EQ(-ENOENT, weir_udp_connect_address(Udp(), &socket, &nowhere));
    weir_address no_folder = UnixAddress("no-such-folder/socket");
    EXPECT_EQ(-ENOENT, weir_udp_bind_address(Udp(), &socket, &no_folder));
    EXPECT_EQ(nullptr, socket);
    // Ktor copies a path of any length.
    weir_address too_long = {};
    EXPECT_EQ(-ENAMETOOLONG, weir_address_unix(&too_long, std::string(108, 'x').c_str()));
    EXPECT_EQ(-EINVAL, weir_udp_bind_address(Udp(), &socket, &too_long));
    return 0;
  });
}

// The queue of a unix socket is short, and full of what others sent: of room in it, the kernel does
// not tell a socket that is not connected.
TEST_F(UdpUnix, AFullQueueOfStrangersIsWaitedFor) {
  ExpectRun([] {
    weir_address place = UnixAddress(FreeUnixName());
    weir_udp_socket *server = BindLike(place);
    int outside = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int filled = 0;
    while (sendto(outside, "x", 1, 0, &place.socket.any, place.size) == 1) filled++;
    EXPECT_GT(filled, 0);
    weir_udp_socket *sender = BindLike(UnixAddress(FreeUnixName()));
    weir_job *job = LaunchJob([=] { return Send(sender, "last", &place); });
    weir_udp_builder udp = Udp();
    udp.options.socket_timeout = 5 * WEIR_MILLISECOND;
    weir_udp_socket *impatient = BindLike(UnixAddress(FreeUnixName()), udp);
    EXPECT_EQ(-ETIME, Send(impatient, "never", &place));
    for (int i = 0; i < filled; i++) EXPECT_EQ("x", Receive(server).data);
    EXPECT_EQ("last", Receive(server).data);
    EXPECT_EQ(0, EndOf(job));
    while (sendto(outside, "x", 1, 0, &place.socket.any, place.size) == 1) continue;
    close(outside);
    job = LaunchJob([=] { return Send(sender, "never", &place); });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_udp_close(impatient));
    EXPECT_EQ(0, weir_udp_close(sender));
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(job));
    return weir_udp_close(server);
  });
}

}  // namespace
