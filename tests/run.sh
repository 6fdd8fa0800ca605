#!/usr/bin/env bash
# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian or Ubuntu machine to all tests run: bash tests/run.sh [ctest arguments, e.g. -R maskers]
# Where LibTorch is taken from: see examples/setup.sh. Other settings: BMAE_PRESET (dev), BMAE_JOBS (cores, at most 2 per 4 GB).
# May be interrupted and run again; what is built stays built. The last lines are ctest's own summary.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../examples/setup.sh"
cd "$BMAE_ROOT" || exit 1
preset=${BMAE_PRESET:-dev}
cores=$(nproc)
memory=$(awk '/MemTotal/ { pairs = int($2 / 2097152); print (pairs > 0 ? pairs : 1) }' /proc/meminfo)   # units of 2 GiB
jobs=${BMAE_JOBS:-$((cores < memory ? cores : memory))}
log=build/$preset/ctest.log

configure() { cmake --preset "$preset" -DTorch_DIR="$BMAE_TORCH_DIR" -DBMAE_PYTHON="$BMAE_PYTHON" ${BMAE_DATA:+-DBMAE_DATA="$BMAE_DATA"} >/dev/null; }
build() { cmake --build "build/$preset" --parallel "$jobs"; }
run_tests() { ctest --test-dir "build/$preset" --output-on-failure --parallel "$jobs" "$@" 2>&1 | tee "$log"; }

bmae_setup tests docs || exit 1
bmae_stage configure configure || exit 1
bmae_stage build build || exit 1
status=0
bmae_stage tests run_tests "$@" || status=1

# What was left out and why, then ctest's summary once more as the last word.
skipped=$(grep -rhoE 'skipped: .*' "build/$preset/Testing/Temporary/LastTest.log" 2>/dev/null | sort | uniq -c)
[ -z "$skipped" ] || printf 'Left out here:\n%s\n\n' "$skipped"
sed -n '/tests passed, /,$p' "$log"
exit $status
