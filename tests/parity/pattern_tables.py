# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes include/bmae/text/pattern_tables.hpp: the characters of the classes that a regular expression of a `Split` names, in HuggingFace `tokenizers`.

Observed, not copied: each character is split by an expression of that class alone. `python3 pattern_tables.py` rewrites the header, `--check` fails
if it would change.
"""
# ctest: --check
import pathlib

import tokenizers
from tokenizers import Regex, pre_tokenizers

from byte_level_tables import table
from tokenizer_tables import write_or_check

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include/bmae/text/pattern_tables.hpp"
CLASSES = (("digit_ranges", r"\d", "!"), ("mark_ranges", r"\p{M}", "!"), ("punctuation_ranges", r"\p{P}", "a"),
           ("symbol_ranges", r"\p{S}", "!"))


def ranges(expression, beside):
    """Ranges of the characters that `expression` matches. beside: a character that it does not match."""
    split = pre_tokenizers.Split(Regex(expression), "removed")
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    found = []
    for start in range(0, len(codes), 4096):
        block = codes[start:start + 4096]
        left = set()
        for _, (begin, end) in split.pre_tokenize_str("".join(beside + chr(code) for code in block) + beside):
            left.update(range(begin, end))
        for place, code in enumerate(block):
            if 2 * place + 1 in left:
                continue
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return found


def header():
    tables = "\n".join(table(name, f"What `{expression}` matches.", ranges(expression, beside)) for name, expression, beside in CLASSES)
    return f"""// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \\file
/// Made by tests/parity/pattern_tables.py from the behavior of HuggingFace tokenizers {tokenizers.__version__}: do not edit.
///
/// Character classes of regular expressions beside those of byte_level_bpe_tables.hpp.
#pragma once

#include <bmae/text/byte_level_bpe_tables.hpp>

namespace bmae::detail {{

{tables}
}}  // namespace bmae::detail
"""


if __name__ == "__main__":
    write_or_check(HEADER, header())
