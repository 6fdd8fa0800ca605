#!/usr/bin/env bash
# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# What a GPU has to show, in one run of at most eight minutes on 16 cores and one H200:
#
#   bash tests/gpu/run.sh                       builds for CUDA, compares every preset with the CPU, times it beside PyTorch
#   bash tests/gpu/run.sh --device cpu          the same script on a CPU that stands for the GPU, with tiny sizes: a rehearsal
#
# Python with torch, transformers and safetensors: BMAE_PYTHON (default python3). LibTorch: that torch, a CUDA build; else Torch_DIR.
# Settings: BMAE_JOBS (all cores), GPU_OUT (build/gpu: logs and results.json), GPU_BUILD (a build folder that is ready: no build).
# Ends with status 1 where a preset deviates or a part failed; the others still run.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
device=cuda
[ "${1:-}" = --device ] && device=$2
python=${BMAE_PYTHON:-python3}
jobs=${BMAE_JOBS:-$(nproc)}
out=$(realpath -m "${GPU_OUT:-build/gpu}")
preset=$([ "$device" = cpu ] && echo release || echo cuda)
build=$(realpath -m "${GPU_BUILD:-build/$preset}")
mkdir -p "$out"
status=0

stage() {   # stage NAME COMMAND...: runs it, its output to the log and the screen, and says how long it took
    local name=$1 begin=$SECONDS
    shift
    "$@" 2>&1 | tee "$out/$name.log"
    local ended=${PIPESTATUS[0]}
    echo "== $name: $((SECONDS - begin)) s$([ "$ended" = 0 ] || echo ", FAILED ($ended)")"
    [ "$ended" = 0 ] || status=1
    return "$ended"
}

build() {
    local torch=${Torch_DIR:-$("$python" -c 'import torch; print(torch.utils.cmake_prefix_path)')/Torch}
    cmake --preset "$preset" -DTorch_DIR="$torch" -DBMAE_PYTHON="$python" -DBMAE_TORCH_JOBS="$jobs" >"$out/configure.log" 2>&1 || { tail -20 "$out/configure.log"; return 1; }
    cmake --build "$build" --parallel "$jobs" --target bmae benchmark_retromae_step
}

if [ -z "${GPU_BUILD:-}" ]; then
    stage build build || exit 1
fi
export BMAE_BIN=$build/bin PYTHONDONTWRITEBYTECODE=1
if [ "$device" = cpu ]; then
    export BMAE_STAND_IN=1
    presets=(--presets mlm retromae dupmae master cot-mae-v2 --jobs 1)
    steps=(--workload tiny-8x32..64 --variants strong --repeats 3 --steps 1 --threads 1)
    master=(--shape tiny --texts 4 --length 32 --steps 3 --warmup 1)
else
    presets=(--jobs 8)
    steps=(--workload base-128x128 base-128x60..128 base-32x512 --variants strong packed --repeats 7 --steps 10 --warmup 5 --threads 8)
    master=(--shape base --texts 128 --length 128)
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$out/gpu.log"
fi
stage presets "$python" tests/gpu/presets.py --device "$device" "${presets[@]}" --json "$out/presets.json"
stage steps "$python" tests/benchmarks/retromae_step.py --ours "$build/bin/benchmark_retromae_step" --device "$device" --precision bf16 \
    --what run encode "${steps[@]}" --json
stage master "$python" tests/gpu/master.py --device "$device" "${master[@]}" --json "$out/master.json"
"$python" - "$out" "$device" "$status" <<'PY'
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
read = lambda name: json.loads((out / name).read_text()) if (out / name).exists() else None
steps = [json.loads(line) for line in (out / "steps.log").read_text().splitlines() if line.startswith("{")]
gpu = (out / "gpu.log").read_text().strip() if (out / "gpu.log").exists() else None
(out / "results.json").write_text(json.dumps({"device": sys.argv[2], "gpu": gpu, "status": int(sys.argv[3]), "presets": read("presets.json"),
                                              "steps": steps, "master": read("master.json")}, indent=1))
print(f"== results: {out / 'results.json'}, status {sys.argv[3]}")
PY
exit $status
