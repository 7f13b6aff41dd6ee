// SPDX-License-Identifier: Apache-2.0
//
// write_certificates FOLDER: makes an authority, and writes what it signed into a folder, for tests
// that are scripts. Each name.pem has its key in name.key:
//   root.pem      the authority, which clients and servers have to trust; without its key
//   server, rsa   for a server at localhost, with an ECDSA and with an RSA key
//   renewed       the same as server, at a later time
//   client        for a client
//   stranger      for a server at localhost, of an authority that nobody knows

#include <cstdio>
#include <fstream>
#include <string>

#include "testing/certificates.h"

namespace weir_testing {
namespace {

class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}

  void Write(const std::string &name, const std::string &text) {
    std::ofstream file(path_ + "/" + name);
    ok_ = ok_ && (file << text << std::flush);
  }

  void Write(const std::string &name, const Credential &credential) {
    Write(name + ".pem", credential.chain_pem);
    Write(name + ".key", credential.key_pem);
  }

  bool ok() const { return ok_; }

 private:
  std::string path_;
  bool ok_ = true;
};

bool WriteAll(Folder folder) {
  const TestAuthority authority;
  folder.Write("root.pem", authority.root().Pem());
  folder.Write("server", authority.Make(Defect::kNone, Role::kServer));
  folder.Write("rsa", authority.Make(Defect::kNone, Role::kServer, KeyKind::kRsa2048));
  folder.Write("renewed", authority.Make(Defect::kNone, Role::kServer));
  folder.Write("client", authority.Make(Defect::kNone, Role::kClient));
  folder.Write("stranger", authority.Make(Defect::kUnknownAuthority, Role::kServer));
  return folder.ok();
}

}  // namespace
}  // namespace weir_testing

int main(int count, char **words) {
  if (count != 2) {
    fprintf(stderr, "usage: %s FOLDER\n", words[0]);
    return 2;
  }
  if (weir_testing::WriteAll(weir_testing::Folder(words[1]))) return 0;
  fprintf(stderr, "%s: cannot write into %s\n", words[0], words[1]);
  return 1;
}
