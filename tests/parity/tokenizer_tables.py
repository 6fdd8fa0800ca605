# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes include/bmae/text/unicode_tables.hpp: what HuggingFace `tokenizers` does to every Unicode scalar value.

The tables are observed, not copied: each value is passed through the normalizers of the installed package, whose own tables mix
several Unicode versions. `python3 tokenizer_tables.py` rewrites the header, `--check` fails if it would change.
"""
# ctest: --check
import pathlib
import re
import sys
import unicodedata

import tokenizers
from tokenizers import normalizers, pre_tokenizers

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include/bmae/text/unicode_tables.hpp"
CONTROL, SPACE, CHINESE, PUNCTUATION, MARK, NONSTARTER = 1, 2, 4, 8, 16, 32


def bert(**only):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**options, **only})


def observe():
    clean, chinese, lower = bert(clean_text=True), bert(handle_chinese_chars=True), bert(lowercase=True)
    strip, nfd, split = bert(strip_accents=True), normalizers.NFD(), pre_tokenizers.BertPreTokenizer()
    def moves(c):
        return nfd.normalize_str("\u0345" + c) != "\u0345" + c or nfd.normalize_str(c + "\u0334") != c + "\u0334"

    pivots = {}
    for code in range(0x300, 0x20000):
        if unicodedata.combining(chr(code)) and nfd.normalize_str(chr(code)) == chr(code) and moves(chr(code)):
            pivots.setdefault(unicodedata.combining(chr(code)), chr(code))
    flags, stripped, lowered, classes = {}, {}, {}, {}
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        c = chr(code)
        f = 0
        if clean.normalize_str(c) == "":
            f |= CONTROL
        if chinese.normalize_str(c) != c:
            f |= CHINESE
        pieces = [p for p, _ in split.pre_tokenize_str("a" + c + "b")]
        if pieces == ["a", "b"]:
            f |= SPACE
        elif pieces == ["a", c, "b"]:
            f |= PUNCTUATION
        full = nfd.normalize_str(c)
        bare = strip.normalize_str(c)
        assert "".join(x for x in full if strip.normalize_str(x)) == bare
        if full == c and bare == "":
            f |= MARK
        if full == c:
            if moves(c):
                f |= NONSTARTER
                if not f & MARK:
                    fits = [k for k, p in pivots.items() if nfd.normalize_str(p + c) == p + c and nfd.normalize_str(c + p) == c + p]
                    assert len(fits) == 1, (hex(code), fits)
                    classes[code] = fits[0]
        elif bare != c:
            stripped[code] = bare
            if bare == "" and moves(full[0]):
                f |= NONSTARTER
        if f:
            flags[code] = f
        small = lower.normalize_str(c)
        if small != c:
            lowered[code] = small
    return flags, stripped, lowered, classes


def flag_ranges(flags):
    """Runs [first, last, value] of neighboring characters with equal values."""
    ranges = []
    for code, f in sorted(flags.items()):
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == f:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, f])
    return ranges


def map_ranges(single):
    """Runs [first, last] of equal step whose values are all `delta` away, or all the same value (step 0 in the header)."""
    runs = []
    for code, value in sorted(single.items()):
        for run in reversed(runs[-2:]):
            first, last, step, target, kind = run
            gap = code - last
            if gap in (1, 2) and (step == 0 or step == gap) and kind in ("", "delta") and value - code == target - first:
                run[1], run[2], run[4] = code, gap, "delta"
                break
            if gap == 1 and step in (0, 1) and kind in ("", "same") and value == target:
                run[1], run[2], run[4] = code, 1, "same"
                break
        else:
            runs.append([code, code, 0, value, ""])
    return [(first, last, 0 if kind == "same" else max(step, 1), target) for first, last, step, target, kind in runs if last > first]


def rows(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 130:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(lines + ([line] if line.strip() else []))


def table(kind, name, comment, items):
    return f"/// {comment}\ninline constexpr {kind} {name}[] = {{\n{rows(items)}\n}};\n"


def render():
    flags, stripped, lowered, classes = observe()
    parts = []
    parts.append(table("FlagRange", "flag_ranges", "First, last, sum of CharacterFlag.",
                       [f"{{{a:#x}, {b:#x}, {f}}}" for a, b, f in flag_ranges(flags)]))
    for name, mapping, comment in (
            ("stripped", stripped, "canonical decomposition without nonspacing marks"),
            ("lowered", lowered, "lower case")):
        single = {c: ord(s) for c, s in mapping.items() if len(s) == 1}
        longer = {c: s for c, s in mapping.items() if len(s) > 1}
        hangul = {c for c in longer if 0xAC00 <= c <= 0xD7A3 and name == "stripped"}
        for c in hangul:
            i = c - 0xAC00
            jamo = chr(0x1100 + i // 588) + chr(0x1161 + i % 588 // 28) + (chr(0x11A7 + i % 28) if i % 28 else "")
            assert longer[c] == jamo
        assert not [s for s in mapping.values() if s == ""] or name == "stripped"
        empty = sorted(c for c, s in mapping.items() if s == "")
        assert all(len(s) <= 4 for s in longer.values())
        runs = map_ranges(single)
        expanded = {}
        for first, last, step, target in runs:
            for c in range(first, last + 1, max(step, 1)):
                expanded[c] = target if step == 0 else c - first + target
        assert expanded.items() <= single.items()
        lonely = {c: v for c, v in single.items() if c not in expanded}
        parts.append(table("MapRange", f"{name}_ranges",
                           f"First, last, step (0: all to one value), value of the first: {comment}.",
                           [f"{{{a:#x}, {b:#x}, {s}, {t:#x}}}" for a, b, s, t in runs]))
        parts.append(table("MapPair", f"{name}_pairs", f"From, to: {comment}, where no run can say it.",
                           [f"{{{c:#x}, {v:#x}}}" for c, v in sorted(lonely.items())]))
        parts.append(table("MapSequence", f"{name}_sequences", f"Values that become none or several: {comment}.",
                           [f"{{{c:#x}, {{{', '.join(f'{ord(x):#x}' for x in mapping[c])}}}}}"
                            for c in sorted(set(longer) - hangul | set(empty))]))
    parts.append(table("CombiningClass", "combining_classes", "Canonical combining class of what is no nonspacing mark and yet no starter.",
                       [f"{{{c:#x}, {k}}}" for c, k in sorted(classes.items())]))
    return f"""// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \\file
