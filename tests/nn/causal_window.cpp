// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Row masks that read from left to right.
#include <cstdint>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/nn/causal_window.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(causal_window)

BOOST_AUTO_TEST_CASE(a_row_reads_the_first_column_and_its_window) {
    std::vector<std::int64_t> const offsets{0, 1, 1, 71};   // one token, none, more than a word of bits
    for (std::size_t const window : {1, 2, 5, 100}) {
        auto const texts = bmae::causal_windows(offsets, window);
        BOOST_REQUIRE_EQUAL(texts.size(), 3);
        for (std::size_t b = 0; b < texts.size(); ++b) {
            auto const length = static_cast<std::size_t>(offsets[b + 1] - offsets[b]);
            BOOST_CHECK_EQUAL(texts[b].length, length);
            for (std::size_t i = 0; i < length; ++i) {
                for (std::size_t j = 0; j < length; ++j) {
                    BOOST_REQUIRE_EQUAL(texts[b].allows(i, j), j == 0 || (j <= i && j + window > i));
                }
            }
        }
    }
    BOOST_CHECK(bmae::causal_windows({}, 2).empty());
}

BOOST_AUTO_TEST_CASE(a_text_of_more_rows_than_a_mask_can_name_is_refused) {
    std::vector<std::int64_t> const offsets{0, 65537};
    BOOST_CHECK_NE(oracle::refusal([&] { static_cast<void>(bmae::causal_windows(offsets, 2)); }).find("65536 row masks"),
                   std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_window_without_columns_is_refused) {
    BOOST_CHECK_EQUAL(bmae::require_window(3, ""), 3);
    for (std::int64_t const window : {0, -2}) {
        BOOST_CHECK_NE(oracle::refusal([&] { bmae::require_window(window, "SEED uses 2."); }).find("SEED uses 2."),
                       std::string::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()
