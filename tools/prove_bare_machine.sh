#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves the README's two commands on a bare Debian 12: debootstrap makes one in a folder, this
# repository's last commit is cloned into it, and ./bazelw does the rest there. Needs root,
# debootstrap, git, nc, and apt sources for bookworm; port 2323 must be free.
# Usage: tools/prove_bare_machine.sh [command]
# With a command, it is run in the clone instead of the proof: for looking around, or for .ci/run.
set -u
# Jobs of their own process group: only so can a script's job get a Ctrl-C.
set -m
checkout=$(cd "$(dirname "$0")/.." && pwd)

say() {
  printf '\n=== %s (%s s)\n' "$1" "$SECONDS"
}

die() {
  echo "prove_bare_machine: $1" >&2
  exit 1
}

for tool in debootstrap git nc; do
  command -v "$tool" > /dev/null || die "$tool is missing; on Debian, apt-get installs it"
done
[ "$(id -u)" = 0 ] || die "only root may make a bare machine"

# The sources that this machine's apt uses for the same release.
sources=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' |
  grep -E ' bookworm(-updates|-security)? ' | sort -u | sed 's/^/deb /')
mirror=$(echo "$sources" | awk '$3 == "bookworm" { print $2; exit }')
[ -n "$mirror" ] || die "this machine's apt has no sources for bookworm"

folder=$(mktemp -d)
machine=$folder/machine
clone=/root/weir
failed=0

inside() {
  chroot "$machine" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    CI=true ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    /bin/sh -c "cd $clone && $1"
}

clean_up() {
  [ -x "$machine/usr/bin/bazel" ] && inside "bazel shutdown" > "$folder/shutdown" 2>&1
  mountpoint -q "$machine/proc" && umount "$machine/proc"
  rm -rf --one-file-system "$folder"
}
trap clean_up EXIT

say "making a bare machine"
debootstrap --variant=minbase bookworm "$machine" "$mirror" > "$folder/debootstrap.log" 2>&1 ||
  die "debootstrap failed: $(tail -n 5 "$folder/debootstrap.log")"
mount -t proc proc "$machine/proc" || die "mount failed"
echo "$sources" > "$machine/etc/apt/sources.list"
# How this machine reaches its sources: proxies, names, and authorities it trusts beyond Debian's.
cp -r /etc/apt/apt.conf.d "$machine/etc/apt/"
cp -L /etc/resolv.conf /etc/hosts "$machine/etc/"
if [ -d /usr/local/share/ca-certificates ]; then
  cp -r /usr/local/share/ca-certificates "$machine/usr/local/share/"
fi

say "cloning $(git -C "$checkout" log -1 --format='%h %s')"
git clone --quiet --no-local "$checkout" "$machine$clone" || die "git clone failed"

if [ $# -gt 0 ]; then
  say "$*"
  inside "$*"
  exit
fi

say "./bazelw run //examples:echo_server"
inside "exec ./bazelw run //examples:echo_server" > "$folder/server.log" 2>&1 &
server=$!
while ! nc -z 127.0.0.1 2323 && kill -0 "$server" 2> "$folder/ignored"; do
  sleep 1
  [ "$SECONDS" -lt 1800 ] || break
done
answer=$(printf 'Hello\r\nWorld\n' | timeout 10 nc -N 127.0.0.1 2323 | od -An -c)
if [ "$answer" = "$(printf 'Hello\r\nWorld\r\n' | od -An -c)" ]; then
  echo "nc got the right answer"
else
  echo "nc got a wrong answer: $answer"
  failed=1
fi
kill -INT -- "-$server"
wait "$server"
status=$?
echo "the server ended with status $status"
[ "$status" = 0 ] || failed=1
tail -n 20 "$folder/server.log"

say "./bazelw test //..."
inside "./bazelw test //..." || failed=1

say "$([ "$failed" = 0 ] && echo passed || echo FAILED)"
exit "$failed"
