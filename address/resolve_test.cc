// SPDX-License-Identifier: Apache-2.0

#include "weir/resolve.h"

#include <netdb.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/virtual_clock.h"

namespace {

using weir_testing::EndOf;
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;

std::string Format(const weir_address &address) {
  char text[WEIR_ADDRESS_TEXT_SIZE];
  return weir_address_format(&address, text);
}

// What weir_resolve says, in one line.
std::string Resolve(const char *host, const weir_resolve_options *options = nullptr,
                    size_t capacity = 8) {
  std::vector<weir_address> found(capacity);
  const int count = weir_resolve(found.data(), capacity, options, host, 80);
  if (count <= 0) return weir_error_name(count);
  std::string texts;
  for (int i = 0; i < count; i++) texts += (i > 0 ? " " : "") + Format(found[i]);
  return texts;
}

std::string Resolve(const char *host, weir_family family) {
  weir_resolve_options options = {};
  options.family = family;
  return Resolve(host, &options);
}

// Stands in for getaddrinfo(3): answers at once, or holds its threads until they are let go.
struct System {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> asked;  // host, service, family, type of socket
  int result = 0;
  std::vector<const char *> addresses;
  bool holds = false;
  int inside = 0;
  int lists = 0;  // not freed yet
};
System *the_system;

addrinfo *Entry(const char *host, addrinfo *next) {
  auto *entry = new addrinfo{};
  auto *address = new weir_address;
  EXPECT_EQ(0, weir_address_parse(address, host, 7));
  entry->ai_addr = &address->socket.any;
  entry->ai_addrlen = address->size;
  entry->ai_canonname = reinterpret_cast<char *>(address);
  entry->ai_next = next;
  return entry;
}

int AskSystem(void *, const char *host, const char *service, const addrinfo *hints,
              addrinfo **out) {
  System &system = *the_system;
  std::unique_lock<std::mutex> lock(system.mutex);
  system.asked.push_back(
      std::string(host == nullptr ? "-" : host) + " " + (service == nullptr ? "-" : service) + " " +
      std::to_string(hints->ai_family) + " " + std::to_string(hints->ai_socktype));
  system.inside++;
  system.changed.notify_all();
  system.changed.wait(lock, [&] { return !system.holds; });
  system.inside--;
  if (system.result < 0) return system.result;
  *out = nullptr;
  for (auto at = system.addresses.rbegin(); at != system.addresses.rend(); ++at) {
    *out = Entry(*at, *out);
  }
  system.lists++;
  return 0;
}

void FreeNames(void *, addrinfo *list) {
  std::lock_guard<std::mutex> lock(the_system->mutex);
  the_system->lists--;
  while (list != nullptr) {
    addrinfo *next = list->ai_next;
    delete reinterpret_cast<weir_address *>(list->ai_canonname);
    delete list;
    list = next;
  }
}

class Resolving : public weir_testing::LeakCheckedTest {
 protected:
  void SetUp() override {
    LeakCheckedTest::SetUp();
    the_system = &system_;
    calls_.resolve = AskSystem;
    calls_.free_names = FreeNames;
    options_.system_calls = &calls_;
  }
  void TearDown() override {
    EXPECT_EQ(0, system_.lists);
    EXPECT_EQ(0, system_.inside);
    LeakCheckedTest::TearDown();
  }

  // Blocks until a thread is inside; those who wait do not need this one.
  void AwaitThread() {
    std::unique_lock<std::mutex> lock(system_.mutex);
    system_.changed.wait(lock, [&] { return system_.inside > 0; });
  }
  void LetGo() {
    std::lock_guard<std::mutex> lock(system_.mutex);
    system_.holds = false;
    system_.changed.notify_all();
  }

