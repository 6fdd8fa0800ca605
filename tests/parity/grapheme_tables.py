# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes include/bmae/text/grapheme_tables.hpp: where the normalizer Precompiled of HuggingFace `tokenizers` ends grapheme clusters.

The classes are observed, not copied. Precompiled looks a cluster of less than six bytes up as a whole and drops what follows the shortest key that it
begins with; any other cluster is looked up character by character. So a mark behind a character that has a key is dropped or kept, which says
where a cluster began. `python3 grapheme_tables.py` rewrites the header, `--check` fails if it would change.
"""
# ctest: --check
import pathlib

import tokenizers
from tokenizers import normalizers

from subword_parity import character_map
from tokenizer_tables import flag_ranges, table, write_or_check

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include/bmae/text/grapheme_tables.hpp"
KA, VIRAMA, ZWJ, ACUTE, DIAERESIS, SIGN, VOWEL, FINAL = "\u0915", "\u094d", "\u200d", "\u0301", "\u0308", "\u00a9", "\u1161", "\u11a8"
CLASSES = ["control", "extend", "extend_alone", "linker", "joiner", "spacing", "prepend", "lead", "vowel", "final", "pictograph", "consonant"]


def observer(key):
    """A function of texts: whether the mark at the end of each, behind `key`, was kept."""
    normalizer = normalizers.Precompiled(character_map({key: "X"}))

    def kept(texts, mark):
        return [line.endswith(mark) for line in normalizer.normalize_str("\n".join(texts)).split("\n")]
    return kept


def observe():
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and chr(c) not in "\r\n"]
    letter, acute, sign, ka, vowel, final = map(observer, ("e", ACUTE, SIGN, KA, VOWEL, FINAL))
    test = lambda kept, form, mark=ACUTE: {c for c, joined in zip(every, kept([form(c) for c in every], mark), strict=True) if joined}
    # What is dropped behind "e" is of its cluster.
    behind = normalizers.Precompiled(character_map({"e": "X"})).normalize_str("\n".join("e" + c for c in every)).split("\n")
    joins = {c for c, line in zip(every, behind, strict=True) if line == "X"}
    control = set(every) - test(acute, lambda c: c + ACUTE + DIAERESIS, DIAERESIS)
    prepend = test(letter, lambda c: c + "e" + ACUTE)
    extend = joins & test(sign, lambda c: SIGN + c + ZWJ + SIGN + ACUTE)
    linker = joins & test(ka, lambda c: KA + c + KA + ACUTE)
    within = joins & test(ka, lambda c: KA + VIRAMA + c + KA + ACUTE)   # may stand between a consonant, a linker and a consonant
    picture = test(sign, lambda c: c + ZWJ + SIGN + ACUTE) - joins - prepend
    consonant = test(ka, lambda c: c + VIRAMA + KA + ACUTE) - joins - prepend
    before_vowel = test(vowel, lambda c: c + VOWEL + ACUTE) - prepend
    before_final = test(final, lambda c: c + FINAL + ACUTE) - prepend
    syllables = {chr(c) for c in range(0xAC00, 0xD7A4)}   # known by arithmetic
    assert {c for c in syllables if (ord(c) - 0xAC00) % 28 == 0} == syllables & before_vowel and syllables <= before_final
    extend, linker = extend - linker - {ZWJ}, linker - {ZWJ}
    sets = [control, extend & within, extend - within, linker, {ZWJ}, joins - extend - linker - {ZWJ}, prepend,
            before_vowel - before_final, before_vowel & before_final - syllables, before_final - before_vowel - syllables, picture, consonant]
    classes = {}
    for number, members in enumerate(sets, 1):
        for c in members:
            assert ord(c) not in classes, (hex(ord(c)), number, classes[ord(c)])
            classes[ord(c)] = number
    classes[0x0D] = classes[0x0A] = 1
    return classes


def render():
    names = "\n".join(f"    {name}," for name in CLASSES)
    rows = table("GraphemeRange", "grapheme_ranges", "First, last, class of the characters that are not `other`; not the syllables of Hangul.",
                 [f"{{{a:#x}, {b:#x}, {k}}}" for a, b, k in flag_ranges(observe())])
    return f"""// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \\file
/// Made by tests/parity/grapheme_tables.py from the behavior of HuggingFace tokenizers {tokenizers.__version__}: do not edit.
///
/// A table of its own, because equality must not depend on which Unicode version the library of a distribution knows.
#pragma once

#include <cstdint>

namespace bmae::detail {{

/// What a character does to the end of a grapheme cluster (Unicode Standard Annex 29, tables 2 and 3).
enum class GraphemeClass : std::uint8_t {{
    other,
{names}
}};

struct GraphemeRange {{ std::uint32_t first, last; std::uint8_t kind; }};

{rows}
}}  // namespace bmae::detail
"""


if __name__ == "__main__":
    write_or_check(HEADER, render())
