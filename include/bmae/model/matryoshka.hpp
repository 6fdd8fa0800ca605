// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The beginnings of a vector that a loss trains beside the whole one.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <bmae/values/error.hpp>

namespace bmae {

/// The first numbers of a vector as a vector of their own.
struct VectorPrefix {
    std::uint64_t dimension = 0;   ///< how many; 0: a half of the width for the first prefix, a quarter for the second, ...
    double weight = 1;             ///< of its loss

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("dimension", dimension, "numbers of this prefix; 0: the width halved once more than for the one before");
        visit("weight", weight, "factor of the loss over this prefix");
    }
};

/// Nested vectors (Kusupati et al.: Matryoshka Representation Learning, arXiv 2205.13147, equation 1): the loss is the sum over prefixes of
/// weight times the loss over that prefix alone, where cosines are those of the prefix. The whole vector is always among them, with weight
/// 1 unless a prefix as long says another. Sentence Transformers' MatryoshkaLoss with the same dimensions and weights.
struct Matryoshka {
    std::vector<VectorPrefix> prefixes = {};   ///< none: the whole vector alone

    /// Options `0.dimension`, `0.weight`, `1.dimension` ... of as many prefixes as there are.
    template <class Visit>
    void for_each_option(Visit&& visit) {
        for (std::size_t i = 0; i < prefixes.size(); ++i) { visit.inside(std::to_string(i), prefixes[i]); }
    }

    /// So many prefixes, each half of the one before.
    static Matryoshka halves(std::size_t count) { return {std::vector<VectorPrefix>(count)}; }

    [[nodiscard]] bool empty() const noexcept { return prefixes.empty(); }

    /// The whole width, then those of the prefixes, each with its weight.
    /// Throws InputError for a dimension outside of 1 ... width or named twice, and for a weight that is not above 0.
    [[nodiscard]] std::vector<std::pair<std::int64_t, double>> widths(std::int64_t width) const {
        std::vector<std::pair<std::int64_t, double>> all{{width, 1.}};
        bool names_whole = false;
        for (std::size_t i = 0; i < prefixes.size(); ++i) {
            auto const [named, weight] = prefixes[i];
            std::int64_t const half = i < 62 ? width >> (i + 1) : 0;
            std::int64_t const dimension = named == 0                           ? half
                                           : std::in_range<std::int64_t>(named) ? static_cast<std::int64_t>(named)
                                                                                : -1;
            if (dimension < 1 || dimension > width) {
                throw refused("dimensions from 1 to " + std::to_string(width) + ", the width of the vectors",
                              named == 0 ? std::to_string(i + 1) + " halvings" : std::to_string(named));
            }
            if (!(weight > 0 && std::isfinite(weight))) {
                throw refused("a finite weight above 0 of dimension " + std::to_string(dimension), std::to_string(weight));
            }
            if (dimension == width && !std::exchange(names_whole, true)) {
                all.front().second = weight;
                continue;
            }
            for (auto const& [other, ignored] : all) {
                if (other == dimension) { throw refused("each dimension once", std::to_string(dimension) + " twice"); }
            }
            all.emplace_back(dimension, weight);
        }
        return all;
    }

private:
    static InputError refused(std::string expected, std::string found) {
        return InputError(Diagnostic{.file = {}, .expected = "Matryoshka: " + std::move(expected), .found = std::move(found)});
    }
};

}  // namespace bmae
