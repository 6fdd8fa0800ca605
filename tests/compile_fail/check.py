# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""One wrong program must fail with the promised message, and its twin, compiled with -DPASSING, must compile.

usage: check.py FILE.cpp COMPILER FLAGS...       FILE holds one or more lines `// expect: REGEX`
"""
import pathlib
import re
import subprocess
import sys


def compile_once(file, command):
    done = subprocess.run([*command, "-fsyntax-only", str(file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


file, *command = sys.argv[1:]
expected = re.findall(r"^// expect: (.+)$", pathlib.Path(file).read_text(encoding="utf-8"), re.M)
if not expected:
    sys.exit(f"{file}: no line `// expect: REGEX`")
status, output = compile_once(file, [*command, "-DPASSING"])
if status:
    sys.exit(f"the twin (-DPASSING) must compile:\n{output}")
status, output = compile_once(file, command)
print(f"{len(output.splitlines())} lines of diagnostics")
if not status:
    sys.exit("the wrong program compiled")
for pattern in expected:
    if not re.search(pattern, output):
        sys.exit(f"the message lacks: {pattern}\n{output}")
