# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Every page of docs/papers has the same headings in the same order, tables of hyperparameters and of paper against code, and the whole alias
of each model as its preset header has it.

usage: paper_pages.py SOURCE_DIR
"""
import pathlib
import re
import sys

HEADINGS = ["Figure", "Alias", "Hyperparameters", "Paper against code", "Run", "Expect"]
ALIAS = re.compile(r"^using (\w+) = Model<.*?;", re.M | re.S)


def bare(code):
    """Without comments and layout."""
    return re.sub(r"\s+", "", re.sub(r"//[^\n]*", "", code))


def aliases(text):
    return {found[1]: bare(found[0]) for found in ALIAS.finditer(text)}


def check(source):
    presets = source / "include" / "bmae" / "presets"
    pages = sorted(path for path in (source / "docs" / "papers").glob("*.md") if path.name != "README.md")
    shown = {}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        parts = re.split(r"^## (.*)\n", text, flags=re.M)
        if parts[1::2] != HEADINGS:
            yield f"{page.name}: the headings are {parts[1::2]}, expected {HEADINGS}"
            continue
        sections = dict(zip(parts[1::2], parts[2::2]))
        for name in ("Hyperparameters", "Paper against code"):
            if "\n|---" not in sections[name]:
                yield f"{page.name}: {name}: no table"
        if "```sh\nbmae " not in sections["Run"]:
            yield f"{page.name}: Run: no command"
        for name, alias in aliases(sections["Alias"]).items():
            shown[name] = (page.name, alias)
    count = 0
    for header in sorted(presets.glob("*.hpp")):
        for name, alias in aliases(header.read_text(encoding="utf-8")).items():
            count += 1
            page, text = shown.pop(name, (None, None))
            if page is None:
                yield f"presets/{header.name}: the alias {name} stands on no page of docs/papers"
            elif text != alias:
                yield f"{page}: the alias {name} is not that of presets/{header.name}"
    for name, (page, _) in shown.items():
        yield f"{page}: no preset header has the alias {name}"
    print(f"{len(pages)} pages, {count} whole aliases")


if __name__ == "__main__":
    faults = list(check(pathlib.Path(sys.argv[1])))
    print("\n".join(faults))
    sys.exit(bool(faults))
