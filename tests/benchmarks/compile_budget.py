# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""What each public header costs a program that includes it: CPU seconds and peak memory of the compiler, as a Markdown table.

usage: compile_budget.py [--only REGEX] [--presets | --consumers] [--compiler g++] [--torch TORCH_DIR] [--repeat 1] [--limit-seconds S] [--limit-mb M]
                         [FILE.cpp...]

Programs given as FILE.cpp (say, one that instantiates a preset and a trainer) are measured as well. `--presets` measures, in place of the
headers, a program for each alias of include/bmae/presets that includes its header alone and trains it. `--consumers` measures what a
consumer of each kind pays for its own translation unit: header-only or over bmae::compiled, with and without precompiled headers of
LibTorch (a quarter of a minute, once per project, not counted); user seconds, seconds, MB. With a limit, anything above it makes the
exit status 1.
"""
import argparse
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

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


PROGRAMS = {   # what consumers write: name, whether it needs LibTorch, includes, statements
    "RetroMae, pretrain": (True, ("presets/retromae.hpp", "edge/pretrain.hpp"), """
    auto const corpus = bmae::TokenStore::open("corpus");
    bmae::RetroMae model(bmae::BertConfig::base());
    bmae::pretrain(model, corpus, {.steps = 10});"""),
    "Retriever, finetune, encode": (True, ("presets/retriever.hpp", "edge/pretrain.hpp", "edge/sentence_transformer_folder.hpp"), """
    auto const pairs = bmae::PairStore::open("pairs");
    bmae::Retriever model(bmae::BertConfig::base());
    bmae::finetune(model, pairs, {.steps = 10});
    auto const tokenizer = bmae::AnyTokenizer::from_file("vocab.txt");
    bmae::save_sentence_transformer(bmae::SentenceEncoder(model.encoder(), tokenizer, {.max_length = 150}), "out");"""),
    "search by a saved encoder": (True, ("edge/sentence_transformer_folder.hpp", "retrieval/exact_index.hpp"), """
    std::vector<std::string> const texts{"Bread is baked in an oven."}, ids{"d1"};
    auto const encoder = bmae::load_sentence_encoder("out");
    bmae::ExactIndex const index(encoder.encode(texts), ids);
    return static_cast<int>(index.search(encoder.encode(texts), 10, ids).size());"""),
    "tokens and BM25, no LibTorch": (False, ("text/wordpiece.hpp", "text/token_store.hpp", "retrieval/bm25.hpp"), """
    auto const tokenizer = bmae::WordPiece::from_file("vocab.txt");
    auto const corpus = bmae::TokenStore::open("corpus");
    bmae::Bm25Index const* index = nullptr;
    return static_cast<int>(corpus.size() + tokenizer.size()) + (index != nullptr ? 1 : 0);"""),
}


def consumers(compiler, torch, repeat, only):
    """The rows of --consumers. The repeats of all kinds alternate, so that other work on the machine meets all of them."""
    plain = [compiler, "-std=c++20", "-O0", "-I", str(INCLUDE), "-isystem", "/usr/include/eigen3"]
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        kinds = {}
        for name, defines in (("header-only", []), ("bmae::compiled", ["-DBMAE_SEPARATE_COMPILATION"])):
            header = folder / f"{len(kinds)}.hpp"
            header.write_text((ROOT / ".cmake/precompiled.hpp").read_text())
            subprocess.run([*plain, *torch, *defines, "-x", "c++-header", str(header), "-o", f"{header}.gch"], check=True)
            kinds[name] = defines
            kinds[f"{name}, precompiled"] = [*defines, "-include", str(header)]
        for _ in range(repeat):
            for number, (program, (needs_torch, includes, statements)) in enumerate(PROGRAMS.items()):
                source = folder / f"program_{number}.cpp"
                source.write_text("#include <string>\n#include <vector>\n" + "".join(f"#include <bmae/{one}>\n" for one in includes) +
                                  f"int main() {{{statements}\n}}\n")
                for kind, defines in kinds.items():
                    if not re.search(only, program) or ("precompiled" in kind and not needs_torch):
                        continue
                    command = [*plain, *(torch if needs_torch else []), *defines, "-c", str(source), "-o", os.devnull]
                    rows.setdefault((program, kind), []).append(measure_once(command))
    return {key: [min(column) for column in zip(*found)] for key, found in rows.items()}


def measure_once(command):
    """User seconds, seconds and MB of one compiler."""
    start = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    return usage.ru_utime, time.monotonic() - start, usage.ru_maxrss / 1024


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
parser.add_argument("--consumers", action="store_true")
parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
parser.add_argument("--torch", default="")
parser.add_argument("--repeat", type=int, default=1)
parser.add_argument("--limit-seconds", type=float, default=float("inf"))
parser.add_argument("--limit-mb", type=float, default=float("inf"))
parser.add_argument("files", nargs="*", type=pathlib.Path)
options = parser.parse_args()

if options.consumers:
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n| program | form | user s | s | MB |\n|---|---|---:|---:|---:|")
    for (program, kind), (user, wall, memory) in consumers(options.compiler, torch_flags(options.torch), options.repeat,
                                                           options.only).items():
        print(f"| {program} | {kind} | {user:.1f} | {wall:.1f} | {memory:,.0f} |")
    sys.exit()
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
