#!/usr/bin/env bash
# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian or Ubuntu machine to a measured retriever: bash examples/quickstart.sh
#
#   (nothing)      an invented world in which only co-occurrence helps: minutes
#   --packages     the distribution's own package descriptions: about half an hour
#   --beir DIR     any collection in BEIR's layout
#   --hours N      a larger model, for that long
#   --seed N, --steps N, --query TEXT, --no-ask, --output DIR   as `quickstart --help` says
#   --no-program   ends with the results; else the command-line program is built too: build/release/bin/bmae
#
# Interrupted, it goes on where it stopped when it is run again with the same words.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
jobs=${BMAE_JOBS:-$(nproc)}
words=()
packages=0
program=1
output=
while [ $# -gt 0 ]; do
    case $1 in
        --packages) packages=1; shift ;;
        --no-program) program=0; shift ;;
        --output) output=$(realpath -m "${2:?--output needs a folder}"); shift 2 ;;
        --beir) words+=(--beir "$(realpath -m "${2:?--beir needs a folder}")"); shift 2 ;;
        -h | --help) sed -n '3,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) words+=("$1"); shift ;;
    esac
done
cd "$BMAE_ROOT" || exit 1

configure() { cmake --preset release -DTorch_DIR="$BMAE_TORCH_DIR" -DBMAE_BUILD_BENCHMARKS=OFF -DBMAE_BUILD_DOCS=OFF -DBMAE_PRECOMPILE=OFF >/dev/null; }
build() { cmake --build build/release --parallel "$jobs" --target "$1"; }

# The English descriptions of the distribution, brought into a private folder; the system's own lists stay as they are.
fetch_descriptions() {
    local lists=$BMAE_ROOT/build/apt-lists
    [ -s "$lists/descriptions" ] && [ -s "$lists/packages" ] && return 0
    command -v apt-get >/dev/null || { bmae_fail "--packages needs a distribution with apt; use --beir DIR for your own texts."; return 1; }
    mkdir -p "$lists/partial"
    apt-get update -qq -o Dir::State::lists="$lists" -o Acquire::Languages=en -o Acquire::GzipIndexes=false || return 1
    /usr/lib/apt/apt-helper cat-file "$lists"/*_Translation-en* >"$lists/descriptions.part" || return 1
    /usr/lib/apt/apt-helper cat-file "$lists"/*_Packages* >"$lists/packages.part" || return 1
    mv "$lists/descriptions.part" "$lists/descriptions" && mv "$lists/packages.part" "$lists/packages"
}

bmae_setup || exit 1
bmae_stage configure configure || exit 1
bmae_stage build build quickstart || exit 1
if [ $packages = 1 ]; then
    bmae_stage descriptions fetch_descriptions || exit 1
    words+=(--packages build/apt-lists/descriptions build/apt-lists/packages)
    : "${output:=build/quickstart-packages}"
fi
: "${output:=build/quickstart}"
if [ -f "$output/results.json" ]; then
    kept=$output.$(date -r "$output/results.json" +%Y%m%d-%H%M%S)
    mv "$output" "$kept" && bmae_say "results of an earlier run moved to $kept"
fi
bmae_stage quickstart "build/release/bin/quickstart" --output "$output" "${words[@]}" || exit
[ $program = 1 ] || exit 0
bmae_stage "the program bmae" build bmae || exit 1
bmae_say "the program: $BMAE_ROOT/build/release/bin/bmae --help; cmake --install build/release --prefix DIR installs it"
