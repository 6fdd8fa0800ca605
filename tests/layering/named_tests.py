# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""docs/pitfalls.md names tests by pitfall and oracle; fails where one of them is gone, or where a test of that kind is not on the page.

usage: named_tests.py SOURCE_DIR
"""
import collections
import pathlib
import re
import sys

LATER = {"24", "29"}      # the page says why
ROW = re.compile(r"^\| (oracle|pitfall) (\w+) \| `(\w+)` \| `([\w/.]+)` \|$", re.M)
SUMMARY = re.compile(r"^\| ([a-z]|\d\d) \| ", re.M)
TEST = re.compile(r"^BOOST_\w*TEST_CASE\w*\((\w+)", re.M)
KIND = re.compile(r"(pitfall)_(\d\d)_|(oracle)_([a-z])_")


def check(source):
    page = (source / "docs" / "pitfalls.md").read_text(encoding="utf-8")
    listed = {(name, file): (kind, number) for kind, number, name, file in ROW.findall(page)}
    found = set()
    for path in sorted((source / "tests").rglob("*.cpp")):
        file = str(path.relative_to(source))
        for name in TEST.findall(path.read_text(encoding="utf-8")):
            if name.startswith(("pitfall_", "oracle_")):
                found.add((name, file))
                if not KIND.match(name):
                    yield f"{file}: {name}: expected pitfall_NN_... or oracle_X_..."
    for name, file in sorted(set(listed) - found):
        yield f"docs/pitfalls.md: {name} is not in {file}"
    for name, file in sorted(found - set(listed)):
        yield f"{file}: {name} is not in docs/pitfalls.md"
    for (name, _), (kind, number) in listed.items():
        if not name.startswith(f"{kind}_{number}_"):
            yield f"docs/pitfalls.md: {name} stands under {kind} {number}"
    numbers = collections.Counter(f"{kind} {number}" for kind, number in listed.values())
    wanted = [f"pitfall {n:02}" for n in range(1, 31) if f"{n:02}" not in LATER] + [f"oracle {letter}" for letter in "abcdefghijkl"]
    for number in wanted:
        if not numbers[number]:
            yield f"docs/pitfalls.md: {number} has no test"
    described = set(SUMMARY.findall(page))
    for number in wanted:
        if number.split()[1] not in described:
            yield f"docs/pitfalls.md: {number} is not described"
    print(f"{sum(numbers.values())} tests for {len(numbers)} pitfalls and oracles")


if __name__ == "__main__":
    faults = list(check(pathlib.Path(sys.argv[1])))
    print("\n".join(faults))
    sys.exit(bool(faults))
