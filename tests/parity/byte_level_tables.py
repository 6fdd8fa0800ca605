# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes include/bmae/text/byte_level_bpe_tables.hpp: which scalar values `tokenizers` takes for letters, numbers and white space.

Observed, not copied: each value is split by the regular expressions that GPT-2's pre-tokenizer is made of. `python3
byte_level_tables.py` rewrites the header, `--check` fails if it would change.
"""
# ctest: --check
import pathlib
import sys

import tokenizers
from tokenizers import Regex, pre_tokenizers

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include/bmae/text/byte_level_bpe_tables.hpp"


def ranges(expression):
    split = pre_tokenizers.Split(Regex(expression), "removed")
    found = []
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000 or [piece for piece, _ in split.pre_tokenize_str("!" + chr(code) + "!")] != ["!", "!"]:
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def table(name, doc, found):
    rows, line = [], "   "
    for first, last in found:
        item = f" {{{first:#x}, {last:#x}}},"
        if len(line) + len(item) > 128:
            rows.append(line)
            line = "   "
        line += item
    return f"/// {doc}\ninline constexpr CharacterRange {name}[] = {{\n" + "\n".join([*rows, line.removesuffix(",")]) + "};\n"


def header():
    tables = "\n".join(table(name, f"What `{expression}` matches.", ranges(expression))
                       for name, expression in (("letter_ranges", r"\p{L}"), ("option_ranges", r"\p{N}"), ("space_ranges", r"\s")))
    return f"""// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \\file
/// Made by tests/parity/byte_level_tables.py from the behavior of HuggingFace tokenizers {tokenizers.__version__}: do not edit.
///
/// A table of its own, because equality must not depend on which Unicode version the library of a distribution knows.
#pragma once

#include <cstdint>

namespace bmae::detail {{

/// First and last scalar value.
struct CharacterRange {{ std::uint32_t first, last; }};

{tables}
}}  // namespace bmae::detail
"""


if __name__ == "__main__":
    text = header()
    if "--check" in sys.argv[1:]:
        same = HEADER.read_text(encoding="utf-8") == text
        print("the table is what tokenizers does" if same else f"{HEADER} differs: run byte_level_tables.py")
        sys.exit(0 if same else 1)
    HEADER.write_text(text, encoding="utf-8")
