// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/io/number_rows.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(number_rows)

namespace {

using bmae::ElementType;

std::span<std::byte const> bytes(auto const& numbers) { return std::as_bytes(std::span(numbers)); }

}  // namespace

BOOST_AUTO_TEST_CASE(sixteen_bits_round_to_the_nearest_and_even_numbers) {
    using bmae::detail::from_half;
    using bmae::detail::to_half;
    for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {   // every finite number comes back
        BOOST_REQUIRE(to_half(from_half(static_cast<std::uint16_t>(bits))) == bits);
        BOOST_REQUIRE(to_half(-from_half(static_cast<std::uint16_t>(bits))) == (bits | 0x8000U));
    }
    BOOST_TEST(to_half(1.0) == 0x3c00);
    BOOST_TEST(to_half(1 + std::ldexp(1.0, -11)) == 0x3c00);   // half way, to the even one
    BOOST_TEST(to_half(1 + 3 * std::ldexp(1.0, -11)) == 0x3c02);
    BOOST_TEST(to_half(65519.0) == 0x7bff);
    BOOST_TEST(to_half(65520.0) == 0x7c00);   // infinite
    BOOST_TEST(std::isnan(from_half(to_half(std::numeric_limits<double>::quiet_NaN()))));
    BOOST_TEST(bmae::detail::to_bf16(1.0) == 0x3f80);
    BOOST_TEST(bmae::detail::to_bf16(1 + std::ldexp(1.0, -8)) == 0x3f80);
    BOOST_TEST(bmae::detail::to_bf16(1 + 3 * std::ldexp(1.0, -8)) == 0x3f82);
    BOOST_TEST(bmae::detail::from_bf16(0xc000) == -2.0);
}

BOOST_AUTO_TEST_CASE(sums_are_rounded_once) {
    std::array<float, 3> const a{1, 2, 1e30F}, b{3, -2, 1e30F};
    std::array<std::span<std::byte const>, 2> const parts{bytes(a), bytes(b)};
    std::array<double, 2> const weights{.25, .75};
    auto const sum = bmae::weighted_sum(ElementType::f32, parts, weights);
    std::array<float, 3> const expected{2.5F, -1, 1e30F};
    BOOST_TEST(std::ranges::equal(sum, bytes(expected)));
    BOOST_TEST(bmae::is_averaged(ElementType::bf16));
    BOOST_TEST(!bmae::is_averaged(ElementType::i64));
}

BOOST_AUTO_TEST_CASE(rows_are_copied_or_means) {
    std::array<float, 6> const table{1, 2, 3, 4, 5, 6};   // [3, 2]
    std::vector<std::vector<std::int32_t>> const sources{{2}, {0, 1}, {0, 1, 2}};
    auto const rows = bmae::mean_rows<std::int32_t>(ElementType::f32, bytes(table), 3, sources);
    std::array<float, 6> const expected{5, 6, 2, 3, 3, 4};
    BOOST_TEST(std::ranges::equal(rows, bytes(expected)));
}

BOOST_AUTO_TEST_SUITE_END()
