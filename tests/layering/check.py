# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the #include lines of include/bmae and fails on one that points down the list of floors, or into LibTorch from above.

usage: check.py INCLUDE_DIR

Data flows down this list; a header includes from its own floor or from one above it. Also checked: narrow LibTorch headers only,
the umbrella is for users, `#pragma once`, the SPDX lines, that a concept fits on a page (80 lines), and that the units of bmae::compiled
in impl/ include every header with definitions to compile, that of bmae::compiled_core none that needs LibTorch.
"""
import pathlib
import re
import sys

FLOORS = ("values concepts detail io text corpus sources maskers corruptors batch kernels nn encoders bottlenecks decoders losses model "
          "presets generation retrieval metrics evaluation training distributed edge impl").split()
EVERYWHERE = {"values", "concepts", "detail", "fwd.hpp", "version.hpp"}
CONTRACTS = {"nn/context.hpp", "training/objective.hpp"}    # roles without code: what passes between floors, open to all
TORCH_FREE = set("text corpus sources maskers corruptors batch metrics evaluation".split())
TORCH_FREE_FILES = {"retrieval/bm25.hpp", "retrieval/run.hpp", "retrieval/qrels.hpp", "io/safetensors.hpp", "generation/sampler.hpp",
                    "generation/resumable_lines.hpp", "impl/core.hpp"}
BRIDGES = {"batch/to_tensors.hpp"}        # where packed rows become tensors
NAMES_TENSORS = {"values", "concepts"}    # may name at::Tensor, and nothing else of LibTorch
BANNED = {"torch/torch.h", "torch/all.h", "torch/extension.h", "torch/types.h", "ATen/ATen.h"}
INCLUDE = re.compile(r"^\s*#\s*include\s*[<\"]([^>\"]+)[>\"]")
TORCH = re.compile(r"^(ATen|torch|c10)/")


def floor_of(name):
    return name.split("/")[0]


def check(root):
    names = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.suffix in (".hpp", ".cuh"))
    lines = {name: (root / name).read_text(encoding="utf-8").splitlines() for name in names}
    reads = {name: [(i + 1, m[1]) for i, line in enumerate(text) if (m := INCLUDE.match(line))] for name, text in lines.items()}
    inner = {name: [(at, to.removeprefix("bmae/")) for at, to in found if to.startswith("bmae/")] for name, found in reads.items()}
    for name in names:
        mine = floor_of(name)
        if "/" in name and mine not in FLOORS:
            yield f"{name}: the folder {mine}/ is not in the list of floors"
            continue
        if lines[name][:2] != ["// SPDX-FileCopyrightText: the bmae authors", "// SPDX-License-Identifier: Apache-2.0"]:
            yield f"{name}:1: the two SPDX lines are missing"
        if "#pragma once" not in lines[name]:
            yield f"{name}:1: `#pragma once` is missing"
        if mine == "concepts" and len(lines[name]) > 80:
            yield f"{name}: {len(lines[name])} lines; a concept has at most 80"
        for at, to in inner[name]:
            if to not in lines:
                yield f"{name}:{at}: includes bmae/{to}, which does not exist"
            elif to == "bmae.hpp":
                yield f"{name}:{at}: the umbrella is for users, include what is needed"
            elif "/" in name and to not in CONTRACTS and floor_of(to) not in EVERYWHERE and (
                    floor_of(to) not in FLOORS or FLOORS.index(floor_of(to)) > FLOORS.index(mine)):
                yield f"{name}:{at}: {mine}/ must not include {to}, which lies below it"
        for at, to in reads[name]:
            if to in BANNED:
                yield f"{name}:{at}: <{to}> costs seconds in every program, include the narrow headers"
            if mine in NAMES_TENSORS and TORCH.match(to) and to != "ATen/core/Tensor.h":
                yield f"{name}:{at}: {mine}/ may include <ATen/core/Tensor.h> and nothing else of LibTorch"

    def torch_path(name, seen):   # the chain of includes that leads to LibTorch, or None
        seen.add(name)
        for at, to in reads[name]:
            if TORCH.match(to):
                return [f"{name}:{at}", f"<{to}>"]
        for at, to in inner[name]:
            if to in lines and to not in seen and (rest := torch_path(to, seen)):
                return [f"{name}:{at}", *rest]
        return None

    for macro, unit in (("BMAE_DEFINITIONS", "impl/core.hpp"), ("BMAE_TORCH_DEFINITIONS", "impl/torch.hpp")):
        compiled = {to for _, to in inner.get(unit, [])}
        for name in names:
            if f"#if {macro}" in lines[name] and name not in compiled:
                yield f"{name}: has definitions below `#if {macro}`, but {unit} does not include it"
        for name in compiled:
            if name in lines and f"#if {macro}" not in lines[name]:
                yield f"{unit}: includes {name}, which has no definitions below `#if {macro}`"
    for name in names:
        if (floor_of(name) in TORCH_FREE or name in TORCH_FREE_FILES) and name not in BRIDGES and (path := torch_path(name, set())):
            yield f"{name}: must compile without LibTorch, but: " + " -> ".join(path)


if __name__ == "__main__":
    problems = list(check(pathlib.Path(sys.argv[1]) / "bmae"))
    print("\n".join(problems))
    sys.exit(1 if problems else 0)
