# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes include/bmae/text/nfc_tables.hpp: what the normalizers NFC and NFD of HuggingFace `tokenizers` do to every Unicode scalar value.

The tables are observed, not copied: the package's own tables are of one Unicode version, and ids must not depend on another.
`python3 nfc_tables.py` rewrites the header, `--check` fails if it would change.
"""
# ctest: --check
import pathlib
import unicodedata

import tokenizers
from tokenizers import normalizers

from tokenizer_tables import flag_ranges, table, write_or_check

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include/bmae/text/nfc_tables.hpp"


def observe():
    nfd, nfc = normalizers.NFD().normalize_str, normalizers.NFC().normalize_str
    moves = lambda c: nfd("\u0345" + c) != "\u0345" + c or nfd(c + "\u0334") != c + "\u0334"
    pivots = {}
    for code in range(0x300, 0x20000):
        c = chr(code)
        if unicodedata.combining(c) and nfd(c) == c and moves(c):
            pivots.setdefault(unicodedata.combining(c), c)
    classes, composites, singles, sequences = {}, [], [], []
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000 or 0xAC00 <= code <= 0xD7A3:
            continue
        c = chr(code)
        full = nfd(c)
        if full == c:
            if moves(c):
                fits = [k for k, p in pivots.items() if nfd(p + c) == p + c and nfd(c + p) == c + p]
                assert len(fits) == 1, (hex(code), fits)
                classes[code] = fits[0]
        elif nfc(full) == c:
            first = nfc(full[:-1])
            assert len(first) == 1, hex(code)
            composites.append((code, ord(first), ord(full[-1])))
        elif len(full) == 1:
            singles.append((code, ord(full)))
        else:
            assert len(full) <= 4, hex(code)
            sequences.append((code, [ord(x) for x in full]))
    for syllable in (0xAC00, 0xAC01, 0xD7A3):   # Hangul is left to arithmetic
        i = syllable - 0xAC00
        jamo = chr(0x1100 + i // 588) + chr(0x1161 + i % 588 // 28) + (chr(0x11A7 + i % 28) if i % 28 else "")
        assert nfd(chr(syllable)) == jamo and nfc(jamo) == chr(syllable)
    return classes, composites, singles, sequences


def render():
    classes, composites, singles, sequences = observe()
    parts = [
        table("ClassRange", "class_ranges", "First, last, canonical combining class above 0.", [f"{{{a:#x}, {b:#x}, {k}}}" for a, b, k in flag_ranges(classes)]),
        table("Composite", "composites", "A character and the two that become it, which it becomes under decomposition.",
              [f"{{{c:#x}, {a:#x}, {b:#x}}}" for c, a, b in composites]),
        table("SingleMap", "canonical_singles", "A character that always becomes another one.", [f"{{{c:#x}, {v:#x}}}" for c, v in singles]),
        table("SequenceMap", "canonical_sequences", "A character that always becomes several.",
              [f"{{{c:#x}, {{{', '.join(f'{x:#x}' for x in s)}}}}}" for c, s in sequences])]
    return f"""// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \\file
/// Made by tests/parity/nfc_tables.py from the behavior of HuggingFace tokenizers {tokenizers.__version__}: do not edit.
///
/// A table of its own, because equality must not depend on which Unicode version the library of a distribution knows.
#pragma once

#include <cstdint>

namespace bmae::detail {{

struct ClassRange {{ std::uint32_t first, last; std::uint8_t combining; }};
struct Composite {{ std::uint32_t whole, first, second; }};
struct SingleMap {{ std::uint32_t from, to; }};
struct SequenceMap {{ std::uint32_t from; std::uint32_t to[4]; }};

{chr(10).join(parts)}
}}  // namespace bmae::detail
"""


if __name__ == "__main__":
    write_or_check(HEADER, render())