/// Made by tests/parity/tokenizer_tables.py from the behavior of HuggingFace tokenizers {tokenizers.__version__}: do not edit.
///
/// A table of its own and not a Unicode library, because the reference mixes Unicode versions and equality must not depend on
/// which version of a library a distribution ships.
#pragma once

#include <cstdint>

namespace bmae::detail {{

/// What the BERT normalizer and pre-tokenizer ask of one Unicode scalar value; bits.
enum CharacterFlag : std::uint8_t {{
    is_control = {CONTROL},       ///< removed by clean_text
    is_space = {SPACE},         ///< separates words
    is_chinese = {CHINESE},       ///< gets a space on either side
    is_punctuation = {PUNCTUATION},   ///< is a word of its own
    is_mark = {MARK},         ///< nonspacing: removed by strip_accents
    is_nonstarter = {NONSTARTER},   ///< may change places under canonical ordering
}};

struct FlagRange {{ std::uint32_t first, last; std::uint8_t flags; }};
struct MapRange {{ std::uint32_t first, last, step, value; }};
struct MapPair {{ std::uint32_t from, to; }};
struct MapSequence {{ std::uint32_t from; std::uint32_t to[4]; }};
struct CombiningClass {{ std::uint32_t character; std::uint8_t combining; }};

{chr(10).join(parts)}
}}  // namespace bmae::detail
"""


def write_or_check(header, text):
    """Writes a header; with --check ends with an error where it would change."""
    if "--check" in sys.argv[1:]:
        without_version = lambda content: re.sub(r"tokenizers [0-9.]+", "", content)
        sys.exit(0 if without_version(header.read_text()) == without_version(text) else f"{header.name} differs from what this script makes")
    header.write_text(text)


if __name__ == "__main__":
    write_or_check(HEADER, render())
