#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves that other people's workspaces can use Weir: in a throw-away one, with a @rules_cc of its
# own, programs with a listener and with TLS are built and run, internal headers are refused by
# visibility, and our fuzzers run as fuzz/README.md promises: on their corpora, and one with
# libFuzzer, which needs clang. Needs a Bazel that reads WORKSPACE files, and Debian's packages; see
# ./bazelw.
set -u
checkout=$(cd "$(dirname "$0")/.." && pwd)
failed=0
program=$(command -v bazelisk || command -v bazel) || {
  echo "downstream: there is no bazel; ./bazelw installs it"
  exit 1
}

folder=$(mktemp -d)
workspace=$folder/workspace
mkdir -p "$workspace/rules_cc/cc" || exit 1
cd "$workspace" || exit 1

# A server of its own, which shares nothing with the checkout's.
own_bazel() {
  "$program" --output_base="$folder/output" "$@"
}

clean_up() {
  own_bazel shutdown > "$folder/ignored" 2>&1
  cd /
  chmod -R u+w "$folder"
  rm -rf "$folder"
}
trap clean_up EXIT

report() {
  echo "downstream: $2 ($1)"
  if [ "$1" != passed ]; then
    sed 's/^/    /' "$folder/log"
    failed=1
  fi
}

cat > WORKSPACE << END
workspace(name = "downstream")

# With one file for all rules, as old releases have: Weir must do without the new ones.
local_repository(name = "rules_cc", path = "rules_cc")

local_repository(name = "weir", path = "$checkout")

load("@weir//:deps.bzl", "weir_debian_deps", "weir_deps")

weir_debian_deps()

weir_deps()
END

touch rules_cc/WORKSPACE rules_cc/BUILD rules_cc/cc/BUILD
cp "$checkout/bazel/rules_cc_shim/defs.bzl" rules_cc/cc/ || exit 1

cat > BUILD << END
load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")

cc_binary(
    name = "listen",
    srcs = ["listen.c"],
    deps = ["@weir//tcp"],
)

cc_binary(
    name = "secure",
    srcs = ["secure.c"],
    deps = ["@weir//tls"],
)

cc_library(
    name = "intruder",
    deps = ["@weir//channel:internal"],
)
END

cat > listen.c << END
#include <stdio.h>

#include "weir/tcp.h"

static int run(void *argument) {
  weir_listener *listener;
  int result = weir_tcp_bind(weir_tcp(weir_current_selector()), &listener, argument, 0);
  if (result < 0) return result;
  printf("listening at %s\n", weir_listener_address(listener));
  weir_listener_close(listener);
  return 0;
}

int main(void) {
  return weir_run(NULL, run, "127.0.0.1") == 0 ? 0 : 1;
}
END

cat > secure.c << END
#include <stdio.h>

#include "weir/tls.h"

int main(void) {
  weir_tls_options *options;
  if (weir_tls_options_build(&options, NULL) < 0) return 1;
  weir_tls_options_close(options);
  printf("secured by %s\n", weir_tls_library());
  return 0;
}
END

if own_bazel run //:listen > "$folder/log" 2>&1 &&
  grep -q '^listening at 127\.0\.0\.1:[1-9]' "$folder/log"; then
  report passed "a program with a listener is built and runs"
else
  report FAILED "a program with a listener is built and runs"
fi

if own_bazel run //:secure > "$folder/log" 2>&1 &&
  grep -q '^secured by BoringSSL' "$folder/log"; then
  report passed "a program with TLS is built and runs"
else
  report FAILED "a program with TLS is built and runs"
fi

if ! own_bazel build //:intruder > "$folder/log" 2>&1 &&
  grep -q "'@weir//channel:internal' is not visible" "$folder/log"; then
  report passed "@weir//channel:internal is refused by visibility"
else
  report FAILED "@weir//channel:internal is refused by visibility"
fi

what="@weir//fuzz/... runs its corpus as a test"
if own_bazel test @weir//fuzz/... > "$folder/log" 2>&1 &&
  grep -q '^@weir//fuzz:line_reader_fuzzer .*PASSED' "$folder/log"; then
  report passed "$what"
else
  report FAILED "$what"
fi

# Exactly what fuzz/README.md tells to copy.
grep -E '^build:(fuzz|sanitizer|clang) ' "$checkout/.bazelrc" > .bazelrc
what="@weir//fuzz:line_reader_fuzzer fuzzes"
if FUZZING_OUTPUT_ROOT=$folder/fuzzing own_bazel run --config=fuzz \
  @weir//fuzz:line_reader_fuzzer -- -max_total_time=5 > "$folder/log" 2>&1 &&
  grep -q '^Done [1-9][0-9]* runs in ' "$folder/log" &&
  grep -q 'INFO: seed corpus: files: [1-9][0-9]' "$folder/log" &&
  test -n "$(ls "$folder/fuzzing/line_reader_fuzzer/corpus")"; then
  report passed "$what"
else
  report FAILED "$what"
fi

exit "$failed"
