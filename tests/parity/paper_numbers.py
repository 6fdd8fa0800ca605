# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
# ctest:
"""The program's presets and the pages of docs/papers say the same: names, encoder passes and terms in the table of all presets, and
each hyperparameter with its default in the table of the paper's page.

A cell of defaults is a number, or one for each of several names, separated by commas; "; `preset` number" says what another preset has.
"""
import os
import pathlib
import re
import sys

from cli_support import result

PAPERS = pathlib.Path(os.environ.get("BMAE_SOURCE", pathlib.Path(__file__).resolve().parents[2])) / "docs" / "papers"
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows_of(text, heading, table=0):
    """The cells of a table below a heading, the head of the table first."""
    lines = text.split(f"\n## {heading}\n")[1].split("\n## ")[0].splitlines() if heading else text.splitlines()
    start = [i for i, line in enumerate(lines) if line.startswith("|---")][table]
    end = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
    return [cells(line) for line in [lines[start - 1], *lines[start + 1:end]]]


def counts(composition):
    """Passes and terms of a composition as the program prints it: `name; pass -> bottleneck -> term ...; ...; term`."""
    parts = [part for part in composition.split("; ") if "(" in part.split(" -> ")[0] or " -> " in part]
    crossing = [part for part in composition.split("; ")[1:] if part not in parts]
    return len(parts), sum(len(part.split(" -> ")) - 2 for part in parts) + len(crossing)


def defaults_of(page, preset):
    """name -> number of one preset, as the page's table has them."""
    table = rows_of(page.read_text(encoding="utf-8"), "Hyperparameters")
    column = table[0].index("default")
    found = {}
    for row in table[1:]:
        names = [name for cell in row[:column] for name in re.findall(r"`([\w.]+)`", cell)]
        first, *others = row[column].split(";")
        values = re.findall(NUMBER, first)
        for other in others:
            if f"`{preset}`" in other:
                values = re.findall(NUMBER, other.replace(f"`{preset}`", ""))
        found.update(zip(names, map(float, values)))
    return found


def check():
    known = result("presets")
    presets = {preset["name"]: preset for preset in known["presets"] + known["finetuning"]}
    listed = {}
    readme = (PAPERS / "README.md").read_text(encoding="utf-8")
    for row in rows_of(readme, None)[1:] + rows_of(readme, None, 1)[1:]:
        for name in re.findall(r"`([\w-]+)`", row[0]):
            page = re.search(r"\]\(([\w.]+)\)", row[2])[1]
            listed[name] = (page, int(row[3]), int(row[4]))
    for name in sorted(set(presets) ^ set(listed)):
        yield f"README.md: {name} is {'not in the table' if name in presets else 'no preset'}"
    for name in sorted(set(presets) & set(listed)):
        page, *said = listed[name]
        if (found := counts(presets[name]["composition"])) != tuple(said):
            yield f"README.md: {name} has {found} passes and terms, the table says {tuple(said)}"
        numbers = defaults_of(PAPERS / page, name)
        hyperparameters = presets[name].get("hyperparameters", presets[name].get("numbers"))
        for option in hyperparameters:
            if option["name"] not in numbers and not isinstance(option["value"], str):
                yield f"{page}: {option['name']} of {name} is not in the table"
            elif isinstance(option["value"], str):
                continue   # a choice, not a number
            elif numbers[option["name"]] != float(option["value"]):
                yield f"{page}: {option['name']} of {name} is {float(option['value'])}, the table says {numbers[option['name']]}"
    print(f"{len(presets)} presets")


faults = list(check())
print("\n".join(faults))
sys.exit(bool(faults))
