#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Lets spin look at every order in which the threads of each model can take their steps, then makes
# sure that it finds each of the bugs that the model can be given.
set -u
models=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

for program in spin gcc; do
  command -v "$program" > ignored || {
    echo "model: $program is missing; on Debian: apt-get install $program" >&2
    exit 1
  }
done

# Checks a model with the options given. Fails when it cannot, or when something is wrong.
check() {
  local model=$1
  shift
  spin -a "$@" "$model" > spin.log 2>&1 &&
    gcc -O2 -DSAFETY -DCOLLAPSE -w pan.c -o pan > gcc.log 2>&1 &&
    ./pan -m1000000 > pan.log 2>&1 &&
    grep -q 'errors: 0' pan.log &&
    ! grep -q 'max search depth too small\|out of memory' pan.log
}

failed=0
for model in "$models"/*.pml; do
  name=$(basename "$model" .pml)
  rm -f pan pan.log
  if check "$model"; then
    echo "$name: nothing is wrong in $(sed -n 's/ states, stored.*//p' pan.log | tr -d ' ') states"
  else
    cat spin.log gcc.log pan.log
    failed=1
  fi
  for bug in $(grep -o 'BUG_[A-Z_]*[A-Z]' "$model" | sort -u); do
    rm -f pan pan.log
    if check "$model" "-D$bug"; then
      echo "$name: $bug was not found"
      failed=1
    elif grep -q 'errors: 1' pan.log; then
      echo "$name: $bug was found: $(sed -n 's/^pan:1: //p' pan.log)"
    else
      echo "$name: $bug could not be looked for"
      cat spin.log gcc.log pan.log
      failed=1
    fi
  done
done
exit "$failed"
