// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// What is decided before attention is computed; the products themselves: attention.cpp.
#include <cstdint>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/nn/grouped_attention.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(grouped_attention)

namespace {
using namespace bmae;
using namespace oracle;
}  // namespace

BOOST_AUTO_TEST_CASE(long_texts_and_narrow_windows_recompute) {
    BOOST_CHECK(!detail::recomputes_attention(512, 0));
    BOOST_CHECK(detail::recomputes_attention(513, 0));
    BOOST_CHECK(detail::recomputes_attention(513, 600));
    BOOST_CHECK(detail::recomputes_attention(300, 64));
    BOOST_CHECK(detail::recomputes_attention(193, 64));
    BOOST_CHECK(!detail::recomputes_attention(192, 64));
    BOOST_CHECK(!detail::recomputes_attention(128, 8));
}

BOOST_AUTO_TEST_CASE(neighbors_of_one_length_are_one_group) {
    std::vector<std::int64_t> const offsets{0, 4, 8, 8, 12, 15};
    auto const groups = detail::length_groups(offsets);
    BOOST_REQUIRE_EQUAL(groups.size(), 3U);
    BOOST_CHECK_EQUAL(groups[0].texts, 2);
    BOOST_CHECK_EQUAL(groups[1].begin, 8);
    BOOST_CHECK_EQUAL(groups[1].first, 3U);
    BOOST_CHECK_EQUAL(groups[2].length, 3);
}

BOOST_AUTO_TEST_CASE(masks_are_kept_only_where_they_will_be_needed) {
    std::vector<std::int64_t> const offsets{0, 4, 604};
    std::vector<Visibility> const rows = masks({4, 600});
    auto const kept = detail::kept_masks(offsets, &rows, 0);
    BOOST_REQUIRE_EQUAL(kept.size(), 2U);
    BOOST_CHECK_EQUAL(kept[0].length, 0U);
    BOOST_CHECK(kept[1].bits == rows[1].bits);
    BOOST_CHECK(detail::kept_masks(offsets, nullptr, 0).empty());
    BOOST_CHECK(detail::kept_masks(std::vector<std::int64_t>{0, 4}, &rows, 0).empty());
}

BOOST_AUTO_TEST_SUITE_END()
