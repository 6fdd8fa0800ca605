// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/batch/window.hpp.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/batch/window.hpp>

using namespace bmae;

BOOST_AUTO_TEST_CASE(windows_cut_long_texts_only) {
    std::vector<TokenId> text(20);
    std::iota(text.begin(), text.end(), 0);
    for (WindowPolicy const policy : {WindowPolicy::head, WindowPolicy::random}) {
        std::vector<int> starts(20, 0);
        for (std::uint64_t seed = 0; seed < 5000; ++seed) {
            Window const window{.limit = 16, .policy = policy};
            Draw draw({.seed = seed}), same({.seed = seed});
            std::span<TokenId const> const cut = window.of(text, draw);
            BOOST_TEST_REQUIRE(cut.size() == 16U);
            ++starts[static_cast<std::size_t>(cut.front())];
            BOOST_TEST(cut.back() - cut.front() == 15);
            std::vector<TokenId> copy = text;
            window.cut(copy, same);
            BOOST_TEST(std::ranges::equal(copy, cut));
        }
        for (std::size_t start = 0; start < 20; ++start) {
            double const expected = policy == WindowPolicy::head ? (start == 0 ? 5000 : 0) : (start <= 4 ? 1000 : 0);
            BOOST_TEST(std::abs(starts[start] - expected) <= (policy == WindowPolicy::head || start > 4 ? 0 : 150));
        }
        for (std::size_t const limit : {20UL, 21UL, 500UL}) {
            Draw draw({});
            BOOST_TEST((Window{.limit = limit, .policy = policy}.of(text, draw).size()) == 20U);
        }
        Draw draw({});
        BOOST_TEST((Window{.limit = 0, .policy = policy}.of(text, draw).empty()));
        BOOST_TEST((Window{.limit = 5, .policy = policy}.of({}, draw).empty()));
    }
}
