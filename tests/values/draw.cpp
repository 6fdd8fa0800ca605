// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Draws are a function of their key, uniform, without bias, and independent between keys and forks.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <span>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/values/draw.hpp>

BOOST_AUTO_TEST_SUITE(draw)

namespace {

using bmae::Draw;
using bmae::DrawKey;

static_assert(std::uniform_random_bit_generator<Draw>);

std::vector<std::uint64_t> first(Draw draw, std::size_t count = 4) {
    std::vector<std::uint64_t> found(count);
    for (std::uint64_t& value : found) { value = draw(); }
    return found;
}

/// Pearson's statistic of equally likely cells, in standard deviations above its mean.
double excess(std::span<std::size_t const> counts) {
    double total = 0, chi = 0;
    for (std::size_t const count : counts) { total += static_cast<double>(count); }
    double const expected = total / static_cast<double>(counts.size());
    for (std::size_t const count : counts) { chi += std::pow(static_cast<double>(count) - expected, 2) / expected; }
    double const freedom = static_cast<double>(counts.size()) - 1;
    return (chi - freedom) / std::sqrt(2 * freedom);
}

}  // namespace

// SplitMix64 from state 0, as its authors publish it (prng.di.unimi.it/splitmix64.c).
BOOST_AUTO_TEST_CASE(the_mixing_is_splitmix64) {
    std::array<std::uint64_t, 3> const published = {0xe220a8397b1dcdafULL, 0x6e789e6aa1b965f4ULL, 0x06c45d188009454fULL};
    for (std::uint64_t i = 0; i < published.size(); ++i) {
        BOOST_TEST(bmae::detail::mix64(i * 0x9e3779b97f4a7c15ULL) == published[i]);
    }
}

BOOST_AUTO_TEST_CASE(every_part_of_the_key_counts) {
    DrawKey const key{.seed = 1, .epoch = 2, .example = 3, .slot = 4};
    BOOST_TEST(first(Draw(key)) == first(Draw(key)), boost::test_tools::per_element());
    std::set<std::vector<std::uint64_t>> streams;
    for (std::uint64_t a = 0; a < 4; ++a) {
        for (std::uint64_t b = 0; b < 4; ++b) {   // none of the four stands in for another
            streams.insert(first(Draw({.seed = a, .epoch = b})));
            streams.insert(first(Draw({.epoch = a + 10, .example = b})));
            streams.insert(first(Draw({.example = a + 20, .slot = b})));
        }
    }
    BOOST_TEST(streams.size() == 48U);
}

BOOST_AUTO_TEST_CASE(a_fork_depends_on_the_key_alone) {
    Draw parent({.seed = 7});
    auto const before = first(parent.fork(1));
    for (int i = 0; i < 100; ++i) { parent(); }
    BOOST_TEST(first(parent.fork(1)) == before, boost::test_tools::per_element());   // whatever was drawn meanwhile
    std::set<std::vector<std::uint64_t>> streams = {first(Draw({.seed = 7})), first(parent)};
    for (std::uint64_t part = 0; part < 50; ++part) { streams.insert(first(parent.fork(part))); }
    streams.insert(first(parent.fork(1).fork(2)));
    streams.insert(first(parent.fork(2).fork(1)));
    BOOST_TEST(streams.size() == 54U);
}

BOOST_AUTO_TEST_CASE(uniform_numbers) {
    Draw draw({.seed = 3});
    std::array<std::size_t, 64> cells{};
    for (int i = 0; i < 64'000; ++i) {
        double const value = draw.uniform();
        BOOST_REQUIRE(value >= 0 && value < 1);
        ++cells[static_cast<std::size_t>(value * 64)];
    }
    BOOST_TEST(std::abs(excess(cells)) < 5);
    std::size_t hits = 0;
    for (int i = 0; i < 100'000; ++i) { hits += draw.chance(.3) ? 1U : 0U; }
    BOOST_TEST(std::abs(static_cast<double>(hits) - 30'000) < 5 * std::sqrt(100'000 * .3 * .7));
    BOOST_TEST(!draw.chance(0));
    BOOST_TEST(draw.chance(1));
}

BOOST_AUTO_TEST_CASE(whole_numbers_below_a_bound_have_no_bias) {
    Draw draw({.seed = 4});
    BOOST_TEST(draw.below(0) == 0U);
    BOOST_TEST(draw.below(1) == 0U);
    std::array<std::size_t, 7> cells{};
    for (int i = 0; i < 70'000; ++i) {
        std::uint64_t const value = draw.below(7);
        BOOST_REQUIRE(value < 7);
        ++cells[value];
    }
    BOOST_TEST(std::abs(excess(cells)) < 5);
    // Three quarters of the range: a remainder or a plain product would give the lower third twice the share of the others.
    std::uint64_t const bound = std::uint64_t{3} << 62;
    std::array<std::size_t, 3> thirds{};
    for (int i = 0; i < 60'000; ++i) { ++thirds[draw.below(bound) / (std::uint64_t{1} << 62)]; }
    BOOST_TEST(std::abs(excess(thirds)) < 5);
}

BOOST_AUTO_TEST_CASE(all_orders_are_equally_likely) {
    Draw draw({.seed = 5});
    std::vector<std::vector<int>> orders;
    std::vector<int> order = {0, 1, 2, 3};
    do { orders.push_back(order); } while (std::ranges::next_permutation(order).found);
    std::vector<std::size_t> cells(orders.size());
    for (int i = 0; i < 24'000; ++i) {
        std::vector<int> drawn = {0, 1, 2, 3};
        draw.shuffle(std::span(drawn));
        ++cells[static_cast<std::size_t>(std::ranges::lower_bound(orders, drawn) - orders.begin())];
    }
    BOOST_TEST(std::abs(excess(cells)) < 5);
    std::vector<int> none;
    draw.shuffle(std::span(none));
    BOOST_TEST(none.empty());
}

BOOST_AUTO_TEST_SUITE_END()
