#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves by bazel query that the house has its shape. The rules, directly and through others:
# - A package's libraries and programs depend on packages below it only, and what should stay apart
#   is apart.
# - Its tests (and what else is testonly) may also use //testing, and //selector and what is below
#   it, for weir_run. Nothing else upward, not even by way of a helper in //testing.
# - Its `:internal` is visible to packages that are named one by one, and none of them is below it
#   or beside it.
# Its last line says how many rules were checked and how many are broken.
set -u
cd "$(dirname "$0")/.." || exit 1

# Floors from the ground up; packages on one floor do not know each other. Those that do not exist
# yet are skipped.
floors=(
  "base"
  "coroutine"
  "selector channel"
  "address"
  "tcp udp"
  "tls"
  "simulation"
  "examples"
  "fuzz bench"
)
# What a test may use wherever it is: weir_run's package and those below it.
for_weir_run=" selector coroutine base "
# What a user of the left package must never link. A slash begins a package of ours.
apart=(
  "coroutine @boringssl"
  "channel @boringssl"
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

tests_of() {
  echo "(kind('.*_test rule', //$1/...) + attr(testonly, 1, //$1/...))"
}

# Everything that is not a test, in a package.
libraries_of() {
  echo "(//$1/... except $(tests_of "$1"))"
}

# Prints what a query finds. A query that cannot be made counts as a finding.
ask() {
  ./bazelw query --noimplicit_deps --nohost_deps --output=label "$1" 2> "$messages" || {
    echo "the query failed: $(grep ERROR "$messages")"
  }
}

# Checks that a query finds nothing; the rest of the arguments say what it would be.
check() {
  local found
  found=$(ask "$1")
  shift
  if [ -z "$found" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'layers: %s:\n%s\n' "$*" "$found"
  fi
}

# Prints an expression for all targets of some packages.
all_of() {
  local package
  local expression="set()"
  for package in "$@"; do
    expression="$expression + //$package/..."
  done
  echo "($expression)"
}

# Checks one package, given those that are not below it and those that are not above it.
check_package() {
  local package=$1
  local not_below=$2
  local not_above=$3
  local forbidden=""
  local other
  if [ -n "$not_below" ]; then
    check "somepath($(libraries_of "$package"), $(all_of $not_below))" \
      "//$package reaches what is not below it ($not_below )"
  fi
  for other in $not_below; do
    [[ "$for_weir_run" == *" $other "* ]] || forbidden="$forbidden $other"
  done
  if [ -n "$forbidden" ]; then
    check "somepath($(tests_of "$package"), $(all_of $forbidden))" \
      "a test in //$package reaches what tests there may not use ($forbidden )"
  fi
  if [ -n "$not_above" ]; then
    check "attr(visibility, '//(${not_above// /|})[:/]', filter(':internal$', //$package/...))" \
      "//$package:internal is visible to a package that is not above it ( $not_above )"
  fi
}

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT

check "attr(visibility, '__subpackages__|visibility:public', filter(':internal$', //...))" \
  "internal headers are visible to packages that are not named"

for ((floor = 0; floor < ${#floors[@]}; floor++)); do
  for package in ${floors[floor]}; do
    exists "$package" || continue
    not_below=""
    not_above=""
    for ((other_floor = 0; other_floor < ${#floors[@]}; other_floor++)); do
      for other in ${floors[other_floor]}; do
        [ "$other" != "$package" ] && exists "$other" || continue
        [ "$other_floor" -ge "$floor" ] && not_below="$not_below $other"
        [ "$other_floor" -le "$floor" ] && not_above="$not_above $other"
      done
    done
    check_package "$package" "$not_below" "${not_above# }"
  done
done

for rule in "${apart[@]}"; do
  read -r package others <<< "$rule"
  exists "$package" || continue
  for other in $others; do
    case "$other" in
      /*)
        exists "${other#/}" || continue
        expression="/$other/..."
        ;;
      *) expression="$other//..." ;;
    esac
    check "somepath($(libraries_of "$package"), $expression)" "//$package reaches $other"
  done
done

echo "layers: $passed passed, $failed failed"
[ "$failed" = 0 ]
