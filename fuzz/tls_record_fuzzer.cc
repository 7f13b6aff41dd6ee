// SPDX-License-Identifier: Apache-2.0
//
// Runs a client and a server of ours against each other, with somebody between them who delays,
// changes and ends what they send, as an input says. fuzz/README.md has the format of an input and
// what is expected. Everything is the same each time: the key, the time, and what is random.

#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <sys/time.h>

#include <cstdint>
#include <cstring>

#include "fuzz/fail.h"
#include "fuzz/tls_program.h"
#include "fuzz/tls_world.h"
#include "testing/counting_allocator.h"
#include "testing/virtual_loop.h"
#include "tls/internal/settings.h"
#include "weir/tls.h"

// What is random, to BoringSSL as well, which looks for this function here first.

static uint64_t random_state;

int RAND_bytes(uint8_t *out, size_t size) {
  for (size_t i = 0; i < size; i++) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    out[i] = static_cast<uint8_t>(random_state >> 56);
  }
  return 1;
}

namespace weir_fuzz {

namespace {

// For "fuzz.test", from 2000 to 9999, signed by itself. The key is that of the bytes 1 to 32.
constexpr char kCertificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIHwMIGjoAMCAQICAQEwBQYDK2VwMBQxEjAQBgNVBAMMCXdlaXIgZnV6ejAgFw0w\n"
    "MDAxMDEwMDAwMDBaGA85OTk5MTIzMTIzNTk1OVowFDESMBAGA1UEAwwJd2VpciBm\n"
    "dXp6MCowBQYDK2VwAyEAebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmSj\n"
    "GDAWMBQGA1UdEQQNMAuCCWZ1enoudGVzdDAFBgMrZXADQQBnBbgSLz+ru+ptKjoy\n"
    "YDdnG1T5rjtJ/+K3aUtfUffpwG4fn38kPikXZEe09b++rngYMhy92cBx79hn1ohS\n"
    "lWMO\n"
    "-----END CERTIFICATE-----\n";
constexpr char kKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n"
    "-----END PRIVATE KEY-----\n";

constexpr long kNow = 1'700'000'000;

void Check(int result, const char *what) {
  if (result < 0) Fail("%s: %s", what, weir_tls_last_failure(nullptr)->text);
}

// They live as long as the process.
struct Identity {
  Identity() {
    Check(
        weir_tls_credential_create(&credential, weir_text(kCertificate), weir_text(kKey), nullptr),
        "credential");
    Check(weir_tls_trust_create(&trust, weir_text(kCertificate)), "trust");
  }
  weir_tls_credential *credential = nullptr;
  weir_tls_trust *trust = nullptr;
};

const Identity &TheIdentity() {
  static const Identity identity;
  return identity;
}

void StopTime(weir_internal_tls_settings *settings) {
  SSL_CTX_set_current_time_cb(settings->ssl_context, [](const SSL *, struct timeval *out) {
    out->tv_sec = kNow;
    out->tv_usec = 0;
  });
  weir_internal_tls_settings_drop(settings);
}

weir_tls_terms TermsOf(const TlsProgram &program) {
  weir_tls_terms terms = {};
  terms.min_version = terms.max_version = program.tls_1_2 ? WEIR_TLS_1_2 : WEIR_TLS_1_3;
  // Keys on other curves, and signatures of other kinds, take their randomness elsewhere.
  terms.groups = "X25519";
  terms.allow_truncation = program.allow_truncation;
  if (program.new_keys_often) terms.rekey_after = 2;
  return terms;
}

// Returns the result of the first coroutine.
int Run(const TlsProgram &program, weir_testing::CountingAllocator &allocator) {
  const Identity &identity = TheIdentity();
  weir_tls_options_builder client = {};
  client.terms = TermsOf(program);
  client.trust = identity.trust;
  weir_tls_options *options;
  Check(weir_tls_options_build(&options, &client), "options");
  weir_tls_context_builder server = {};
  server.terms = TermsOf(program);
  server.credentials = &identity.credential;
  server.credential_count = 1;
  weir_tls_context *context;
  Check(weir_tls_context_build(&context, &server), "context");
  // Each input has a loop of its own, so that nothing is left when that has ended.
  weir_testing::VirtualLoop loop;
  if (loop.created() != 0) Fail("no loop: %s", weir_error_name(loop.created()));
  int result = loop.Run([&] {
    weir_internal_tls_settings *settings;
    Check(weir_internal_tls_client_settings(&settings, options), "settings");
    StopTime(settings);
    StopTime(weir_internal_tls_server_settings(context));
    TlsWorld world(program, options, context, allocator);
    return world.Run();
  });
  weir_tls_options_close(options);
  weir_tls_context_close(context);
  return result;
}

}  // namespace

}  // namespace weir_fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  weir_fuzz::TlsProgram program = weir_fuzz::DecodeTlsProgram(data, size);
  weir_fuzz::TheIdentity();
  random_state = 1;
  weir_testing::CountingAllocator allocator;
  int result = weir_fuzz::Run(program, allocator);
  if (result != 0) weir_fuzz::Fail("the loop: %s", weir_error_name(result));
  if (allocator.outstanding() != 0) weir_fuzz::Fail("%ld blocks leak", allocator.outstanding());
  return 0;
}
