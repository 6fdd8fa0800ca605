# SPDX-FileCopyrightText: the bmae authors
# SPDX-License-Identifier: Apache-2.0
"""Writes include/bmae/text/compatibility_tables.hpp: what the normalizer NFKD of HuggingFace `tokenizers` does beyond NFD.

The table is observed, not copied, as that of nfc_tables.py is. `python3 compatibility_tables.py` rewrites the header, `--check` fails if it would change.
"""
# ctest: --check
import pathlib

import tokenizers
from tokenizers import normalizers

from tokenizer_tables import table, write_or_check

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include/bmae/text/compatibility_tables.hpp"


def observe():
    """The compatibility decomposition of each character that has another one than its canonical decomposition."""
    nfd, nfkd, nfkc, nfc = (getattr(normalizers, form)().normalize_str for form in ("NFD", "NFKD", "NFKC", "NFC"))
    mapped = {}
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000 or 0xAC00 <= code <= 0xD7A3:
            continue
        c = chr(code)
        full = nfkd(c)
        if full != nfd(c):
            assert nfkd(full) == full and nfkc(c) == nfc(full), hex(code)
            mapped[code] = full
    return mapped


def render():
    mapped = observe()
    flat, rows = [], []
    for code, full in mapped.items():
        units = [ord(x) for x in full]
        at = next((i for i in range(len(flat)) if flat[i:i + len(units)] == units), len(flat)) if len(units) < 4 else len(flat)
        if at == len(flat):
            flat += units
        rows.append(f"{{{code:#x}, {at}, {len(units)}}}")
    parts = [table("CompatibilityMap", "compatibility_maps", "A character, and the part of `compatibility_units` that it becomes.", rows),
             table("std::uint32_t", "compatibility_units", "Full compatibility decompositions.", [f"{x:#x}" for x in flat])]
    return f"""// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \\file
/// Made by tests/parity/compatibility_tables.py from the behavior of HuggingFace tokenizers {tokenizers.__version__}: do not edit.
///
/// A table of its own, because equality must not depend on which Unicode version the library of a distribution knows.
#pragma once

#include <cstdint>

namespace bmae::detail {{

struct CompatibilityMap {{ std::uint32_t from; std::uint16_t begin, count; }};

{chr(10).join(parts)}
}}  // namespace bmae::detail
"""


if __name__ == "__main__":
    write_or_check(HEADER, render())