  System system_;
  weir_internal_system_calls calls_ = weir_internal_kernel;
  weir_selector_options options_ = {};
};

TEST_F(Resolving, NumericHostsAreNotLookedUp) {
  ExpectRun(options_, [] {
    EXPECT_EQ("127.0.0.1:80", Resolve("127.0.0.1"));
    EXPECT_EQ("[::1]:80", Resolve("::1"));
    EXPECT_EQ("[fe80::1%lo]:80", Resolve("fe80::1%lo"));
    EXPECT_EQ("127.0.0.1:80", Resolve("127.0.0.1", WEIR_IPV4));
    EXPECT_EQ("WEIR_E_NAME_NOT_FOUND", Resolve("127.0.0.1", WEIR_IPV6));
    EXPECT_EQ("WEIR_E_NAME_NOT_FOUND", Resolve("::1", WEIR_IPV4));
    EXPECT_EQ("ENODEV", Resolve("fe80::1%no-such-one"));
    return 0;
  });
  EXPECT_EQ(0u, system_.asked.size());
}

TEST_F(Resolving, LocalhostIsNotLookedUp) {
  ExpectRun(options_, [] {
    for (const char *host :
         {"localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.localhost."}) {
      EXPECT_EQ("127.0.0.1:80 [::1]:80", Resolve(host)) << host;
    }
    EXPECT_EQ("127.0.0.1:80", Resolve("localhost", WEIR_IPV4));
    EXPECT_EQ("[::1]:80", Resolve("localhost", WEIR_IPV6));
    EXPECT_EQ("127.0.0.1:80", Resolve("localhost", nullptr, 1));
    EXPECT_EQ("WEIR_E_NAME_NOT_FOUND", Resolve("server.invalid"));
    return 0;
  });
  EXPECT_EQ(0u, system_.asked.size());
}

TEST_F(Resolving, WhatIsNoNameIsNotLookedUp) {
  ExpectRun(options_, [] {
    for (const char *host : {"", " ", "127.0.0.256", "127.1", "0x7f.1", "[::1]", "a:80", "a b"}) {
      EXPECT_EQ("EINVAL", Resolve(host)) << host;
    }
    EXPECT_EQ("EINVAL", Resolve(nullptr));
    EXPECT_EQ("EINVAL", Resolve("localhost", nullptr, 0));
    EXPECT_EQ("EINVAL", Resolve("localhost", static_cast<weir_family>(3)));
    return 0;
  });
  EXPECT_EQ(0u, system_.asked.size());
}

TEST_F(Resolving, NamesAreAskedForOnceInTheOrderOfTheSystem) {
  system_.addresses = {"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.1"};
  ExpectRun(options_, [] {
    EXPECT_EQ("[2001:db8::1]:80 192.0.2.1:80 [2001:db8::2]:80", Resolve("weir.example"));
    EXPECT_EQ("[2001:db8::1]:80 [2001:db8::2]:80", Resolve("weir.example", WEIR_IPV6));
    EXPECT_EQ("192.0.2.1:80", Resolve("weir.example.", WEIR_IPV4));
    EXPECT_EQ("[2001:db8::1]:80 192.0.2.1:80", Resolve("weir.example", nullptr, 2));
    return 0;
  });
  const std::string stream = " " + std::to_string(SOCK_STREAM);
  EXPECT_EQ((std::vector<std::string>{
                "weir.example - " + std::to_string(AF_UNSPEC) + stream,
                "weir.example - " + std::to_string(AF_INET6) + stream,
                "weir.example. - " + std::to_string(AF_INET) + stream,
                "weir.example - " + std::to_string(AF_UNSPEC) + stream,
            }),
            system_.asked);
}

TEST_F(Resolving, TheLongestNameFits) {
  system_.addresses = {"192.0.2.1"};
  const std::string label = std::string(63, 'a') + ".";
  const std::string longest = label + label + label + std::string(61, 'b') + ".";
  ExpectRun(options_, [&] {
    EXPECT_EQ("192.0.2.1:80", Resolve(longest.c_str()));
    return 0;
  });
  EXPECT_EQ(0u, system_.asked[0].find(longest + " "));
}

TEST_F(Resolving, FailuresAreToldAsTheyAre) {
  for (int code : {static_cast<int>(WEIR_E_NAME_NOT_FOUND), static_cast<int>(WEIR_E_NAME_TRY_AGAIN),
                   static_cast<int>(WEIR_E_NAME_FAILED), -ENOMEM, -EMFILE}) {
    system_.result = code;
    ExpectRun(options_, [code] {
      EXPECT_EQ(weir_error_name(code), Resolve("weir.example"));
      return 0;
    });
  }
  system_.result = 0;
  ExpectRun(options_, [] {
    EXPECT_EQ("WEIR_E_NAME_NOT_FOUND", Resolve("weir.example"));  // an empty list
    return 0;
  });
}

// Ktor looked names up in a constructor, and blocked the thread.
TEST_F(Resolving, OthersRunMeanwhile) {
  system_.addresses = {"192.0.2.1"};
  system_.holds = true;
  ExpectRun(options_, [this] {
    std::string answer;
    weir_job *job = LaunchJob([&] {
      answer = Resolve("weir.example");
      return 0;
    });
    EXPECT_EQ(0, weir_yield());
    AwaitThread();
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ("", answer);
    LetGo();
    EXPECT_EQ(0, EndOf(job));
    EXPECT_EQ("192.0.2.1:80", answer);
    return 0;
  });
}

TEST_F(Resolving, ACancellationEndsTheWaitAndTheThreadCleansUp) {
  system_.addresses = {"192.0.2.1"};
  system_.holds = true;
  ExpectRun(options_, [this] {
    weir_job *job = LaunchJob([] {
      EXPECT_EQ("ECANCELED", Resolve("weir.example"));
      return 0;
    });
    EXPECT_EQ(0, weir_yield());
    AwaitThread();
    weir_job_cancel(job);
    EXPECT_EQ(0, EndOf(job));
    LetGo();
    return 0;
  });
}

TEST_F(Resolving, ADeadlineEndsTheWaitAndTheThreadCleansUp) {
  system_.addresses = {"192.0.2.1"};
  system_.holds = true;
  weir_testing::VirtualClock clock;
  calls_ = *clock.options().system_calls;
  calls_.resolve = AskSystem;
  calls_.free_names = FreeNames;
  ExpectRun(options_, [this] {
    const int64_t start = weir_now();
    weir_timeout timeout = weir_timeout_begin(3 * WEIR_SECOND);
    EXPECT_EQ("ETIMEDOUT", Resolve("weir.example"));
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(start + 3 * WEIR_SECOND, weir_now());
    LetGo();
    return 0;
  });
}

TEST_F(Resolving, ACancelledCoroutineDoesNotAsk) {
  ExpectRun(options_, [] {
    for (const char *host : {"weir.example", "127.0.0.1", "localhost"}) {
      weir_job *job = LaunchJob([=] {
        EXPECT_EQ("ECANCELED", Resolve(host));
        return 0;
      });
      weir_job_cancel(job);
      EXPECT_EQ(0, EndOf(job));
    }
    weir_timeout timeout = weir_timeout_begin(0);
    EXPECT_EQ("ETIMEDOUT", Resolve("weir.example"));
    EXPECT_TRUE(weir_timeout_end(timeout));
    return 0;
  });
  EXPECT_EQ(0u, system_.asked.size());
}

TEST_F(Resolving, NeedsACoroutine) {
  EXPECT_EQ("EINVAL", Resolve("localhost"));
  uint16_t port;
  EXPECT_EQ(-EINVAL, weir_resolve_service(&port, "http", "tcp"));
}

// A resolver of one's own

struct Asked {
  std::string host;
  weir_family family = WEIR_ANY_FAMILY;
  size_t capacity = 0;
  int64_t delay = 0;
  std::vector<const char *> addresses;
  int result = 0;  // if it is not to be their number
};

int AnswerAsked(void *context, weir_address *out, size_t capacity, const char *host,
                weir_family family) {
  auto *asked = static_cast<Asked *>(context);
  asked->host = host;
  asked->family = family;
  asked->capacity = capacity;
  int result = weir_delay(asked->delay);
  if (result < 0) return result;
  for (size_t i = 0; i < capacity && i < asked->addresses.size(); i++) {
    EXPECT_EQ(0, weir_address_parse(&out[i], asked->addresses[i], 9));
  }
  return asked->result != 0 ? asked->result : static_cast<int>(asked->addresses.size());
}

class OwnResolver : public Resolving {
 protected:
  std::string Ask(const char *host, size_t capacity = 8) {
    weir_resolver resolver = {AnswerAsked, &asked_};
    weir_resolve_options options = {};
    options.resolver = &resolver;
    options.family = family_;
    return Resolve(host, &options, capacity);
  }

