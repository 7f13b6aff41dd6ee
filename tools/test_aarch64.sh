#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests of base and coroutine for AArch64 under qemu-user: the switch of that architecture
# is assembly of its own, which nothing else here executes. All goes into one static program.
# Usage: tools/test_aarch64.sh [result.xml]
set -eu
cd "$(dirname "$0")/.."
result=${1:-}

triplet=aarch64-linux-gnu
product="base coroutine selector channel address tcp udp"
tested="base coroutine"
googletest=/usr/src/googletest

for tool in "$triplet-gcc" "$triplet-g++" qemu-aarch64-static; do
  if ! command -v "$tool" > /dev/null; then
    echo "test_aarch64: $tool is missing. On Debian: apt-get install gcc-$triplet g++-$triplet" >&2
    echo "test_aarch64: libc6-dev-arm64-cross qemu-user-static googletest" >&2
    exit 1
  fi
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/weir" "$folder/objects"
for header in $(find $product -maxdepth 1 -name '*.h'); do
  ln -s "$PWD/$header" "$folder/weir/"
done

common="-O1 -g -pthread -iquote . -I $folder"
c_options="-std=c11 -D_GNU_SOURCE $common"
cxx_options="-std=c++17 $common -isystem $googletest/googletest/include"
cxx_options="$cxx_options -isystem $googletest/googlemock/include"

# TLS is not among what is tested: there is no BoringSSL for cross compilers.
with_tls='["<](weir/tls|openssl/)|testing/(bare_tls|boringssl_memory|certificates|record_forger)'
with_tls="$with_tls|testing/(secure_pair|tls_)"

# The files of our own that have nothing to do with TLS.
without_tls() {
  xargs grep -LE "$with_tls"
}

# One line for each file: the compiler's command.
commands() {
  local source
  for source in $(find $product testing -name '*.c' -o -name '*.S' | without_tls); do
    echo "$triplet-gcc $c_options -c $source -o $folder/objects/${source//\//_}.o"
  done
  for source in $(find testing -name '*.cc' | without_tls) $(find $tested -name '*_test.cc'); do
    echo "$triplet-g++ $cxx_options -c $source -o $folder/objects/${source//\//_}.o"
  done
  for source in googletest/src/gtest-all.cc googlemock/src/gmock-all.cc \
    googlemock/src/gmock_main.cc; do
    echo "$triplet-g++ $cxx_options -I $googletest/googletest -I $googletest/googlemock \
      -c $googletest/$source -o $folder/objects/$(basename "$source").o"
  done
}

commands | xargs -P "$(nproc)" -I '{}' sh -c '{}'
"$triplet-g++" -static -pthread -Wl,-z,now "$folder"/objects/*.o -o "$folder/tests"
timeout --kill-after=10 600 qemu-aarch64-static "$folder/tests" \
  ${result:+"--gtest_output=xml:$result"}
