// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Says for how many of its queries a search found nothing. Free of LibTorch.
#pragma once

#include <cstddef>
#include <string>

#include <bmae/retrieval/run.hpp>

#include "common.hpp"

namespace bmae::program {

/// Queries and texts of different languages, or of a script that the analyzer cuts into other words, give a run that looks complete.
inline void say_unmatched(Run const& run) {
    std::size_t unmatched = 0;
    for (std::size_t i = 0; i < run.size(); ++i) { unmatched += run.hits(i).empty() ? 1 : 0; }
    if (unmatched == 0) { return; }
    std::string const text = count_text(unmatched) + " of " + count_text(run.size()) + " queries find nothing";
    if (unmatched * 2 <= run.size()) {
        say(text);
    } else {
        warn(text + ": are queries and texts of one language?");
    }
}

}  // namespace bmae::program
