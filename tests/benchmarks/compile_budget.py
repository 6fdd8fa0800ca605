# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""What each public header costs a program that includes it: CPU seconds and peak memory of the compiler, as a Markdown table.

usage: compile_budget.py [--only REGEX] [--presets] [--compiler g++] [--torch TORCH_DIR] [--repeat 1] [--limit-seconds S] [--limit-mb M]
                         [FILE.cpp...]

Programs given as FILE.cpp (say, one that instantiates a preset and a trainer) are measured as well. `--presets` measures, in place of the
headers, a program for each alias of include/bmae/presets that includes its header alone and trains it. With a limit, anything above it
makes the exit status 1.
"""
import argparse
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"


def torch_flags(folder):
    if not folder:
        found = importlib.util.find_spec("torch")
        folder = found.submodule_search_locations[0] if found else None
    elif (pathlib.Path(folder) / "TorchConfig.cmake").exists():
        folder = pathlib.Path(folder).parents[2]
    if not folder:
        return []
    paths = [part for sub in ("include", "include/torch/csrc/api/include") for part in ("-isystem", f"{folder}/{sub}")]
    return [*paths, "-DAT_PER_OPERATOR_HEADERS"]   # as bmae::bmae defines it


def preset_programs(folder, only):
    """For each alias a program that reads its header and nothing of the other presets."""
    for header in sorted((INCLUDE / "bmae/presets").glob("*.hpp")):
        for alias in re.findall(r"^using (\w+) = Model<", header.read_text(), re.M):
            if re.search(only, alias):
                source = pathlib.Path(folder) / f"{alias}.cpp"
                source.write_text(f"#include <bmae/presets/{header.name}>\n#include <bmae/edge/pretrain.hpp>\n"
                                  f"int main() {{\n    auto const corpus = bmae::TokenStore::open(\"corpus\");\n"
                                  f"    bmae::{alias} model(bmae::BertConfig::base());\n"
                                  f"    bmae::pretrain(model, corpus, {{.steps = 10}});\n}}\n")
                yield f"{alias} ({header.name})", source


def measure(command, repeat):
    best = (float("inf"), 0.0)
    for _ in range(repeat):
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"failed: {' '.join(command)}")
        best = min(best, (usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))   # not wall time: the machine may be busy
    return best


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--only", default="")
parser.add_argument("--presets", action="store_true")
parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
parser.add_argument("--torch", default="")
parser.add_argument("--repeat", type=int, default=1)
parser.add_argument("--limit-seconds", type=float, default=float("inf"))
parser.add_argument("--limit-mb", type=float, default=float("inf"))
parser.add_argument("files", nargs="*", type=pathlib.Path)
options = parser.parse_args()

flags = [options.compiler, "-std=c++20", "-O0", "-x", "c++", "-I", str(INCLUDE), "-isystem", "/usr/include/eigen3",
         *torch_flags(options.torch), "-c", "-o", os.devnull]
rows = []
with tempfile.TemporaryDirectory() as folder:
    sources = [(str(file), file) for file in options.files]
    if options.presets:
        sources += preset_programs(folder, options.only)
    for header in sorted(INCLUDE.rglob("*.hpp")) if not options.presets and (options.only or not options.files) else []:
        name = str(header.relative_to(INCLUDE))
        if re.search(options.only, name):
            source = pathlib.Path(folder) / (re.sub(r"\W", "_", name) + ".cpp")
            source.write_text(f"#include <{name}>\n")
            sources.append((name, source))
    for name, source in sources:
        rows.append((name, *measure([*flags, str(source)], options.repeat)))
print("| header or program | s | MB |\n|---|---:|---:|")
for name, seconds, memory in sorted(rows, key=lambda row: -row[1]):
    print(f"| {name} | {seconds:.1f} | {memory:.0f} |")
over = [name for name, seconds, memory in rows if seconds > options.limit_seconds or memory > options.limit_mb]
if over:
    sys.exit(f"over the budget: {', '.join(over)}")
