#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves that the built echo server does what the README says: it answers lines sent by nc, byte for
# byte, and ends with status 0 within a second of Ctrl-C.
# Usage: tools/echo_server_proof.sh [program]
set -u
# A script's job ignores Ctrl-C, unless it has a process group of its own.
set -m
cd "$(dirname "$0")/.." || exit 1
program=${1:-bazel-bin/examples/echo_server}

fail() {
  echo "echo server: $1"
  sed 's/^/echo server said: /' "$folder/output"
  exit 1
}

# Prints a port that nobody listens on now.
free_port() {
  python3 -c '
import socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    print(probe.getsockname()[1])'
}

folder=$(mktemp -d)
server=
clean_up() {
  [ -n "$server" ] && kill -KILL "$server" 2> "$folder/ignored"
  rm -rf "$folder"
}
trap clean_up EXIT

port=$(free_port)
"$program" 127.0.0.1 "$port" > "$folder/output" 2>&1 &
server=$!

for ((attempt = 0; attempt < 100; attempt++)); do
  nc -z 127.0.0.1 "$port" && break
  kill -0 "$server" 2> "$folder/ignored" || fail "it did not start"
  sleep 0.1
done

printf 'Hello\r\nWorld\n' | timeout 10 nc -N 127.0.0.1 "$port" > "$folder/answer" ||
  fail "nc did not end well"
printf 'Hello\r\nWorld\r\n' > "$folder/expected"
cmp "$folder/answer" "$folder/expected" || fail "wrong answer: $(od -c "$folder/answer")"

started=$(date +%s%N)
kill -INT "$server"
for ((attempt = 0; attempt < 100; attempt++)); do
  kill -0 "$server" 2> "$folder/ignored" || break
  sleep 0.05
done
kill -0 "$server" 2> "$folder/ignored" && fail "it still runs 5 seconds after Ctrl-C"
milliseconds=$((($(date +%s%N) - started) / 1000000))
wait "$server"
status=$?
server=
[ "$status" = 0 ] || fail "status $status after Ctrl-C"
[ "$milliseconds" -le 1000 ] || fail "Ctrl-C took $milliseconds ms"

echo "echo server: answered, and ended within $milliseconds ms of Ctrl-C with status 0"
