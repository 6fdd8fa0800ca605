#!/usr/bin/env bash
# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian or Ubuntu machine to all tests run:
#
#   bash tests/run.sh [ctest arguments, e.g. -R maskers]            tests whose peer or data is not there are left out, and named
#   bash tests/run.sh --peers [ctest arguments]                     installs the peers; a test that is left out is a failure
#
# Peers are the programs that the tests compare bmae with, at the versions of tests/peers.txt. .ci/run is the second form.
# Where LibTorch is taken from: see examples/setup.sh. Other settings: BMAE_PRESET (dev), BMAE_JOBS (cores, at most 2 per 4 GB),
# BMAE_DATA (folder of real data). May be interrupted and run again; what is built stays built. The last lines are ctest's summary.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../examples/setup.sh"
cd "$BMAE_ROOT" || exit 1
peers=()
if [ "${1:-}" = --peers ]; then peers=(peers) && shift; fi
preset=${BMAE_PRESET:-dev}
cores=$(nproc)
memory=$(awk '/MemTotal/ { pairs = int($2 / 2097152); print (pairs > 0 ? pairs : 1) }' /proc/meminfo)   # units of 2 GiB
jobs=${BMAE_JOBS:-$((cores < memory ? cores : memory))}
log=build/$preset/ctest.log

configure() { cmake --preset "$preset" -DTorch_DIR="$BMAE_TORCH_DIR" -DBMAE_PYTHON="$BMAE_PYTHON" ${BMAE_DATA:+-DBMAE_DATA="$BMAE_DATA"} >/dev/null; }
build() { cmake --build "build/$preset" --parallel "$jobs"; }
run_tests() { ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --parallel "$jobs" "$@" 2>&1 | tee "$log"; }

bmae_setup tests docs ${peers[@]+"${peers[@]}"} || exit 1
bmae_stage configure configure || exit 1
bmae_stage build build || exit 1
status=0
bmae_stage tests run_tests "$@" || status=1

# Kinds of tests that a whole build has: one that CMake did not register is left out too.
missing_kinds() {
    local kind
    for kind in unit parity static package example docs; do
        [ "$(ctest --test-dir "build/$preset" -N -L "^$kind\$" | sed -n 's/^Total Tests: //p')" != 0 ] ||
            echo "skipped: all tests of the kind $kind, which CMake did not register"
    done
}

# What was left out and why, then ctest's summary once more as the last word.
left_out=$({ grep -hoE '^skipped: .*' "build/$preset/Testing/Temporary/LastTest.log"
    grep -oE '[^ ]+ \((Skipped|Disabled|Not Run)\)$' "$log"
    missing_kinds; } 2>/dev/null | sort | uniq -c)
if [ -n "$left_out" ]; then
    printf 'Left out here:\n%s\n' "$left_out"
    if [ ${#peers[@]} = 0 ]; then
        printf 'To have it: bash tests/run.sh --peers installs tests/peers.txt into build/venv; real data: BMAE_DATA=<folder>.\n\n'
    else
        printf 'run.sh: with --peers nothing may be left out. Real data: BMAE_DATA=<folder>.\n\n'
        status=1
    fi
fi
sed -n '/tests passed, /,$p' "$log"
exit $status
