# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes include/bmae/text/word_tables.hpp: the characters beside which an added token of a single word is none, in HuggingFace `tokenizers`.

Observed, not copied: each character is put before a token that is a single word. `python3 word_tables.py` rewrites the header, `--check` fails
if it would change.
"""
# ctest: --check
import pathlib

import tokenizers
from tokenizers import AddedToken, Tokenizer, models

from tokenizer_tables import flag_ranges, table, write_or_check

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include/bmae/text/word_tables.hpp"


def observe():
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.add_tokens([AddedToken("\x01", single_word=True, normalized=False)])
    every = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c != 1]
    alone = {begin for i, (begin, _) in (lambda e: zip(e.ids, e.offsets))(tokenizer.encode(" ".join(chr(c) + "\x01" for c in every))) if i == 1}
    return {c: 1 for place, c in enumerate(every) if 3 * place + 1 not in alone}


def render():
    rows = table("WordRange", "word_ranges", "First, last.", [f"{{{a:#x}, {b:#x}}}" for a, b, _ in flag_ranges(observe())])
    return f"""// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \\file
/// Made by tests/parity/word_tables.py from the behavior of HuggingFace tokenizers {tokenizers.__version__}: do not edit.
///
/// The characters of words, as the boundaries of an added token with `single_word` know them.
#pragma once

#include <cstdint>

namespace bmae::detail {{

struct WordRange {{ std::uint32_t first, last; }};

{rows}
}}  // namespace bmae::detail
"""


if __name__ == "__main__":
    write_or_check(HEADER, render())
