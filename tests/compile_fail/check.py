# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Wrong programs must fail with the promised sentences, and their twins, compiled with -DPASSING, must compile.

usage: check.py compile FILE.cpp DIAGNOSTICS COMPILER FLAGS...    compiles both forms, keeps what the compiler said in DIAGNOSTICS
       check.py case FILE.cpp DIAGNOSTICS NAME                    judges one case by it

A case is a line `// case: NAME`, a line `// expect: REGEX` and the code below, up to the next case. It holds both forms, chosen
by PASSING (`#ifdef`, `Pick<Right, Wrong>` or `right`). A compiler reports all faults of a file at once and says from which line each
one comes, so a file is compiled twice and not twice for each of its cases: the sentence must be said of a line of its own case.
"""
import pathlib
import re
import subprocess
import sys

CASE = re.compile(r"^// case: (\w+)\n// expect: (.+)\n", re.M)
CONTEXT = re.compile(r"required (from|by)|In instantiation of|In substitution of|In file included from|^\s+from |in .constexpr. expansion of")


def fail(message):
    sys.exit(message)


def cases_of(file):
    """name -> (regex, first line, last line, code)"""
    text = file.read_text(encoding="utf-8")
    heads = list(CASE.finditer(text))
    if len(heads) != len(re.findall(r"^// (?:case|expect): ", text, re.M)) / 2 or not heads:
        fail(f"{file}: every case is a line `// case: NAME`, then a line `// expect: REGEX`")
    cases = {}
    for head, after in zip(heads, [*heads[1:], None]):
        code = text[head.end():after.start() if after else len(text)]
        first = text.count("\n", 0, head.end()) + 1
        cases[head[1]] = (head[2], first, first + code.count("\n"), code)
    if len(cases) != len(heads):
        fail(f"{file}: a name stands for two cases")
    return cases


def form(code, passing):
    """The code of one form, without comments and blanks."""
    kept, taken = [], [True]
    for line in code.splitlines():
        if line.startswith("#ifdef PASSING"):
            taken.append(passing)
        elif line.startswith("#else"):
            taken[-1] = not taken[-1]
        elif line.startswith("#endif"):
            taken.pop()
        elif all(taken):
            kept.append(re.sub(r"//.*", "", line).strip())
    return "".join(kept)


def check_twin(name, code):
    twin = form(code, True)
    if not twin or (twin == form(code, False) and not re.search(r"\bPick<|\bright\b", twin)):
        fail(f"case {name}: both forms are the same, or there is no twin")


def said_of(lines, at, file):
    """The lines of `file` from which the fault comes that line `at` of the diagnostics belongs to."""
    while at > 0 and ": error: " not in lines[at]:
        at -= 1     # a note below its error
    begin = at
    while begin > 0 and CONTEXT.search(lines[begin - 1]):
        begin -= 1
    return {int(number) for line in lines[begin:at + 1] for number in re.findall(rf"{re.escape(file.name)}:(\d+):", line)}


def judge(file, output, name, case):
    pattern, first, last, code = case
    check_twin(name, code)
    lines = output.splitlines()
    places = [said_of(lines, at, file) for at, line in enumerate(lines) if re.search(pattern, line)]
    if not places:
        fail(f"case {name}: the message lacks: {pattern}\n{output}")
    if not any(first <= number <= last for place in places for number in place):
        fail(f"case {name}, lines {first} to {last}: said of the lines {sorted(set().union(*places))} only: {pattern}\n{output}")
    return f"refused: {name}: {pattern}"


mode, file, diagnostics, *rest = sys.argv[1:]
file, diagnostics = pathlib.Path(file), pathlib.Path(diagnostics)
cases = cases_of(file)
if mode == "case":
    if not diagnostics.exists():
        fail(f"{diagnostics} is missing: it is made by the test that compiles {file.name}")
    print(judge(file, diagnostics.read_text(encoding="utf-8"), rest[0], cases[rest[0]]))
    sys.exit()
diagnostics.unlink(missing_ok=True)
for passing in (True, False):
    command = [*rest, *["-DPASSING"] * passing, "-fsyntax-only", str(file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False)
    if passing and done.returncode:
        fail(f"the twins (-DPASSING) must compile:\n{done.stdout}")
if not done.returncode:
    fail("the wrong program compiled")
diagnostics.write_text(done.stdout, encoding="utf-8")
for name, case in cases.items():
    print(judge(file, done.stdout, name, case))
print(f"{len(cases)} wrong compositions refused with their sentence, {len(cases)} twins compile")
