#!/usr/bin/env bash
# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# Fuzzes every reader of files by libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer, and prints a table.
#
# usage: tests/fuzz/run.sh MINUTES [TARGET...]      minutes of each target, as 5 or .5; all targets where none is named
#
# Needs clang 16 or newer with its run-time library (apt: clang-19 libclang-rt-19-dev). Keeps its inputs in build/fuzz/corpus/TARGET, so that a later run goes on
# from them; a finding is build/fuzz/findings/TARGET/crash-..., which `test_fuzz TARGET FILE` reads again.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:?minutes of each target}
seconds=$(awk "BEGIN { print int($minutes * 60) }")
shift
for clang in clang++-19 clang++-20 clang++-21 clang++-18 clang++-17 clang++-16 clang++; do
    command -v "$clang" > /dev/null && break
done
command -v "$clang" > /dev/null || { echo "run.sh: expected clang 16 or newer, found none. Install it: apt install clang-19 libclang-rt-19-dev" >&2; exit 2; }
echo 'extern "C" int LLVMFuzzerTestOneInput(unsigned char const*, unsigned long) { return 0; }' |
    "$clang" -x c++ - -fsanitize=fuzzer,address,undefined -o /dev/null 2> /dev/null ||
    { echo "run.sh: $clang has no libFuzzer or no sanitizers. Install its run-time library: apt install libclang-rt-19-dev (of the same version)" >&2; exit 2; }
launcher=$(command -v ccache || true)
out=build/fuzz
mkdir -p $out
flags="-std=c++20 -O1 -g1 -Wno-deprecated-declarations -Iinclude -D_GLIBCXX_ASSERTIONS -fno-omit-frame-pointer -fno-sanitize-recover=all"
sanitizers="address,undefined,float-cast-overflow"
units=(targets text_targets corpus_targets store_targets model_targets index_targets recipe_targets)
objects=("${units[@]/#/$out/}")
objects=("${objects[@]/%/.o}")
newest=$(find include tests/fuzz examples/bmae -name '*.?pp' -newer $out/stamp 2> /dev/null | head -1 || true)
if [ ! -e $out/stamp ] || [ -n "$newest" ]; then
    for unit in "${units[@]}" findings main fuzzer; do
        echo "compiling $unit" >&2
        $launcher $clang $flags -DBMAE_LIBFUZZER -fsanitize=fuzzer-no-link,$sanitizers -c tests/fuzz/$unit.cpp -o $out/$unit.o
    done
    $clang $flags -fsanitize=$sanitizers $out/main.o "${objects[@]}" $out/findings.o -o $out/replay -lz -lutf8proc
    $clang $flags -fsanitize=fuzzer,$sanitizers $out/fuzzer.o "${objects[@]}" -o $out/fuzz -lz -lutf8proc
    touch $out/stamp
fi
$out/replay --seeds $out/seeds
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <($out/replay --list)
printf '%-22s %12s %8s %8s %9s\n' target executions edges minutes findings
for target in "${targets[@]}"; do
    mkdir -p "$out/corpus/$target" "$out/findings/$target"
    status=0
    BMAE_FUZZ_TARGET=$target $out/fuzz -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$out/findings/$target/" "$out/corpus/$target" "$out/seeds/$target" > "$out/$target.log" 2>&1 || status=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
    edges=$(grep -o 'cov: [0-9]*' "$out/$target.log" | tail -1 | cut -d' ' -f2)
    found=$(find "$out/findings/$target" -type f | wc -l)
    printf '%-22s %12s %8s %8s %9s\n' "$target" "${executions:-?}" "${edges:-?}" "$minutes" "$found"
    [ $status -eq 0 ] || echo "  ended with status $status: $out/$target.log"
done
