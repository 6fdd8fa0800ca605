// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The row masks of the GPU kernel, expanded on the host: what `Visibility` allows.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/kernels/cuda/row_mask.cuh>
#include <bmae/values/draw.hpp>
#include <bmae/values/visibility.hpp>

BOOST_AUTO_TEST_SUITE(row_mask)

namespace {
using namespace bmae;
using detail::cuda::row_mask_bias;
using detail::cuda::RowMasks;

constexpr float outside = -std::numeric_limits<float>::infinity();

/// Texts of some lengths padded to 80 rows, each with a pool of five random rows.
struct Texts {
    std::vector<std::int32_t> bounds{0};
    std::vector<Visibility> visibility;
    std::vector<std::int64_t> bits, entry, itself, blind;

    explicit Texts(std::vector<std::int32_t> const& lengths) {
        for (std::int32_t const length : lengths) {
            bounds.push_back(bounds.back() + length);
            Draw draw({.seed = 4, .example = visibility.size()});
            Visibility rows{.length = static_cast<std::uint32_t>(length), .reads_itself = visibility.size() % 2 == 0};
            for (std::size_t word = 0; word < 5 * rows.words(); ++word) { rows.bits.push_back(draw()); }
            for (std::int32_t i = 0; i < length; ++i) { rows.row.push_back(static_cast<std::uint16_t>(draw.below(5))); }
            for (std::size_t e = 0; e < 5; ++e) {
                for (std::size_t word = 0; word < 2; ++word) {
                    bool const stored = word < rows.words();
                    bits.push_back(stored ? static_cast<std::int64_t>(rows.bits[e * rows.words() + word]) : 0);
                }
            }
            for (std::size_t i = 0; i < 80; ++i) {
                entry.push_back(i < rows.row.size() ? rows.row[i] : 0);
                blind.push_back(i == 3 ? 1 : 0);
            }
            itself.push_back(rows.reads_itself ? 1 : 0);
            visibility.push_back(rows);
        }
    }
    [[nodiscard]] RowMasks masks(std::int64_t window) const {
        return {.bits = bits.data(),
                .entry = entry.data(),
                .itself = itself.data(),
                .blind = blind.data(),
                .bounds = bounds.data(),
                .pool = 5,
                .words = 2,
                .length = 80,
                .window = window};
    }
};
}  // namespace

BOOST_AUTO_TEST_CASE(rows_attend_to_what_their_bits_allow) {
    Texts const texts({1, 80, 0, 65, 64});
    for (std::int64_t const window : {0, 7}) {
        RowMasks const masks = texts.masks(window);
        for (std::int64_t b = 0; b < 5; ++b) {
            Visibility const& rows = texts.visibility[static_cast<std::size_t>(b)];
            for (std::int64_t i = 0; i < rows.length; ++i) {
                for (std::int64_t j = 0; j < 80; ++j) {
                    bool const inside = j < rows.length && (window == 0 || std::abs(i - j) <= window);
                    bool const allowed = i == 3 || rows.allows(static_cast<std::size_t>(i), static_cast<std::size_t>(j));
                    BOOST_TEST(row_mask_bias(masks, b, i, j) == (inside && allowed ? 0 : outside));
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(rows_of_padding_have_a_column) {   // without masks: those of a text say nothing about them
    Texts const texts({0, 5});
    RowMasks none = texts.masks(2);
    none.bits = nullptr;
    for (std::int64_t b = 0; b < 2; ++b) {
        for (std::int64_t i = 5; i < 80; ++i) { BOOST_TEST(row_mask_bias(none, b, i, 0) == 0); }
    }
    BOOST_TEST(row_mask_bias(none, 1, 3, 4) == 0);
    BOOST_TEST(row_mask_bias(none, 1, 3, 5) == outside);
}

BOOST_AUTO_TEST_SUITE_END()
