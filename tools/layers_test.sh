#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves by bazel query that the house has its shape: no arrow points up, and what should stay apart
# is apart. Tests and test helpers may use anything; everything else is asked about.
# Its last line says how many rules were checked and how many are broken.
set -u
cd "$(dirname "$0")/.." || exit 1

# Floors from the ground up; packages on one floor do not know each other. Those that do not exist
# yet are skipped.
floors=(
  "base"
  "coroutine"
  "selector"
  "channel"
  "address"
  "tcp udp"
  "tls"
  "simulation"
  "examples fuzz bench"
)
# What a user of the left package must never link. A slash begins a package of ours.
apart=(
  "coroutine @boringssl"
  "channel /selector @boringssl"
  "address @boringssl"
  "tcp @boringssl"
  "udp @boringssl"
  "tls /address /tcp /udp"
)
passed=0
failed=0

exists() {
  [ -e "$1/BUILD.bazel" ]
}

# Everything that is not a test, in a package.
targets_of() {
  echo "(//$1/... except kind('.*_test rule', //$1/...) except attr(testonly, 1, //$1/...))"
}

# Prints what a query finds. A query that cannot be made counts as a finding.
ask() {
  ./bazelw query --noimplicit_deps --nohost_deps --output=label "$1" 2> "$messages" || {
    echo "the query failed: $(grep ERROR "$messages")"
  }
}

# Checks that no target of one package reaches what an expression names.
check() {
  local found
  found=$(ask "somepath($(targets_of "$1"), $2)")
  if [ -z "$found" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'layers: //%s reaches %s:\n%s\n' "$1" "$3" "$found"
  fi
}

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT

for ((floor = 0; floor < ${#floors[@]}; floor++)); do
  for package in ${floors[floor]}; do
    exists "$package" || continue
    above=""
    names=""
    for ((higher = floor; higher < ${#floors[@]}; higher++)); do
      for other in ${floors[higher]}; do
        if [ "$other" != "$package" ] && exists "$other"; then
          above="$above + //$other/..."
          names="$names //$other"
        fi
      done
    done
    [ -n "$above" ] && check "$package" "(${above# + })" "what is not below it ($names )"
  done
done

for rule in "${apart[@]}"; do
  read -r package others <<< "$rule"
  exists "$package" || continue
  for other in $others; do
    case "$other" in
      /*) exists "${other#/}" && check "$package" "/$other/..." "/$other" ;;
      *) check "$package" "$other//..." "$other" ;;
    esac
  done
done

echo "layers: $passed passed, $failed failed"
[ "$failed" = 0 ]
