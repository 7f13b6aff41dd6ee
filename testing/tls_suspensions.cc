// SPDX-License-Identifier: Apache-2.0

#include "testing/tls_suspensions.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "testing/expect_coroutine.h"
#include "testing/temporary_folder.h"
#include "testing/tls_things.h"

namespace weir_testing {

namespace {

const Credential &SomeCredential() {
  static const Credential credential = TestAuthority().Make(Defect::kNone, Role::kServer);
  return credential;
}

// A file that is not there as long as nobody writes it: a named pipe.
class SlowFile {
 public:
  SlowFile() : path_(folder_.PathOf("pipe")) { EXPECT_EQ(0, mkfifo(path_.c_str(), 0600)); }
  ~SlowFile() { Finish(""); }

  const char *path() const { return path_.c_str(); }

  // Returns when somebody reads.
  void AwaitReader() {
    fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    EXPECT_LE(0, fd_);
  }
  void Finish(const std::string &content) {
    if (fd_ < 0) return;
    EXPECT_EQ(static_cast<ssize_t>(content.size()), write(fd_, content.data(), content.size()));
    close(fd_);
    fd_ = -1;
  }

 private:
  TemporaryFolder folder_;
  std::string path_;
  int fd_ = -1;
};

// A |load| of such a file, that succeeds once |content| is written.
Suspension Load(const std::function<int(const char *path)> &load, const std::string &content) {
  auto file = std::make_shared<SlowFile>();
  Suspension suspension;
  suspension.wait = [=] { return load(file->path()); };
  suspension.settle = [=] { file->AwaitReader(); };
  suspension.finish = [=] { file->Finish(content); };
  return suspension;
}

Suspension LoadCredential() {
  auto folder = std::make_shared<TemporaryFolder>();
  const std::string key = folder->Write("key.pem", SomeCredential().key_pem);
  auto load = [folder, key](const char *path) {
    weir_tls_credential *made = nullptr;
    int result = weir_tls_credential_load(&made, path, key.c_str(), nullptr);
    weir_tls_credential_close(made);
    return result;
  };
  return Load(load, SomeCredential().chain_pem);
}

Suspension LoadTrust() {
  auto load = [](const char *path) {
    weir_tls_trust *made = nullptr;
    int result = weir_tls_trust_load(&made, path);
    weir_tls_trust_close(made);
    return result;
  };
  return Load(load, SomeCredential().leaf.Pem());
}

// It must find nothing, because what it finds it does not look for again.
Suspension LoadSystemTrust() {
  auto load = [](const char *path) {
    setenv("SSL_CERT_FILE", path, 1);
    weir_tls_trust *found = nullptr;
    int result = weir_tls_trust_system(&found);
    unsetenv("SSL_CERT_FILE");
    return result == WEIR_E_TLS_NO_ROOTS ? 0 : result;
  };
  return Load(load, "nobody\n");
}

// What becomes of a client's connection while its roots are loaded, which nothing cuts short.
enum class Fate { kNone, kClosed, kAborted };

// As above, for a client that names no roots.
template <Fate fate>
Suspension LoadRootsOfClient() {
  struct Ends {
    weir_connection *near = nullptr, *far = nullptr;
    TlsOptions options;
  };
  auto ends = std::make_shared<Ends>();
  EXPECT_EQ(0, weir_pipe(&ends->near, &ends->far, nullptr));
  weir_tls_options_builder builder = {};
  builder.server_name = kServerName;
  weir_tls_options *options = nullptr;
  EXPECT_EQ(0, weir_tls_options_build(&options, &builder));
  ends->options.reset(options);
  weir_connection *near = ends->near;
  auto load = [ends](const char *path) {
    setenv("SSL_CERT_FILE", path, 1);
    int result = weir_tls_client(&ends->near, ends->options.get());
    unsetenv("SSL_CERT_FILE");
    EXPECT_EQ(nullptr, ends->near);
    constexpr int expected = fate == Fate::kClosed    ? WEIR_E_CLOSED
                             : fate == Fate::kAborted ? -ECONNABORTED
                                                      : WEIR_E_TLS_NO_ROOTS;
    return result == expected ? 0 : result;
  };
  Suspension suspension = Load(load, "nobody\n");
  suspension.settle = [near, settle = suspension.settle] {
    settle();
    if (fate == Fate::kAborted) weir_connection_abort(near);
    if (fate != Fate::kClosed) return;
    // It waits for the client to let go.
    ExpectLaunch([near] {
      weir_connection_close(near);
      return 0;
    });
  };
  suspension.take_down = [ends] {
    weir_connection_close(ends->near);
    weir_connection_abort(ends->far);
    weir_connection_close(ends->far);
  };
  return suspension;
}

}  // namespace

std::vector<SuspensionPoint> TlsLoadPoints() {
  const char *why = "a file does not end";
  return {
      {"weir_tls_client", "roots", LoadRootsOfClient<Fate::kNone>, why},
      {"weir_tls_client", "rootsAndClose", LoadRootsOfClient<Fate::kClosed>, why},
      {"weir_tls_client", "rootsAndAbort", LoadRootsOfClient<Fate::kAborted>, why},
      {"weir_tls_credential_load", "", LoadCredential, why},
      {"weir_tls_trust_load", "", LoadTrust, why},
      {"weir_tls_trust_system", "", LoadSystemTrust, why},
  };
}

}  // namespace weir_testing
