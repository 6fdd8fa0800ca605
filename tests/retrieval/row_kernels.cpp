// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <bmae/retrieval/exact_index_kernel.hpp>
#include <bmae/retrieval/row_kernels.hpp>
#include <bmae/values/draw.hpp>

BOOST_AUTO_TEST_SUITE(row_kernels)

namespace {

using bmae::detail::RowKernels;

std::vector<float> invented(std::size_t count, std::uint64_t seed) {
    bmae::Draw draw({.seed = seed});
    std::vector<float> values(count);
    for (float& value : values) { value = static_cast<float>(2 * draw.uniform() - 1); }
    return values;
}

double reference(float const* a, float const* b, std::size_t width) {
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i) { sum += static_cast<double>(a[i]) * static_cast<double>(b[i]); }
    return sum;
}

std::vector<RowKernels> all_kernels() {
    std::vector<RowKernels> kernels = {bmae::detail::PlainRowKernels::all(), bmae::detail::choose_row_kernels()};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) {
        kernels.push_back(bmae::detail::Avx2RowKernels::all());
    }
#endif
    return kernels;
}

}  // namespace

BOOST_AUTO_TEST_CASE(scores_are_right_and_do_not_depend_on_the_tile) {
    constexpr std::size_t width = 48;
    constexpr std::size_t rows = 21;   // two tiles of eight and a rest
    auto const stored = invented(rows * width, 1);
    auto const asked = invented(7 * width, 2);
    for (RowKernels const& kernels : all_kernels()) {
        std::vector<float> scores(7 * rows);
        kernels.score(asked.data(), 7, stored.data(), rows, width, scores.data(), rows);
        for (std::size_t q = 0; q < 7; ++q) {
            for (std::size_t r = 0; r < rows; ++r) {
                float alone = 0;
                kernels.score(asked.data() + q * width, 1, stored.data() + r * width, 1, width, &alone, 1);
                BOOST_TEST(alone == scores[q * rows + r]);
                BOOST_TEST(std::abs(alone - reference(asked.data() + q * width, stored.data() + r * width, width)) < 1e-5);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(rows_that_are_converted_score_as_their_widened_copies) {
    constexpr std::size_t width = 32;
    constexpr std::size_t rows = 19;
    bmae::Draw draw({.seed = 3});
    std::vector<std::uint16_t> half(rows * width);
    std::vector<std::int8_t> bytes(rows * width);
    for (auto& value : half) {
        value = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(draw.uniform())) >> 16);
    }
    for (auto& value : bytes) { value = static_cast<std::int8_t>(static_cast<int>(draw.below(255)) - 127); }
    auto const scales = invented(rows, 4);
    auto const asked = invented(2 * width, 5);
    for (RowKernels const& kernels : all_kernels()) {
        std::vector<float> wide(rows * width);
        std::vector<float> direct(2 * rows);
        std::vector<float> widened(2 * rows);
        kernels.widen_half(half.data(), half.size(), wide.data());
        kernels.score(asked.data(), 2, wide.data(), rows, width, widened.data(), rows);
        kernels.score_half(asked.data(), 2, half.data(), rows, width, direct.data(), rows);
        BOOST_TEST(direct == widened, boost::test_tools::per_element());
        kernels.widen_bytes(bytes.data(), scales.data(), rows, width, wide.data());
        for (std::size_t i = 0; i < wide.size(); ++i) { BOOST_TEST(wide[i] == scales[i / width] * static_cast<float>(bytes[i])); }
        kernels.widen_bytes(bytes.data(), nullptr, rows, width, wide.data());
        kernels.score(asked.data(), 2, wide.data(), rows, width, widened.data(), rows);
        kernels.score_bytes(asked.data(), 2, bytes.data(), rows, width, direct.data(), rows);
        BOOST_TEST(direct == widened, boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(bits_score_as_vectors_of_one_and_minus_one) {
    constexpr std::size_t width = 100;   // two words, the second one in part
    auto const values = invented(6 * width, 9);
    std::vector<std::uint64_t> bits(6 * 2);
    for (std::size_t i = 0; i < 6; ++i) { bmae::detail::pack_bits(values.data() + i * width, width, bits.data() + 2 * i); }
    for (RowKernels const& kernels : all_kernels()) {
        std::vector<float> scores(2 * 4);
        kernels.score_bits(bits.data(), 2, bits.data() + 4, 4, 2, width, scores.data(), 4);
        for (std::size_t q = 0; q < 2; ++q) {
            for (std::size_t r = 0; r < 4; ++r) {
                float expected = 0;
                for (std::size_t i = 0; i < width; ++i) {
                    expected += (values[q * width + i] > 0) == (values[(2 + r) * width + i] > 0) ? 1.0F : -1.0F;
                }
                BOOST_TEST(scores[q * 4 + r] == expected);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(scores_that_are_not_below_the_threshold_are_selected) {
    auto scores = invented(70, 6);
    scores[17] = std::numeric_limits<float>::quiet_NaN();
    scores[18] = .5F;
    std::vector<std::uint32_t> expected;
    for (std::uint32_t i = 0; i < scores.size(); ++i) {
        if (scores[i] >= .5F) { expected.push_back(i); }
    }
    for (RowKernels const& kernels : all_kernels()) {
        std::vector<std::uint32_t> places(scores.size());
        places.resize(kernels.select(scores.data(), scores.size(), .5F, places.data()));
        BOOST_TEST(places == expected, boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(a_search_finds_what_sorting_finds) {
    constexpr std::size_t width = 16;
    constexpr std::size_t count = 9000;   // more than a block of rows
    auto const stored = invented(count * width, 7);
    auto const asked = invented(5 * width, 8);
    for (std::size_t const k : {std::size_t{1}, std::size_t{90}, count}) {
        bmae::detail::StoredRows const rows{.single = stored.data(), .count = count, .width = width};
        bmae::detail::search_rows(rows, asked.data(), 5, k, {}, 4, 3, [&](std::size_t q, auto const& found) {
            std::vector<float> scores(count);
            bmae::detail::choose_row_kernels().score(asked.data() + q * width, 1, stored.data(), count, width, scores.data(),
                                                     count);
            std::vector<std::uint32_t> order(count);
            std::iota(order.begin(), order.end(), 0U);
            std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
            BOOST_REQUIRE(found.size() == k);
            for (std::size_t i = 0; i < k; ++i) {
                float const score = scores[order[i]];
                BOOST_REQUIRE(found[i].key == order[i]);
                BOOST_REQUIRE(found[i].score == score);
            }
        });
    }
}

BOOST_AUTO_TEST_SUITE_END()
