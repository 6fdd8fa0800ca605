// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Work in blocks on LibTorch's threads.
#include <atomic>
#include <cstdint>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/nn/cpu_threads.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(cpu_threads)

BOOST_AUTO_TEST_CASE(each_block_and_each_element_comes_once) {
    oracle::Settings const settings;
    for (int const threads : {1, 2, 5}) {
        at::set_num_threads(threads);
        for (std::int64_t const count : {0, 1, 7, 1000}) {
            std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
            bmae::detail::parallel_blocks(count, [&](std::int64_t block) { ++seen[static_cast<std::size_t>(block)]; });
            bmae::detail::parallel_ranges(count, 64, [&](std::int64_t first, std::int64_t end) {
                for (std::int64_t i = first; i < end; ++i) { ++seen[static_cast<std::size_t>(i)]; }
            });
            for (auto const& times : seen) { BOOST_REQUIRE_EQUAL(times.load(), 2); }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