  Asked asked_;
  weir_family family_ = WEIR_ANY_FAMILY;
};

TEST_F(OwnResolver, AnswersInPlaceOfTheSystem) {
  asked_.addresses = {"192.0.2.1", "2001:db8::1"};
  ExpectRun(options_, [this] {
    EXPECT_EQ("192.0.2.1:80 [2001:db8::1]:80", Ask("weir.example"));
    EXPECT_EQ("weir.example", asked_.host);
    EXPECT_EQ(8u, asked_.capacity);
    family_ = WEIR_IPV6;
    EXPECT_EQ("[2001:db8::1]:80", Ask("weir.example"));
    EXPECT_EQ(WEIR_IPV6, asked_.family);
    return 0;
  });
  EXPECT_EQ(0u, system_.asked.size());
}

TEST_F(OwnResolver, IsNotAskedForWhatNeedsNone) {
  ExpectRun(options_, [this] {
    EXPECT_EQ("127.0.0.1:80 [::1]:80", Ask("localhost"));
    EXPECT_EQ("127.0.0.1:80", Ask("127.0.0.1"));
    EXPECT_EQ("EINVAL", Ask("127.1"));
    EXPECT_EQ("", asked_.host);
    return 0;
  });
}

TEST_F(OwnResolver, IsNotTrustedWithTheCount) {
  asked_.addresses = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
  ExpectRun(options_, [this] {
    EXPECT_EQ("192.0.2.1:80 192.0.2.2:80", Ask("weir.example", 2));
    asked_.addresses.clear();
    EXPECT_EQ("WEIR_E_NAME_NOT_FOUND", Ask("weir.example"));
    asked_.result = WEIR_E_NAME_FAILED;
    EXPECT_EQ("WEIR_E_NAME_FAILED", Ask("weir.example"));
    return 0;
  });
}

TEST_F(OwnResolver, IsCancelledAndMeetsDeadlinesLikeAnythingElse) {
  asked_.delay = WEIR_FOREVER;
  weir_testing::VirtualClock clock;
  ExpectRun(clock.options(), [this] {
    weir_job *job = LaunchJob([this] {
      EXPECT_EQ("ECANCELED", Ask("weir.example"));
      return 0;
    });
    EXPECT_EQ(0, weir_delay(1));
    weir_job_cancel(job);
    EXPECT_EQ(0, EndOf(job));
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ("ETIMEDOUT", Ask("weir.example"));
    EXPECT_TRUE(weir_timeout_end(timeout));
    return 0;
  });
}

// Services

std::string Service(const char *service, const char *protocol) {
  uint16_t port = 0;
  const int result = weir_resolve_service(&port, service, protocol);
  return result < 0 ? weir_error_name(result) : std::to_string(port);
}

TEST_F(Resolving, ServicesHavePorts) {
  system_.addresses = {"127.0.0.1"};  // of port 7
  ExpectRun(options_, [this] {
    EXPECT_EQ("7", Service("echo", "tcp"));
    EXPECT_EQ("7", Service("echo", "udp"));
    system_.addresses.clear();
    EXPECT_EQ("WEIR_E_SERVICE_NOT_FOUND", Service("echo", "tcp"));
    system_.result = WEIR_E_SERVICE_NOT_FOUND;
    EXPECT_EQ("WEIR_E_SERVICE_NOT_FOUND", Service("echo", "tcp"));
    return 0;
  });
  EXPECT_EQ("- echo 0 " + std::to_string(SOCK_STREAM), system_.asked[0]);
  EXPECT_EQ("- echo 0 " + std::to_string(SOCK_DGRAM), system_.asked[1]);
}

TEST_F(Resolving, ServicesByNumberAreNotLookedUp) {
  ExpectRun(options_, [] {
    EXPECT_EQ("0", Service("0", "tcp"));
    EXPECT_EQ("65535", Service("65535", "udp"));
    for (const char *service :
         {"", "65536", "4294967297", "-1", "+80", " 80", "80 ", " 99999", "+4294967376"}) {
      EXPECT_EQ("EINVAL", Service(service, "tcp")) << service;
    }
    EXPECT_EQ("EINVAL", Service("echo", "sctp"));
    EXPECT_EQ("EINVAL", Service(nullptr, "tcp"));
    EXPECT_EQ("EINVAL", Service("echo", nullptr));
    EXPECT_EQ(-EINVAL, weir_resolve_service(nullptr, "80", "tcp"));
    EXPECT_EQ("EINVAL", Service(std::string(64, 'a').c_str(), "tcp"));
    return 0;
  });
  EXPECT_EQ(0u, system_.asked.size());
}

// The real call, without a name that anybody would have to be asked for.
TEST(KernelResolve, SpeaksOurCodes) {
  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo *list = nullptr;
  ASSERT_EQ(0, weir_internal_kernel.resolve(nullptr, "192.0.2.1", nullptr, &hints, &list));
  EXPECT_EQ(AF_INET, list->ai_family);
  EXPECT_EQ(nullptr, list->ai_next);
  weir_internal_kernel.free_names(nullptr, list);
  EXPECT_EQ(WEIR_E_NAME_NOT_FOUND,
            weir_internal_kernel.resolve(nullptr, "weir.example", nullptr, &hints, &list));
  EXPECT_EQ(WEIR_E_SERVICE_NOT_FOUND,
            weir_internal_kernel.resolve(nullptr, nullptr, "no-such-service", &hints, &list));
  hints.ai_family = AF_NETLINK;
  EXPECT_EQ(-EAFNOSUPPORT,
            weir_internal_kernel.resolve(nullptr, "192.0.2.1", nullptr, &hints, &list));
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = -1;
  EXPECT_EQ(-EINVAL, weir_internal_kernel.resolve(nullptr, "192.0.2.1", nullptr, &hints, &list));
}

}  // namespace
