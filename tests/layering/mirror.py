# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""tests/ mirrors include/bmae: every folder of headers has a folder of tests with a test case in it, and no public header is without a
test: a source that ctest builds includes it, or names a type or function that it alone declares. Headers with nothing but
`namespace detail` are parts of their neighbors and are tested through them.

usage: mirror.py SOURCE_DIR
"""
import collections
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"](bmae/[^>"]+)[>"]', re.M)
CASE = re.compile(r"^BOOST_\w*TEST_CASE\w*\(", re.M)
DETAIL = re.compile(r"^namespace (?:bmae::)?(?:\w+_)?detail \{$.*?^\}  // namespace (?:bmae::)?(?:\w+_)?detail$", re.M | re.S)
TYPE = re.compile(r"^(?:template <.*> |inline |constexpr )*(?:class|struct|concept|enum class|enum|using) (\w+)\b(?! *<[^=]*> *\{|;)", re.M)
FUNCTION = re.compile(r"^(?=\w)(?!using|namespace|static_assert|return|requires|template)[\w:<>,&*\[\] ]+? [&*]?(\w+)\(", re.M)
VALUE = re.compile(r"^(?:inline )?constexpr [^=({]*?(\w+)(?: =|\{)", re.M)
NOT_RUN = {"benchmarks"}                        # programs that ctest does not know
UMBRELLAS = {"bmae/bmae.hpp", "bmae/fwd.hpp"}   # the documents' blocks are compiled against both: parity/documents.py


def public_names(header):
    """What a header declares at the level of the namespace. The style has those at the start of a line."""
    text = DETAIL.sub("", header)
    return {*TYPE.findall(text), *FUNCTION.findall(text), *VALUE.findall(text)}


def check(source):
    include, tests = source / "include", source / "tests"
    headers = sorted(path.relative_to(include).as_posix() for path in (include / "bmae").rglob("*") if path.suffix in (".hpp", ".cuh"))
    folders = sorted({header.split("/")[1] for header in headers if header.count("/") > 1})
    text = {path.relative_to(tests): path.read_text(encoding="utf-8") for path in sorted(tests.rglob("*")) if path.suffix in (".cpp", ".hpp")}
    text = {path: content for path, content in text.items() if path.parts[0] not in NOT_RUN}
    for folder in folders:
        if not any(path.parts[0] == folder and path.suffix == ".cpp" and CASE.search(content) for path, content in text.items()):
            yield f"tests/{folder}: no test case for include/bmae/{folder}"
    included = {header for content in text.values() for header in INCLUDE.findall(content)}
    words = {word for content in text.values() for word in re.findall(r"\w+", INCLUDE.sub("", content))}
    names = {header: public_names((include / header).read_text(encoding="utf-8")) for header in headers}
    declared = collections.Counter(name for header in headers if header not in UMBRELLAS for name in names[header])
    inner = sum(not found for found in names.values())
    for header in headers:   # a plain lower-case word, such as `all`, is said in many a test that means something else
        telling = {name for name in names[header] if declared[name] == 1 and (name[0].isupper() or "_" in name)}
        if names[header] and not telling & words and header not in included | UMBRELLAS:
            yield f"include/{header}: no test includes it or names what it declares: {', '.join(sorted(names[header]))}"
    print(f"{len(headers)} headers in {len(folders)} folders, {len(included)} included by tests, {inner} with details only")


if __name__ == "__main__":
    faults = list(check(pathlib.Path(sys.argv[1])))
    print("\n".join(faults))
    sys.exit(bool(faults))
