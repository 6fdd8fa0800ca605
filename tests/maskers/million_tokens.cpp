// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The statistics of masking over a million tokens, as a table: exact counts, 80/10/10, uniform positions.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/maskers/whole_word.hpp>

#include "invented_text.hpp"

using namespace bmae;
using namespace bmae_test;

BOOST_AUTO_TEST_CASE(whole_word_masks_of_a_million_tokens) {
    std::puts("  whole-word masks of a million tokens");
    std::printf("  %6s %6s %10s %10s %12s %10s\n", "L", "rate", "budget", "mean", "exact texts", "UNK share");
    for (double const rate : {.15, .30, .50}) {
        for (std::size_t const length : {32UL, 128UL, 512UL}) {
            Draw draw({.seed = 77, .example = length});
            std::size_t const texts = 1000000 / 9 / length;
            std::size_t const budget = detail::mask_budget(length, rate, 1, 512);
            double hidden = 0, exact = 0, unknown = 0, unknown_hidden = 0;
            std::vector<double> at_position(length, 0);
            for (std::size_t k = 0; k < texts; ++k) {
                std::vector<TokenId> const ids = text(length, draw);
                MaskFlags const flags = WholeWordMasker{.rate = rate}.draw(TokenSpan(ids, traits()), draw);
                std::size_t count = 0;
                for (std::size_t i = 0; i < length; ++i) {
                    count += flags[i];
                    at_position[i] += flags[i];
                    unknown += ids[i] == unk ? 1 : 0;
                    unknown_hidden += ids[i] == unk && flags[i] != 0 ? 1 : 0;
                }
                BOOST_TEST(count <= budget);
                hidden += static_cast<double>(count);
                exact += count == budget ? 1 : 0;
            }
            auto const n = static_cast<double>(texts);
            std::printf("  %6zu %6.2f %10zu %10.3f %11.2f%% %10.3f\n", length, rate, budget, hidden / n, 100 * exact / n,
                        unknown_hidden / unknown);
            BOOST_TEST(exact / n > .99);
            BOOST_TEST(at_position.front() == 0);
            BOOST_TEST(at_position.back() == 0);
            double chi = 0;   // every place is hidden about equally often
            double const mean = hidden / static_cast<double>(length - 2);
            for (std::size_t i = 2; i + 2 < length; ++i) { chi += std::pow(at_position[i] - mean, 2) / mean; }
            BOOST_TEST(chi < 1.6 * static_cast<double>(length));
        }
    }
}
