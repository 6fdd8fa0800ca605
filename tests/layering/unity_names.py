# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Functions in the unnamed namespaces of the program's sources have names of their own.

usage: unity_names.py ROOT

Several sources make one translation unit (BMAE_UNITY), where two such functions of one name are overloads: a text given as std::string then goes to the one of
another source that takes std::string, without a word of the compiler. A function that a header of the program declares counts too. With BMAE_UNITY off
nothing of that happens, so the two builds would differ.
"""
import collections
import pathlib
import re
import sys

FUNCTION = re.compile(r"(?:template *<.*> *)?(?!using|namespace|struct|class|enum|return|throw|static_assert)[A-Za-z_][\w:<>,&*\[\] ]*?[ &*>](\w+)\(")


def functions(path):
    """(name, whether it is in an unnamed namespace) of each function that begins in the first column."""
    unnamed = False
    for line in path.read_text().splitlines():
        if line.startswith("namespace {"):
            unnamed = True
        elif line == "}  // namespace":
            unnamed = False
        elif found := FUNCTION.match(line):
            yield found[1], unnamed


def main(root):
    hidden, shown = collections.defaultdict(set), collections.defaultdict(set)
    for path in sorted((root / "examples" / "bmae").glob("*.[ch]pp")):
        for name, unnamed in functions(path):
            (hidden if unnamed else shown)[name].add(path.name)
    clashes = [f"{name}: {', '.join(sorted(files | shown[name]))}" for name, files in sorted(hidden.items()) if len(files) > 1 or shown[name]]
    for clash in clashes:
        print(f"a function of an unnamed namespace shares its name with another: {clash}")
    print(f"{len(hidden)} names of functions in unnamed namespaces, {len(clashes)} that meet another")
    return bool(clashes) or len(hidden) < 200   # fewer were not read


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
