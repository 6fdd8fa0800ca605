# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles every C++ block of README.md and docs/, looks up every link and every option of the program `bmae` that they show, and
holds the umbrella header complete.

Usage: documents.py [COMMANDS]     COMMANDS is compile_commands.json of a build; - is that of this build
       documents.py --umbrella     writes include/bmae/bmae.hpp anew

A line `<!-- compiled: declarations -->` or `<!-- compiled: statements -->` stands above each ```cpp block; blocks need no
`using namespace`. All blocks are one translation unit, each in a namespace of its own, checked without generating code.
"""
# ctest: -
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
UMBRELLA = ROOT / "include/bmae/bmae.hpp"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PRIVATE = {"detail", "impl", "kernels"}
HEAD = """// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \\file
/// Everything but the models of all presets by name (edge/make_pretraining.hpp, edge/finetuning_presets.hpp), for programs that rather
/// compile longer than look for headers. Never included by bmae itself.
///
/// Written by `tests/parity/documents.py --umbrella`.
#pragma once

"""


# Instantiates the models of all presets: a program that wants them by name says so.
BY_NAME = ["bmae/edge/finetuning_presets.hpp", "bmae/edge/make_pretraining.hpp",
           "bmae/retrieval/icu_word_breaks.hpp", "bmae/retrieval/snowball_stemmer.hpp"]   # the last two need libraries of their own


def public_headers():
    headers = sorted(p.relative_to(ROOT / "include").as_posix() for p in (ROOT / "include/bmae").rglob("*.hpp"))
    return [h for h in headers if h not in ("bmae/bmae.hpp", *BY_NAME) and h.split("/")[1] not in PRIVATE]


def reached(start):
    """The headers that `start` includes, directly or through others."""
    seen, waiting = set(), [start]
    while waiting:
        for header in re.findall(r"^#include <(bmae/.*)>", (ROOT / "include" / waiting.pop()).read_text(), re.M):
            if header not in seen and (ROOT / "include" / header).exists():
                seen.add(header)
                waiting.append(header)
    return seen


def umbrella_text():
    return HEAD + "".join(f"#include <{header}>\n" for header in public_headers())


def blocks():
    """Yields page, line, kind (None where unmarked) and text of each C++ block."""
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        at = 0
        while at < len(lines):
            if lines[at].strip() == "```cpp":
                mark = re.fullmatch(r"<!-- compiled: (declarations|statements) -->", lines[at - 1].strip()) if at else None
                end = lines.index("```", at + 1)
                yield page, at + 2, mark and mark[1], lines[at + 1:end]
                at = end
            at += 1


def translation_unit():
    text = ["#include <iostream>", "#include <string>", "#include <vector>", "#include <bmae/fwd.hpp>", "#include <bmae/bmae.hpp>"]
    for number, (page, line, kind, lines) in enumerate(blocks()):
        if kind is None:
            sys.exit(f"{page.relative_to(ROOT)}:{line - 1}: a C++ block without <!-- compiled: declarations --> or statements above it")
        text += [f"namespace block_{number} {{", "using namespace bmae;"]
        text += ["inline void run() {"] if kind == "statements" else []
        text += [f'#line {line} "{page.relative_to(ROOT)}"', *lines, '#line 1 "after the block"']
        text += ["}"] * (2 if kind == "statements" else 1)
    return "\n".join(text) + "\n"


def check_links():
    wrong = []
    for page in PAGES:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
                if not target.startswith(("http:", "https:", "@ref", "\\ref")) and not (page.parent / target).exists():
                    wrong.append(f"{page.relative_to(ROOT)}:{number}: the link {target} leads nowhere")
    return wrong


def check_program():
    """Commands and options of `bmae` in shell blocks must be declared in the program's source."""
    source = "\n".join(path.read_text() for path in sorted((ROOT / "examples/bmae").glob("commands*.?pp")))
    source = re.sub(r'add\(\s+"', 'add("', source)   # a line end where the declaration is long
    wrong = []
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
            for command, words in re.findall(r"^bmae +([a-z]+)(.*)$", block, re.M):
                known = [f'add("{command}"', *(f'"{option}"' for option in re.findall(r"(--[a-z-]+)", words))]
                wrong += [f"{page.relative_to(ROOT)}: `bmae {command}` has no {word}" for word in known
                          if word not in source and word[:-1] + "," not in source]
    return wrong


def check_headers():
    """README's table of names and headers: each header is there, and declares one of the names of its row."""
    wrong = []
    for names, headers in re.findall(r"^\| (`\w+`.*?) \| (`\w+/\w+\.hpp`.*?) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M):
        texts = {}
        for header in re.findall(r"`([\w/]+\.hpp)`", headers):
            path = ROOT / "include/bmae" / header
            texts[header] = path.read_text() if path.exists() else ""
        for name in re.findall(r"`(\w+)`", names):
            declared = rf"(class|struct|using) {name}\b|\b{name}\("
            if not any(re.search(declared, text) for text in texts.values()):
                wrong.append(f"README.md: none of {', '.join(texts)} declares {name}")
        for header, text in texts.items():
            if not any(re.search(rf"\b{name}\b", text) for name in re.findall(r"`(\w+)`", names)):
                wrong.append(f"README.md: {header} is not there, or has nothing of {names}")
    return wrong


def compile_blocks(commands):
    """Borrows the flags of a program of this build that links LibTorch."""
    entry = next((e for e in json.loads(commands.read_text()) if e["file"].endswith("/03_first_retromae.cpp")), None)
    if entry is None:
        print("skipped: this build has no examples, whose flags are used")
        sys.exit(77)
    words = entry.get("arguments") or shlex.split(entry["command"])
    compiler = next(i for i, word in enumerate(words) if re.search(r"(g\+\+|clang\+\+|c\+\+)[-0-9.]*$", word))
    flags = []
    rest = iter(words[compiler + 1:])
    for word in rest:
        if word in ("-o", "-c", "-include", "-MF", "-MT"):
            next(rest, None)
        elif word not in ("-Winvalid-pch", "-fpch-preprocess", "-MD", "-MMD") and word != entry["file"]:
            flags.append(word)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "blocks.cpp"
        source.write_text(translation_unit())
        command = [words[compiler], *flags, "-fsyntax-only", "-Wno-unused", "-Wno-unused-variable", str(source)]
        done = subprocess.run(command, cwd=entry["directory"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout[:8000])


def main(arguments):
    if arguments == ["--umbrella"]:
        UMBRELLA.write_text(umbrella_text())
        return
    wrong = check_links() + check_program() + check_headers()
    included = reached("bmae/bmae.hpp")
    wrong += [f"include/bmae/bmae.hpp does not reach <{h}>: run documents.py --umbrella" for h in public_headers() if h not in included]
    if wrong:
        sys.exit("\n".join(wrong))
    given = arguments[0] if arguments else "-"
    commands = pathlib.Path(os.environ.get("BMAE_BIN", "build/dev/bin")).parent / "compile_commands.json" if given == "-" else pathlib.Path(given)
    compile_blocks(commands)
    print(f"{sum(1 for _ in blocks())} blocks compile, {len(included)} headers under the umbrella")


main(sys.argv[1:])
