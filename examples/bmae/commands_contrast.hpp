// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
/// \file
/// Declares the options of finetune that say which parts of vectors and which texts of a batch are contrasted.
#pragma once

#include <cstdint>

#include "common.hpp"
#include "option_table.hpp"

namespace bmae::program {

/// \param one_source  of the batches of the run
inline void add_contrast_choices(OptionTable& table, CLI::App& app, ContrastChoices& choices, bool& one_source) {
    table
        .text(app, "--matryoshka", choices.matryoshka,
              "Beginnings of the vectors that are trained beside the whole ones: 256,64 or, with weights of their losses, "
              "256:1,64:0.5")
        .by_default("none");
    table
        .whole(app, "--truncate-dim", choices.truncate_dim, {.least = 1, .most = std::uint64_t{1} << 20},
               "Numbers of a vector that the sentence-transformers folder keeps: one of --matryoshka")
        .by_default("all");
    table.flag(app, "--one-source", one_source,
               "A batch holds queries of one file of --data alone, so that its negatives come from the same source");
}

}  // namespace bmae::program
